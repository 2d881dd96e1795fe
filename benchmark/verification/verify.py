"""Recomputing runs on disk and comparing them round by round with their records.

A few runs are drawn at random and recomputed in a temporary folder by the experiment's own protocol, the one in its
experiment.json, with a cache of their own: the shared round 0 and the self-supervised features are recomputed too.
Nothing is written where the runs lie.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmark.campaign import campaign, data_checks
from benchmark.campaign import preflight as checks
from benchmark.campaign.campaign import DONE, FAILED, UNFINISHED, Options, Places
from benchmark.campaign.executors import by_trial, executor_for
from benchmark.campaign.plan import RunPlan, edition
from benchmark.campaign.replay import ReplaySpec
from benchmark.experiment import Protocol, ProtocolError, from_dict
from benchmark.experiment.keys import RunKey
from benchmark.loop.replay import Replay, Replayed, round_of
from benchmark.models.blueprint import blueprint
from benchmark.reports.comparison.settings import differing, headers_say, in_words, settings_table
from benchmark.reports.provenance import data_footnotes
from benchmark.reports.rendering.console import for_console
from benchmark.reports.statistics.curves import select
from benchmark.reports.words import name
from benchmark.results import store
from benchmark.results.editions import edition_of
from benchmark.results.errors import StoreError
from benchmark.results.layers import Layers
from benchmark.results.paths import run_path
from benchmark.results.records import DatasetRecord, Experiment, RunRecord
from benchmark.text.status import doing
from benchmark.training import backends
from benchmark.verification import replays
from benchmark.verification.verdicts import judge, judge_round, show
from strategies.registry import Spec, resolve_own


def verify(
    experiment: Experiment,
    sample: int,
    options: Options,
    console: Console,
    specs: Sequence[Spec] | None = None,
    learner_names: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
) -> int:
    """Recompute ``sample`` runs of an experiment, drawn among those selected, and print the verdicts.

    With ``budgets``, of each run only the rounds with these label counts, each trained on the labels on disk: choices
    are not made again.

    Returns the exit status: 0 if all agree, 1 if one does not or failed, 3 if the time limit came first. Raises
    ValueError (and OSError) with one line where nothing can be computed.
    """
    began = time.time()
    backends.settle()
    root = experiment.root
    protocol = _protocol(experiment, console)
    device = checks.device(options.device)
    named = None if specs is None else {spec.canonical: spec for spec in specs}
    for note in experiment.left_out:
        console.print(note, markup=False, soft_wrap=True)
    selection = select(experiment, named, learner_names, seeds)
    for note in selection.notes:
        console.print(note, markup=False, soft_wrap=True)
    candidates = _resolved(selection.runs, named or {}, protocol, console)
    rounds = sorted(set(budgets or ()))
    if rounds:
        candidates = _with_rounds(candidates, rounds, protocol, console)
    listed: dict[RunKey, Replay] = {}
    if protocol.replay:
        listed, lacking = replays.lists(experiment, [record for record, _ in candidates], options.places.layers)
        for key, why in lacking.items():
            console.print(f"left out: {key}: {why}", markup=False, soft_wrap=True)
        candidates = [(record, spec) for record, spec in candidates if record.key in listed]
    if not candidates:
        raise StoreError(f"{root}: none of its runs can be computed again here")
    drawn = sorted(random.Random().sample(range(len(candidates)), min(sample, len(candidates))))
    chosen = [candidates[i] for i in drawn]
    records = [record for record, _ in chosen]
    if not rounds:
        protocol = protocol.override(budgets=_budgets(protocol, records))
    with tempfile.TemporaryDirectory(prefix="acqbench-verify-") as folder:
        checked = checks.plugins(spec for _, spec in chosen)
        places = Places(Layers(Path(folder) / "results"), options.places.data, Path(folder) / "cache")
        again = places.layers.folders(experiment.name)
        wanted = [(record, spec, labels) for record, spec in chosen for labels in rounds or (None,)]
        plans = [
            RunPlan(record.key, spec, run_path(again.written.parent / str(labels or "") / experiment.name, record.key))
            for record, spec, labels in wanted
        ]
        with doing(f"reading {protocol.dataset}", console):
            data, identity = checks.source(protocol, places.data, places.cache, console).load()
            data_checks.runnable(protocol, [spec for _, spec in chosen], again, identity, device)
        here = data_checks.dataset_record(identity)
        _check_data(experiment.runs, here, root)
        for note in _on_other_data(records, here):
            console.print(note, markup=False, soft_wrap=True)
        console.print(
            f"computing {f'at {in_words(rounds)} labels ' if rounds else ''}{len(chosen)} of {len(candidates)} runs in "
            f"{root} again: " + "; ".join(str(record.key) for record in records),
            markup=False,
            soft_wrap=True,
        )
        blueprint(protocol.model.name, protocol.model.parameters, data)
        tasks = campaign.tasks_of(protocol, plans, checked, identity, device, replace(options, places=places), began)
        for i, (record, _, labels) in enumerate(wanted):
            replay = listed.get(record.key)
            if labels is not None:
                alone = protocol.override(budgets=[labels])
                tasks[i] = replace(tasks[i], protocol=alone, replay=replay or round_of(record, labels))
            elif replay is not None:
                tasks[i] = replace(tasks[i], replay=replay)

        deadline = options.deadline(began)
        per_gpu = by_trial(protocol, lambda: data, deadline, checks.said_on(console))
        with executor_for(
            protocol, options.executor, device, options.workers, options.resources, len(tasks), per_gpu, deadline
        ) as executor:
            failed, left = campaign.compute(protocol, tasks, data, executor, console)
        recomputed = [store.read_run(p.path) if p.path.exists() else None for p in plans]
    everything = select(experiment).runs
    verdicts = [
        judge(record, new, protocol.budgets[-1], everything)
        if labels is None
        else judge_round(record, new, labels, everything)
        for (record, _, labels), new in zip(wanted, recomputed, strict=True)
    ]
    show(verdicts, console)
    computed = [(old, new) for (old, _, _), new in zip(wanted, recomputed, strict=True) if new is not None]
    said = [headers_say(record.header for record in side) for side in zip(*computed, strict=True)]
    if said and (settings := differing(*said)):
        console.print(for_console(settings_table(settings, "on disk", "here")))
    if failed or not all(verdict.agrees for verdict in verdicts):
        return FAILED
    if left:
        console.print("stopped at the time limit: not all rounds were compared")
        return UNFINISHED
    return DONE


def _protocol(experiment: Experiment, console: Console) -> Protocol:
    try:
        protocol = from_dict(experiment.protocol)
    except ProtocolError as error:
        raise ProtocolError(f"{experiment.root / 'experiment.json'}: {error}") from error
    if protocol.oracle == "person":
        raise ProtocolError(f"{experiment.root}: a person answered; that cannot be computed again")
    if protocol.fingerprint != experiment.fingerprint:
        console.print(
            f"{experiment.root}: computed by a version in which its settings had another fingerprint "
            f"({experiment.fingerprint[:8]}, here {protocol.fingerprint[:8]})",
            markup=False,
            soft_wrap=True,
        )
    return protocol


def _resolved(
    records: Sequence[RunRecord], named: dict[str, Spec], protocol: Protocol, console: Console
) -> list[tuple[RunRecord, Spec]]:
    """The runs whose strategies and learners are here, by the code that computed them; the others are named.

    What only a file names is not imported. Where the newest runs of a folder are of another engine version than the
    present one, they are recomputed too: whether the numbers hold is then the question. Of runs of several engine
    versions ``select`` has left out all but the newest.
    """
    found, left_out = [], {}
    for record in records:
        strategy, learner = record.key.strategy, record.key.learner
        try:
            if protocol.replay:
                spec: Spec = ReplaySpec(Replayed, strategy, acquired_version=record.header.strategy_version)
            else:
                spec = named.get(strategy) or resolve_own(strategy)
            now = replace(edition(protocol, spec, learner), engine_version=record.header.engine_version)
        except ValueError as error:
            left_out[name(strategy, learner, learner != "supervised")] = str(error)
            continue
        if change := now.change_since(edition_of(record.header)):
            left_out[name(strategy, learner, learner != "supervised")] = change
        else:
            found.append((record, spec))
    for who, why in left_out.items():
        console.print(f"left out: {who}: {why}", markup=False, soft_wrap=True)
    return found


def _with_rounds(
    candidates: list[tuple[RunRecord, Spec]], rounds: Sequence[int], protocol: Protocol, console: Console
) -> list[tuple[RunRecord, Spec]]:
    """The runs that have all ``rounds``, and whose rounds depend on nothing but the labels.

    Raises ProtocolError where every round goes on from the weights of the one before.
    """
    if protocol.warm_start:
        raise ProtocolError("--budgets cannot verify a round of a warm start: it goes on from the weights before it")
    found, left_out = [], {}
    for record, spec in candidates:
        who = name(record.key.strategy, record.key.learner, record.key.learner != "supervised")
        if lacking := [labels for labels in rounds if labels not in record.label_counts]:
            left_out[f"{who}, seed {record.key.seed}"] = f"it has no round with {lacking[0]} labels"
        elif not protocol.replay and "state" in spec.build().hooks:
            left_out[who] = "its rounds depend on the state of the rounds before"
        else:
            found.append((record, spec))
    for who, why in left_out.items():
        console.print(f"left out: {who}: {why}", markup=False, soft_wrap=True)
    return found


def _budgets(protocol: Protocol, records: Sequence[RunRecord]) -> list[int]:
    """As far as the longest of the runs went; to the last budget where one is unfinished."""
    if any(record.rounds[-1].acquired_indices for record in records):
        return list(protocol.budgets)
    reached = max(record.label_counts[-1] for record in records)
    return [labels for labels in protocol.budgets if labels <= reached] or list(protocol.budgets)


def _check_data(records: Sequence[RunRecord], here: DatasetRecord, root: Path) -> None:
    for recorded in (record.header.dataset for record in records):
        if not recorded.pairs_with(here):
            raise ProtocolError(
                f"the data are not those that the runs in {root} were computed on (SHA-256 {here.sha256[:12]}, not "
                f"{recorded.sha256[:12]}): put the same data in place"
            )


def _on_other_data(records: Sequence[RunRecord], here: DatasetRecord) -> list[str]:
    """Sentences on data that pair without being the same, here and behind the ``records``."""
    notes = [f"Here: on {here.remark}."] if here.remark else []
    notes += [f"On disk: {note}" for note in data_footnotes([record.header for record in records])]
    if any(record.header.dataset.sha256 != here.sha256 for record in records):
        notes.append("The same bits are not promised for runs on another copy of the data.")
    return notes
