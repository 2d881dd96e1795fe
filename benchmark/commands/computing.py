"""Compute runs: those of a protocol, more until it is decided, or replays; then show them."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence

from rich.console import Console

from benchmark.campaign import label_lists, signals
from benchmark.campaign import preflight as checks
from benchmark.campaign import replay as replays
from benchmark.campaign.campaign import UNFINISHED, Campaign, Options, compute_missing
from benchmark.campaign.plan import edition
from benchmark.campaign.progress import duration
from benchmark.campaign.request import base, changes
from benchmark.campaign.until_decided import LOOKS, until_decided
from benchmark.commands.asked import Names, address_of, names_asked, rows_asked, say_left_out
from benchmark.experiment import Protocol, ProtocolError
from benchmark.experiment.keys import acquirer
from benchmark.experiment.library import as_published
from benchmark.results import layers as results
from benchmark.results import store
from benchmark.results.compact import PackedRuns
from benchmark.results.editions import edition_of, named
from benchmark.results.records import RunRecord
from benchmark.text.status import doing
from strategies import registry


def run(
    protocol: Protocol,
    options: Options,
    console: Console,
    older: Names = ([], []),
    replay: replays.Request | None = None,
) -> int:
    """Compute what is missing of ``protocol``'s runs, write the report, print the table; the exit status.

    ``older`` are editions to show beside them: see ``benchmark.results.editions``.
    """
    began = time.time()
    return conclude(compute_missing(protocol, options, console, replay), began, console, older)


def conclude(finished: Campaign, began: float, console: Console, older: Names) -> int:
    """Show what a command that ``began`` then has computed, and say what is left; the exit status."""
    if show(finished, console, older):
        console.print(
            f"{duration(time.time() - began)}; runs, tables and figures are in {finished.folders.written}",
            markup=False,
            soft_wrap=True,
        )
    if finished.status == UNFINISHED:
        if "held" in finished.left and not signals.requested():
            console.print(
                "runs are left that other processes hold: end those processes, and repeat the command to go on"
            )
        elif signals.requested() or "stopped" in finished.left:
            why = "by a signal" if signals.requested() else "at the time limit"
            console.print(f"stopped {why}; repeat the command to go on")
    return finished.status


def run_until_decided(protocol: Protocol, width: float, options: Options, console: Console, older: Names) -> int:
    """``run`` with more and more seeds: see ``until_decided``; the exit status. The time limit is for all looks."""
    from benchmark.reports import report_of  # here: it takes seconds
    from benchmark.reports.statistics.seeds import REFERENCE

    began = time.time()
    asked_for = {spec.canonical for spec, _ in registry.expand(protocol.strategies)}
    if REFERENCE not in asked_for:
        raise ProtocolError(f"--until-decided compares with {REFERENCE}: add it to --strategies")
    if len(asked_for) < 2:
        raise ProtocolError(f"--until-decided compares with {REFERENCE}: add another strategy to --strategies")
    last: Campaign

    def compute(asked: Protocol) -> int:
        nonlocal last
        limit = options.time_limit
        left = None if limit is None else max(limit - (time.time() - began), 0.0)
        last = compute_missing(asked, dataclasses.replace(options, time_limit=left), console)
        return last.status

    def widest(_: Protocol) -> float:
        asked, names = last.protocol, [spec.canonical for spec in last.specs]
        with doing("computing the intervals", console):
            found = report_of(last.experiment(), names, asked.learners, asked.seeds, asked.budgets)
            rows = found.inference.of(REFERENCE).reset_index(drop=True)
        ranked = found.source.unranked.ranked(rows)
        rows = ranked if len(ranked) else rows
        if not len(rows):
            raise ProtocolError(f"--until-decided finds nothing to compare with {REFERENCE}: no seed has all runs")
        return float((rows["high"] - rows["low"]).max(skipna=False))

    protocol, status, found = until_decided(protocol, width, compute, widest)
    if not status:
        done = "at most as wide as asked" if found <= width else f"not decided after {LOOKS} looks"
        console.print(
            f"{len(protocol.seeds)} seeds; the widest interval of a difference to {REFERENCE} has {100 * found:.2f} "
            f"points: {done}",
            markup=False,
            soft_wrap=True,
        )
    return conclude(last, began, console, older)


def replay(arguments: argparse.Namespace, options: Options, console: Console) -> int:
    """Train on the labels that the runs of an experiment acquired, or on the lists of a file; the exit status."""
    from benchmark.reports.statistics.curves import select  # here: it takes seconds

    given, selecting = arguments.replay, {"strategies": None, "seeds": None}  # among the lists
    changed = changes(argparse.Namespace(**{**vars(arguments), **selecting}))
    if given.suffix.lower() in label_lists.FILES:
        source = replays.source_of_file(given)
        base_protocol = base(arguments, changed.get("image_size", 0), checks.said_on(console))
        if counts := source.file_counts(arguments.strategies, arguments.seeds):
            changed = {"budgets": counts, **changed}
        protocol = replays.replayed(base_protocol, source, changed)
        request = replays.request(source, protocol, arguments.strategies, arguments.seeds)
    else:
        if arguments.dataset is not None:
            raise ProtocolError(
                "--replay of an experiment has its data: leave out --dataset, or name a --protocol on the same data"
            )
        asked = rows_asked(arguments)[0]
        with doing("reading the runs", console):
            experiment = options.places.layers.find(given).experiment()
            selection = select(experiment, asked, None, arguments.seeds)
        _all_there(experiment.name, selection.runs, asked, arguments.seeds)
        for note in selection.notes:
            console.print(note, markup=False, soft_wrap=True)
        runs = selection.runs
        learners = list(dict.fromkeys(run.key.learner for run in runs))
        learner = acquirer(learners)
        if len(learners) > 1:
            console.print(f"replayed are the labels that were acquired with the learner {learner}", markup=False)
        runs = [run for run in runs if run.key.learner == learner]
        source = replays.source_of_experiment(experiment, runs)
        other = None
        if arguments.protocol is not None:
            other = base(arguments, changed.get("image_size", 0), checks.said_on(console))
        protocol = replays.protocol_of(experiment, source, changed, other)
        request = replays.request(source, protocol, None, None)
        if other is None or not other.replay:  # an experiment.json of a replay asks for one that there is
            canonical = checks.with_networks(checks.with_learners(protocol))
            replays.check_changed(canonical, experiment, learner, names_asked(arguments))
    for note in request.notes:
        console.print(note, markup=False, soft_wrap=True)
    return run(request.protocol, options, console, replay=request)


def _all_there(
    name: str, runs: Sequence[RunRecord], strategies: Sequence[str] | None, seeds: Sequence[int] | None
) -> None:
    """Raises ProtocolError where an experiment has no run of a strategy or seed that is to be replayed."""
    known = {run.key.strategy for run in runs}
    if lacking := [text for text in strategies or () if named(text).label not in known]:
        raise ProtocolError(
            f"{name} has no run of '{lacking[0]}' to replay; of those asked for it has {', '.join(sorted(known))}"
        )
    numbers = {run.key.seed for run in runs}
    if absent := [seed for seed in seeds or () if seed not in numbers]:
        raise ProtocolError(
            f"{name} has no run of seed {absent[0]} to replay; of those asked for it has {sorted(numbers)}"
        )


def show(finished: Campaign, console: Console, older: Names = ([], [])) -> bool:
    """Print what was asked for, then write tables and figures; whether there is anything to show and it was written.

    They show all of the user's own runs and, of the published ones, those that were asked for: by the present code,
    and where that has finished no round, by whatever code there is. Raises OSError where they cannot be written
    although something was computed for them.
    """
    with doing("reading the runs", console):
        from benchmark.reports import console_table, notes_of, report_of, write  # here: it takes seconds

        experiment = finished.experiment()
    protocol, asked = finished.protocol, [spec.canonical for spec in finished.specs]
    present = {
        (spec.canonical, learner): edition(protocol, spec, learner)
        for spec in finished.specs
        for learner in protocol.learners
    }

    def wanted(run: RunRecord) -> bool:
        key = run.key
        return key.strategy in asked and key.learner in protocol.learners and key.seed in protocol.seeds

    def is_present(run: RunRecord) -> bool:
        return present.get((run.key.strategy, run.key.learner)) == edition_of(run.header)

    page = results.with_published(experiment, wanted)
    if any(run.rounds and wanted(run) and is_present(run) for run in experiment.runs):
        rows = [*asked, *older[0]], [*protocol.learners, *older[1]]
        with doing("computing the table", console):
            found = report_of(experiment, *rows, protocol.seeds, protocol.budgets, present=present)
            table, notes = console_table(found), notes_of(found)
        console.print(table)
        for note in notes:
            console.print(note, markup=False)
    elif not any(run.rounds for run in page.runs):
        console.print("no round was finished: there is nothing to show yet")
        return False
    else:
        console.print("no round was finished: tables and figures show what else is there")
    by_present_code = any(run.rounds and is_present(run) for run in page.runs)
    if not by_present_code:
        page = dataclasses.replace(page, runs=PackedRuns(run for run in page.runs if run.rounds))
    budgets = None
    if page.published is not None:
        own = (run for run in page.runs if not page.is_published(run))
        budgets = sorted({*protocol.budgets, *(count for run in own for count in run.label_counts)})
    try:
        store.write_description(page.root, protocol.fingerprint, as_published(protocol).to_dict())
        typed = () if protocol.replay else protocol.strategies  # lists may have names of their own
        with doing("writing tables and figures", console):
            shown = report_of(page, budgets=budgets, present=present if by_present_code else None)
            shown = dataclasses.replace(shown, address=address_of(finished.folders, typed))
            write(shown)
    except OSError as error:
        if finished.computed:
            raise OSError(
                f"what was computed is recorded, but tables and figures could not be written to {page.root} "
                f"({error.strerror or error}): repeat the command once they can be"
            ) from error
        console.print(f"nothing was written: {error}", markup=False, soft_wrap=True)
        return False
    say_left_out(shown, f"in {page.root}", console, present)
    return True
