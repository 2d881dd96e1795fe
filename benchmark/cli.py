"""From parsed arguments to one of: run, report, compare, verify, doctor, list."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from benchmark import learners
from benchmark.campaign import preflight as checks
from benchmark.campaign import replay as replays
from benchmark.campaign import signals
from benchmark.campaign.campaign import DONE, FAILED, UNFINISHED, USAGE, Campaign, Options, Places, compute_missing
from benchmark.campaign.plan import edition
from benchmark.campaign.progress import duration
from benchmark.campaign.request import base, changes, requested
from benchmark.campaign.until_decided import LOOKS, until_decided
from benchmark.data import datasets
from benchmark.experiment import Protocol, ProtocolError, load, names
from benchmark.experiment.library import as_published
from benchmark.learners import LEARNERS, Learner, named
from benchmark.models import factory
from benchmark.results import editions, index, store
from benchmark.results import layers as results
from benchmark.results.editions import edition_of
from benchmark.results.errors import StoreError
from benchmark.results.layers import Layers
from benchmark.results.paths import slug
from benchmark.results.records import Experiment, RunRecord
from benchmark.text.escapes import one_line
from benchmark.text.terminal import Terminal
from strategies import registry
from strategies.api import Strategy


def main(arguments: argparse.Namespace) -> int:
    """Do what is asked for; the exit status."""
    with index.kept_in(arguments.cache_dir):
        return _do(arguments)


def _do(arguments: argparse.Namespace) -> int:
    """Every expected mistake is one line and status 2, a disk that fails one and status 1."""
    console = Terminal()
    try:
        if arguments.list:
            return show_list(console)
        if arguments.doctor is not None:
            return doctor(arguments.doctor, arguments.repair, arguments.attest, console)
        layers = results.find_layers(arguments.results_dir, arguments.published, Path.cwd())
        if arguments.report is not None:
            return report(arguments, layers, console)
        if arguments.compare is not None:
            return compare(arguments, layers, console)
        places = Places(layers, arguments.data_dir, arguments.cache_dir)
        options = Options(
            places,
            arguments.name,
            arguments.fresh,
            arguments.device,
            arguments.workers,
            arguments.executor,
            dict(arguments.resources),
            arguments.time_limit,
            tuple(arguments.command),
        )
        if arguments.verify is not None:
            return verify(arguments, options, console)
        if arguments.replay is not None:
            return replay(arguments, options, console)
        protocol = requested(arguments, checks.said_on(console))
        if arguments.until_decided is not None:
            return run_until_decided(protocol, arguments.until_decided, options, console, _older(arguments))
        return run(protocol, options, console, _older(arguments))
    except (ProtocolError, registry.SpecError, datasets.DatasetError, StoreError) as error:
        return _failure(error, USAGE)
    except OSError as error:
        return _failure(error, FAILED)


def _failure(error: Exception, status: int) -> int:
    """Say on one line what went wrong."""
    print("error:", one_line(str(error)), file=sys.stderr)
    return status


Names = tuple[list[str], list[str]]  # of strategies and learners
Selected = tuple[list[str] | None, list[str] | None, list[int] | None, list[int] | None]  # and seeds and budgets
SELECTING = ("strategies", "learner", "seeds", "budgets", "baseline")  # flags that select what --report shows


def replay(arguments: argparse.Namespace, options: Options, console: Console) -> int:
    """Train on the labels that the runs of an experiment acquired, or on the lists of a file; the exit status."""
    from benchmark.reports.statistics.curves import select  # here: it takes seconds

    given, selecting = arguments.replay, {"strategies": None, "seeds": None}  # among the lists
    changed = changes(argparse.Namespace(**{**vars(arguments), **selecting}))
    if given.suffix.lower() in replays.FILES:
        source = replays.source_of_file(given)
        base_protocol = base(arguments, changed.get("image_size", 0), checks.said_on(console))
        protocol = replays.replayed(base_protocol, source, changed)
        request = replays.request(source, protocol, arguments.strategies, arguments.seeds)
    else:
        if arguments.protocol is not None or arguments.dataset is not None:
            raise ProtocolError(
                "--replay of an experiment has its protocol and data: leave out --protocol and --dataset"
            )
        experiment = options.places.layers.find(given).experiment()
        runs = select(experiment, _rows(arguments)[0], None, arguments.seeds).runs
        learners = list(dict.fromkeys(run.key.learner for run in runs))
        acquirer = "supervised" if "supervised" in learners else learners[0]
        if len(learners) > 1:
            console.print(f"replayed are the labels that were acquired with the learner {acquirer}", markup=False)
        runs = [run for run in runs if run.key.learner == acquirer]
        source = replays.source_of_experiment(experiment, runs)
        request = replays.request(source, replays.protocol_of(experiment, source, changed), None, None)
    for note in request.notes:
        console.print(note, markup=False, soft_wrap=True)
    return run(request.protocol, options, console, replay=request)


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
    finished = compute_missing(protocol, options, console, replay)
    if show(finished, console, older):
        console.print(
            f"{duration(time.time() - began)}; lines, tables and figures are in {finished.folders.written}",
            markup=False,
            soft_wrap=True,
        )
    if finished.status == UNFINISHED:
        why = "by a signal" if signals.requested() else "at the time limit"
        console.print(f"stopped {why}; repeat the command to go on")
    return finished.status


def run_until_decided(protocol: Protocol, width: float, options: Options, console: Console, older: Names) -> int:
    """``run`` with more and more seeds: see ``until_decided``; the exit status. The time limit is for all looks."""
    from benchmark.reports import report_of  # here: it takes seconds
    from benchmark.reports.statistics.seeds import REFERENCE

    began = time.time()

    def rest() -> Options:
        limit = options.time_limit
        left = None if limit is None else max(limit - (time.time() - began), 0.0)
        return dataclasses.replace(options, time_limit=left)

    def compute(asked: Protocol) -> int:
        return compute_missing(asked, rest(), console).status

    def widest(asked: Protocol) -> float:
        experiment = checks.folders(asked, options.name, options.places.layers).experiment()
        names = [spec.canonical for spec, _ in registry.expand(asked.strategies)]
        found = report_of(experiment, names, asked.learners, asked.seeds, asked.budgets)
        rows = found.inference.of(REFERENCE).reset_index(drop=True)
        ranked = found.source.unranked.ranked(rows)
        rows = ranked if len(ranked) else rows
        if not len(rows):
            raise ProtocolError(f"--until-decided compares with {REFERENCE}: add it and others to --strategies")
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
    return run(protocol, rest(), console, older)


def show(finished: Campaign, console: Console, older: Names = ([], [])) -> bool:
    """Print what was asked for, then write tables and figures; whether they could be written.

    They show all of the user's own runs and, of the published ones, those that were asked for. Raises OSError where
    they cannot be written although something was computed for them.
    """
    from benchmark.reports import console_table, notes_of, report_of, write  # here: it takes seconds

    protocol, asked = finished.protocol, [spec.canonical for spec in finished.specs]
    experiment = finished.folders.experiment()
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

    if any(run.rounds and wanted(run) and is_present(run) for run in experiment.runs):
        rows = [*asked, *older[0]], [*protocol.learners, *older[1]]
        found = report_of(experiment, *rows, protocol.seeds, protocol.budgets, present=present)
        console.print(console_table(found))
        for note in notes_of(found):
            console.print(note, markup=False)
    else:
        console.print("no round was finished: there is nothing to show yet")
    page = results.with_published(experiment, wanted)
    if not any(run.rounds for run in page.runs):
        return True
    budgets = None
    if page.published is not None:
        own = (run for run in page.runs if not page.is_published(run))
        budgets = sorted({*protocol.budgets, *(count for run in own for count in run.label_counts)})
    try:
        store.write_description(page.root, protocol.fingerprint, as_published(protocol).to_dict())
        write(report_of(page, budgets=budgets, present=present))
    except OSError as error:
        if finished.computed:
            raise
        console.print(f"nothing was written: {error}", markup=False, soft_wrap=True)
        return False
    return True


def report(arguments: argparse.Namespace, layers: Layers, console: Console) -> int:
    """Print an experiment's table, and write tables and figures from its lines; of a selection only to ``--output``."""
    from benchmark.reports import console_table, notes_of, report_of, write

    selected = *_rows(arguments), arguments.seeds, arguments.budgets
    if len(arguments.report) > 1:
        if arguments.export_indices is not None:
            raise ProtocolError("--export-indices takes the runs of one experiment: give --report one")
        return report_across(arguments, layers, selected, console)
    folders = layers.find(arguments.report[0])
    if arguments.export_indices is not None:
        return export_indices(arguments, folders.experiment(), console)
    if arguments.output is not None or arguments.baseline is not None or any(some is not None for some in selected):
        return report_selection(arguments, folders.experiment(), selected, console)
    experiment, budgets = results.beside_own(folders.experiment())
    found = dataclasses.replace(report_of(experiment, budgets=budgets), root=folders.written)
    console.print(console_table(found))
    for note in notes_of(found):
        console.print(note, markup=False)
    try:
        store.write_description(folders.written, experiment.fingerprint, experiment.protocol)
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

    experiments = results.compared([layers.find(given) for given in arguments.report])
    found = compare_across(experiments, *selected, _reference(arguments))
    for table in found.tables.values():
        console.print(for_console(table))
    for note in found.notes:
        console.print(note, markup=False, soft_wrap=True)
    if arguments.output is not None:
        write_across(found, arguments.output)
        console.print(f"tables, figures and page are in {arguments.output}", markup=False, soft_wrap=True)
    return DONE


def _reference(arguments: argparse.Namespace) -> str | None:
    """The strategy that ``--baseline`` names, in canonical form."""
    return None if arguments.baseline is None else registry.resolve(arguments.baseline).canonical


def report_selection(
    arguments: argparse.Namespace, experiment: Experiment, selected: Selected, console: Console
) -> int:
    """Print the table of the selected runs; to ``--output``, write tables, figures, page and bibliography of the same.

    Differences are to ``--baseline``, which is always among the strategies.
    """
    from benchmark.reports import console_table, notes_of, report_of, write_selection

    strategies, learners, seeds, budgets = selected
    baseline = _reference(arguments)
    if baseline is None:
        found = report_of(experiment, *selected)
    else:
        if strategies is not None:
            strategies = list(dict.fromkeys([*strategies, baseline]))
        found = report_of(experiment, strategies, learners, seeds, budgets, baseline=baseline, reference=baseline)
        if baseline not in found.source.strategies:
            raise StoreError(f"--baseline {baseline}: no such run among those selected; name a strategy that ran")
    found = dataclasses.replace(found, flags=tuple(_flags(arguments, *SELECTING)))
    console.print(console_table(found))
    for note in notes_of(found):
        console.print(note, markup=False)
    if arguments.output is not None:
        write_selection(found, arguments.output)
        console.print(f"tables, figures and page are in {arguments.output}", markup=False, soft_wrap=True)
    return DONE


def _flags(arguments: argparse.Namespace, *names: str) -> list[str]:
    """The words of the command line that give these flags again."""
    given = {name: getattr(arguments, name) for name in names}
    return [
        word
        for name, value in given.items()
        if value is not None
        for word in (f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    ]


def export_indices(arguments: argparse.Namespace, experiment: Experiment, console: Console) -> int:
    """Write what the selected runs acquired as a file that ``--replay`` reads."""
    from benchmark.reports.statistics.curves import select

    runs = select(experiment, *_rows(arguments), arguments.seeds, arguments.budgets).runs
    for learner in dict.fromkeys(run.key.learner for run in runs):
        some = [run for run in runs if run.key.learner == learner]
        path = arguments.export_indices / f"{experiment.name}-{slug(learner)}.csv"
        replays.export(some, path)
        console.print(f"the labels that {len(some)} runs acquired are in {path}", markup=False, soft_wrap=True)
    return DONE


def compare(arguments: argparse.Namespace, layers: Layers, console: Console) -> int:
    """Print two experiments' differences, or an experiment beside its replays; write them where asked to."""
    from benchmark.reports.comparison.compare import compare_experiments, write_comparison
    from benchmark.reports.comparison.transfer import transfer
    from benchmark.reports.rendering.console import for_console

    strategies, learners = _rows(arguments)
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


def doctor(folder: Path, repairs: bool, attests: bool, console: Console) -> int:
    """List all problems of the experiments at ``folder``; repair and seal them where asked to. 1 if any is left."""
    from benchmark.results import doctor as doctors

    def say(*found: str) -> None:
        for line in found:
            console.print(line.replace("\n", " "), markup=False, soft_wrap=True)

    status = DONE
    for root in doctors.experiments(folder):
        found = doctors.examine(root)
        if repairs and (done := doctors.repair(root, found)):
            say(*done)
            found = doctors.examine(root)
        say(*(f"{'note: ' if problem.remark else ''}{problem.path}: {problem.what}" for problem in found))
        problems = sum(not problem.remark for problem in found)
        if problems:
            status = FAILED
        elif attests:
            say(doctors.attest(root))
        say(f"{root}: {problems or 'no'} problem{'' if problems == 1 else 's'}")
    return status


def verify(arguments: argparse.Namespace, options: Options, console: Console) -> int:
    """Compute some of an experiment's runs again and compare; ``--strategies``, ``--learner``, ``--seeds`` narrow.

    ``--budgets`` computes single rounds of them.
    """
    from benchmark.verification import verify as verification

    experiment = options.places.layers.find(arguments.verify).experiment()
    if older := [*_older(arguments)[0], *_older(arguments)[1]]:
        raise ProtocolError(f"'{older[0]}': the present code cannot compute an older edition again; leave it out")
    _leave_out_changed(arguments, experiment, console)
    if arguments.model is not None:
        _load_model(arguments.model, experiment.protocol)
    selected = *_selected(arguments), arguments.seeds, arguments.budgets
    return verification.verify(experiment, arguments.sample, options, console, *selected)


def _leave_out_changed(arguments: argparse.Namespace, experiment: Experiment, console: Console) -> None:
    """Leave out strategies and learners of a user's own that computed none of the runs, before their code is imported.

    Raises StoreError where none is left.
    """
    headers = [run.header for run in experiment.runs]
    recorded = {
        "strategies": {header.strategy_source_sha256 for header in headers},
        "learner": {header.learner_source_sha256 for header in headers},
    }
    for flag, code_named in (("strategies", registry.code_named), ("learner", learners.code_named)):
        kept = []
        for text in getattr(arguments, flag) or ():
            code = code_named(text)
            if code is None or code.sha256 in recorded[flag]:
                kept.append(text)
            else:
                what = f"left out: {code.name}: no run was computed by its present source"
                console.print(what, markup=False, soft_wrap=True)
        if getattr(arguments, flag) is not None:
            if not kept:
                raise StoreError(f"{experiment.root}: none of its runs can be computed again here")
            setattr(arguments, flag, kept)


def _load_model(text: str, protocol: Mapping[str, Any]) -> None:
    """Load a network of a user's own, which the runs of ``protocol`` must be of."""
    try:
        (name,) = factory.named([registry.parse(text)[0]])
    except ValueError as error:
        raise ProtocolError(str(error)) from error
    if name != protocol["model"]["name"]:
        raise ProtocolError(f"the runs are of model '{protocol['model']['name']}', not of '{name}'")


def _rows(arguments: argparse.Namespace) -> tuple[list[str] | None, list[str] | None]:
    """The names of strategies and learners to show, older editions among them; None for all."""
    specs, learners = _selected(arguments)
    older_strategies, older_learners = _older(arguments)
    return (
        None if specs is None else [*(spec.canonical for spec in specs), *older_strategies],
        None if learners is None else [*learners, *older_learners],
    )


def _older(arguments: argparse.Namespace) -> Names:
    """The older editions that are asked for, ``name@…``, with their names in canonical form where they are known."""

    def canonical(text: str, resolve: Callable[[str], str]) -> str:
        name, _, edition = text.rpartition("@")
        try:
            return f"{resolve(name)}@{edition}"
        except ValueError:  # of what is no longer there, as its rows are called
            return text

    strategies, learners = (editions.older(texts)[1] for texts in (arguments.strategies, arguments.learner))
    return (
        [canonical(text, lambda name: registry.resolve(name).canonical) for text in strategies],
        [canonical(text, lambda name: named([name])[0].canonical) for text in learners],
    )


def _selected(arguments: argparse.Namespace) -> tuple[list[registry.Spec] | None, list[str] | None]:
    """The strategies, and the learners in canonical form, that select among runs on disk; None for all."""
    specs = learners = None
    if arguments.strategies is not None:
        specs = [spec for spec, _ in registry.expand(editions.older(arguments.strategies)[0])]
    if arguments.learner is not None:
        try:
            learners = [learner.canonical for learner in named(editions.older(arguments.learner)[0])]
        except ValueError as error:
            raise ProtocolError(str(error)) from error
    return specs, learners


def show_list(console: Terminal) -> int:
    """Print everything that can be named, a line each."""
    sections = {
        "strategies": {name: _described(registry.resolve(name).build()) for name in registry.names()},
        "wrappers": {f"{name}:X": summary for name, summary in registry.wrapper_summaries().items()},
        "installed plugins": {name: f"entry point {where}" for name, where in registry.installed().items()},
        "groups": {group: ", ".join(registry.members(group)) for group in registry.groups()},
        "learners": {name: _cited(learner) for name, learner in LEARNERS.items()},
        "data sets": {name: datasets.describe(name) for name in datasets.names()},
        "models": {name: _first_line(model) for name, model in factory.MODELS.items()},
        "protocols": {name: load(name).description for name in names()},
    }
    for heading, lines in ((heading, lines) for heading, lines in sections.items() if lines):
        console.print(Text(heading, "bold"))
        for name, line in lines.items():
            console.entry(name, line)
    return 0


def _described(strategy: Strategy) -> str:
    """A strategy's summary; in brackets groups, needs, the largest acquisition batch and the paper's key."""
    facts = [
        ", ".join(strategy.groups),
        f"needs {', '.join(sorted(strategy.needs))}" if strategy.needs else "",
        f"at most {strategy.max_batch} images per batch" if strategy.max_batch is not None else "",
        f"presets: {', '.join(strategy.presets)}" if strategy.presets else "",
        strategy.paper,
    ]
    return f"{strategy.summary} [{'; '.join(filter(None, facts))}]"


def _cited(learner: type[Learner]) -> str:
    return f"{_first_line(learner)} [{learner.paper}]" if learner.paper else _first_line(learner)


def _first_line(thing: object) -> str:
    return re.split(r"\n", (thing.__doc__ or "").strip())[0]
