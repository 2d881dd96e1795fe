"""Show what is on disk: an experiment, a selection of it, several, or the difference of two."""

from __future__ import annotations

import argparse
import dataclasses

from rich.console import Console

from benchmark.campaign import preflight as checks
from benchmark.campaign import replay as replays
from benchmark.campaign.campaign import DONE, FAILED
from benchmark.commands.asked import Selected, address_of, flags, reference_asked, rows_asked, say_left_out
from benchmark.experiment import ProtocolError
from benchmark.results import editions, store
from benchmark.results import layers as results
from benchmark.results.errors import StoreError
from benchmark.results.layers import Folders, Layers
from benchmark.results.paths import slug
from benchmark.results.records import Experiment
from benchmark.text.status import doing

SELECTING = ("strategies", "learner", "seeds", "budgets", "baseline")  # flags that select what --report shows


def report(arguments: argparse.Namespace, layers: Layers, console: Console) -> int:
    """Print an experiment's table, and write tables and figures from its lines; of a selection only to ``--output``."""
    with doing("loading the report", console):
        from benchmark.reports import console_table, notes_of, report_of, write
        from benchmark.reports.target import ACROSS, SELECTED

    several = len(arguments.report) > 1
    if several and arguments.export_indices is not None:
        raise ProtocolError("--export-indices takes the runs of one experiment: give --report one")
    _check_outputs(arguments, *(ACROSS if several else SELECTED))
    selected = *rows_asked(arguments), arguments.seeds, arguments.budgets
    if several:
        return report_across(arguments, layers, selected, console)
    folders = layers.find(arguments.report[0])
    with doing(f"reading the runs in {arguments.report[0]}", console):
        experiment = folders.experiment()
    if arguments.export_indices is not None and arguments.output is None:
        export_indices(arguments, experiment, console)
        return DONE
    if arguments.output is not None or arguments.baseline is not None or any(some is not None for some in selected):
        return report_selection(arguments, folders, experiment, selected, console)
    with doing("computing the table", console):
        experiment, budgets = results.beside_own(experiment)
        found = report_of(experiment, budgets=budgets)
        found = dataclasses.replace(found, root=folders.written, address=address_of(folders))
        table, notes = console_table(found), notes_of(found)
    console.print(table)
    say_left_out(found, f"in {folders.written}", console)
    for note in notes:
        console.print(note, markup=False)
    try:
        store.write_description(folders.written, experiment.fingerprint, experiment.protocol)
        with doing("writing tables and figures", console):
            write(found)
    except OSError as error:
        console.print(f"nothing was written: {error}", markup=False, soft_wrap=True)
        return FAILED
    console.print(f"tables and figures are in {folders.written}", markup=False, soft_wrap=True)
    return DONE


def report_across(arguments: argparse.Namespace, layers: Layers, selected: Selected, console: Console) -> int:
    """Print how the selected strategies do across experiments; write tables, figures and page of it to ``--output``."""
    from benchmark.reports import compare_across, write_across
    from benchmark.reports.rendering.console import for_console

    with doing(f"reading the runs of {len(arguments.report)} experiments", console):
        experiments = results.compared([layers.find(given) for given in arguments.report])
        found = compare_across(experiments, *selected, reference_asked(arguments))
    for table in found.tables.values():
        console.print(for_console(table))
    for note in found.notes:
        console.print(note, markup=False, soft_wrap=True)
    if arguments.output is not None:
        with doing("writing tables and figures", console):
            write_across(found, arguments.output)
        console.print(f"tables, figures and page are in {arguments.output}", markup=False, soft_wrap=True)
    return DONE


def report_selection(
    arguments: argparse.Namespace, folders: Folders, experiment: Experiment, selected: Selected, console: Console
) -> int:
    """Print the table of the selected runs; to ``--output``, write tables, figures, page and bibliography of the same.

    What they acquired goes to ``--export-indices``, once it is sure that all of it can be written.
    Differences are to ``--baseline``, which is always among the strategies.
    """
    from benchmark.reports import console_table, notes_of, report_of, write_selection
    from benchmark.reports.statistics.seeds import REFERENCE

    strategies, learners, seeds, budgets = selected
    baseline = reference_asked(arguments)
    if baseline is not None and strategies is not None:
        strategies = list(dict.fromkeys([*strategies, baseline]))
    with doing("computing the table", console):
        found = report_of(
            experiment, strategies, learners, seeds, budgets, baseline=baseline, reference=baseline or REFERENCE
        )
        if baseline is not None and baseline not in found.source.strategies:
            raise StoreError(f"--baseline {baseline}: no such run among those selected; name a strategy that ran")
        address = address_of(folders, editions.older(arguments.strategies)[0])
        found = dataclasses.replace(found, flags=tuple(flags(arguments, *SELECTING)), address=address)
        table, notes = console_table(found), notes_of(found)
    console.print(table)
    say_left_out(found, "above" if arguments.output is None else f"in {arguments.output}", console)
    for note in notes:
        console.print(note, markup=False)
    if arguments.output is not None:
        with doing("writing tables and figures", console):
            write_selection(found, arguments.output)
        console.print(f"tables, figures and page are in {arguments.output}", markup=False, soft_wrap=True)
    if arguments.export_indices is not None:
        export_indices(arguments, experiment, console)
    return DONE


def _check_outputs(arguments: argparse.Namespace, *names: str) -> None:
    """Raise, before anything is computed, unless the command can write where it is to; ``names`` are its own files."""
    from benchmark.reports.target import check_target

    places = ("--output", arguments.output, names), ("--export-indices", arguments.export_indices, ())
    for option, place, own in places:
        if place is not None:
            check_target(place, own)
            checks.could_write(place, option)


def export_indices(arguments: argparse.Namespace, experiment: Experiment, console: Console) -> None:
    """Write what the selected runs acquired, up to the last selected label count, as a file that ``--replay`` reads."""
    from benchmark.reports.statistics.curves import select

    runs = select(experiment, *rows_asked(arguments), arguments.seeds, arguments.budgets).runs
    for learner in dict.fromkeys(run.key.learner for run in runs):
        some = [run for run in runs if run.key.learner == learner]
        path = arguments.export_indices / f"{experiment.name}-{slug(learner)}.csv"
        replays.export(some, path, max(arguments.budgets) if arguments.budgets else None)
        console.print(
            f"the labels that {len(some)} run{'s' * (len(some) > 1)} acquired are in {path}",
            markup=False,
            soft_wrap=True,
        )


def compare(arguments: argparse.Namespace, layers: Layers, console: Console) -> int:
    """Print two experiments' differences, or an experiment beside its replays; write them where asked to."""
    from benchmark.reports.comparison.compare import compare_experiments, write_comparison
    from benchmark.reports.comparison.transfer import transfer
    from benchmark.reports.rendering.console import for_console

    _check_outputs(arguments)
    strategies, learners = rows_asked(arguments)
    with doing(f"reading the runs of {' and '.join(str(given) for given in arguments.compare)}", console):
        experiments = results.compared([layers.find(given) for given in arguments.compare])
        if len(experiments) > 2:
            if learners is not None:
                raise ProtocolError("--learner has no effect on a comparison of replays: leave it out")
            result = transfer(experiments[0], experiments[1:], strategies, arguments.seeds, arguments.budgets)
        else:
            result = compare_experiments(experiments, strategies, learners, arguments.seeds, arguments.budgets)
    for table in result.tables:
        console.print(for_console(table))
    for note in result.notes:
        console.print(note, markup=False)
    if arguments.output is not None:
        write_comparison(result, arguments.output)
        console.print(f"written: {arguments.output}/comparison.csv and .md", markup=False, soft_wrap=True)
    return 0
