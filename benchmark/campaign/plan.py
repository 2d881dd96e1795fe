"""Which runs there are, which are on disk already, and which files the others go to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from benchmark import ENGINE_VERSION, learners
from benchmark.experiment import Protocol
from benchmark.experiment.keys import RunKey
from benchmark.loop.task import joint_sha256, network_sources, obstacles
from benchmark.models import factory
from benchmark.results import environment
from benchmark.results.editions import Edition, edition_of
from benchmark.results.layers import Folders
from benchmark.results.paths import run_path
from benchmark.results.records import RunSummary
from benchmark.results.store import read_run, read_summary
from strategies.registry import Spec


@dataclass(frozen=True)
class RunPlan:
    """A run, its strategy, and the file it goes to; ``done`` where the file has all requested rounds.

    A run that continues a published one, at ``begun``, takes its lines over into ``path``.
    ``note`` says on one line why a run on disk is not continued; empty where there is nothing to say.
    """

    key: RunKey
    spec: Spec
    path: Path
    done: bool = False
    begun: Path | None = None
    note: str = ""


def shared(plan: RunPlan, protocol: Protocol) -> frozenset[str]:
    """What the run shares with others, for ``RunTask.shared``: the first training of its seed, and features."""
    key, parts = plan.key, set()
    strategy = None if protocol.replay else plan.spec.build()  # a replay chooses nothing, and attaches nothing
    solved = factory.class_of(protocol.model.name).solved
    begins = plan.begun is None and not plan.path.exists()
    attaches = strategy is not None and "attach" in strategy.hooks
    if begins and not solved and not attaches and learners.build(key.learner).shares_round0:
        parts.add(f"first training of {key.learner}, seed {key.seed}")
    if protocol.features is not None and strategy is not None and "features" in strategy.needs:
        parts.add(f"features of seed {key.seed}" if protocol.features.by_seed else "features")
    return frozenset(parts)


def unroll(specs: list[Spec], learners: tuple[str, ...], seeds: tuple[int, ...]) -> list[tuple[RunKey, Spec]]:
    """All runs, seed by seed, so that whatever is there at any time is comparable.

    Within a seed the first run trains the round 0 that most share; those with an attachment, which cannot share
    it, come next, so that a second worker need not wait.
    """
    trains = [spec for spec in specs if "attach" in spec.build().hooks]
    shares = [spec for spec in specs if spec not in trains]
    order = shares[:1] + trains + shares[1:]
    return [(RunKey(spec.canonical, learner, seed), spec) for seed in seeds for learner in learners for spec in order]


def plan(
    protocol: Protocol, runs: list[tuple[RunKey, Spec]], folders: Folders, device: str, fresh: bool
) -> list[RunPlan]:
    """What is done and where the rest goes.

    A run is done whether the user's own or a published file has it; all others go to the user's own folder. A file
    that is damaged, or belongs elsewhere, is left as it is, and its run goes to a new one. ``fresh`` recomputes all
    runs as one new attempt; repeated, it continues that attempt until it is complete.
    """
    fingerprint, now = protocol.fingerprint, _editions(protocol)
    attempts = (_Attempts(*folders.attempts(key, fingerprint)) for key, _ in runs)
    requests = (_Request(key, spec, protocol.budgets, now(spec, key.learner)) for key, spec in runs)
    if not fresh:  # one after another: the records of all runs together may be large
        return [_plan(*each, folders, device) for each in zip(requests, attempts, strict=True)]
    found = list(zip(requests, attempts, strict=True))
    number = max(there.last for _, there in found)
    unfinished = any(number not in request.complete(there.records) for request, there in found)
    own = all(folders.is_own(record) for _, there in found for record in there.records if record.attempt == number)
    if number < 2 or not own or not unfinished:
        number += 1
    return [_plan_fresh(*each, folders, device, number) for each in found]


@dataclass(frozen=True)
class _Attempts:
    """The recorded attempts at a run, oldest first, and what is wrong with those left out, by their numbers."""

    records: list[RunSummary]
    left_out: dict[int, str]

    @property
    def last(self) -> int:
        """The largest number that is taken; 0 for none."""
        return max([record.attempt for record in self.records] + list(self.left_out), default=0)

    @property
    def newest(self) -> RunSummary | None:
        """The attempt of that number, where it can be used."""
        return self.records[-1] if self.records and self.last not in self.left_out else None


@dataclass(frozen=True)
class _Request:
    """A run that is asked for, and the edition that the present code would compute."""

    key: RunKey
    spec: Spec
    budgets: tuple[int, ...]
    edition: Edition

    def complete(self, found: list[RunSummary]) -> dict[int, RunSummary]:
        """The attempts, by number, that have all requested rounds, computed by the present code."""
        return {
            record.attempt: record
            for record in found
            if record.extent.covers(self.budgets) and edition_of(record.header) == self.edition
        }


def _plan(request: _Request, there: _Attempts, folders: Folders, device: str) -> RunPlan:
    key, spec, now, found = request.key, request.spec, request.edition, there.records
    if complete := request.complete(found):
        return RunPlan(key, spec, complete[max(complete)].path, done=True)
    next_path = run_path(folders.written, key, there.last + 1)
    attempt = f"recomputed as attempt {there.last + 1}"
    if not found:
        note = f"{key}: {attempt}; {there.left_out[there.last]}" if there.left_out else ""
        return RunPlan(key, spec, next_path, note=note)
    mine = [record for record in found if edition_of(record.header) == now]
    if not mine:
        change = now.change_since(edition_of(found[-1].header))
        return RunPlan(key, spec, next_path, note=f"{key}: {change}; {attempt}")
    if there.newest is None:
        return RunPlan(key, spec, next_path, note=f"{key}: {attempt}; {there.left_out[there.last]}")
    if unlike := _obstacles(mine[-1], now, device):
        return RunPlan(key, spec, next_path, note=f"{key}: started elsewhere ({unlike[0]}); {attempt}")
    if folders.is_own(mine[-1]):
        return RunPlan(key, spec, mine[-1].path)
    path = run_path(folders.written, key, mine[-1].attempt)
    return RunPlan(key, spec, next_path if os.path.lexists(path) else path, begun=mine[-1].path)


def _plan_fresh(request: _Request, there: _Attempts, folders: Folders, device: str, number: int) -> RunPlan:
    key, spec, complete = request.key, request.spec, request.complete(there.records)
    if number in complete:
        return RunPlan(key, spec, complete[number].path, done=True)
    if there.last == number and (there.newest is None or _obstacles(there.newest, request.edition, device)):
        number += 1
    return RunPlan(key, spec, run_path(folders.written, key, number))


def on_data(plans: list[RunPlan], sha256: str, folders: Folders) -> list[RunPlan]:
    """The runs to compute on the data with this checksum: one that was started on others is not continued.

    Few images differ, or the runs would not pair; but no number after them would be that of either copy.
    """
    return [_on_data(p, sha256, folders) for p in plans]


def _on_data(planned: RunPlan, sha256: str, folders: Folders) -> RunPlan:
    started = planned.begun or planned.path
    record = read_summary(started) if started.exists() else None
    if record is None or record.header.dataset.sha256 == sha256:
        return planned
    number = _Attempts(*folders.attempts(planned.key, record.header.fingerprint)).last + 1
    note = f"{planned.key}: started on another copy of the data; recomputed as attempt {number}"
    return replace(planned, path=run_path(folders.written, planned.key, number), begun=None, note=note)


def on_list(planned: RunPlan, indices: tuple[int, ...], folders: Folders) -> RunPlan:
    """The run of a replay: one that trained on other labels than ``indices`` is neither done nor continued."""
    started = planned.begun or planned.path
    record = read_run(started) if started.exists() else None
    if record is None:
        return planned
    trained = [*record.header.initial.acquired_indices, *(i for each in record.rounds for i in each.acquired_indices)]
    if tuple(trained) == indices[: len(trained)]:
        return planned
    number = _Attempts(*folders.attempts(planned.key, record.header.fingerprint)).last + 1
    note = f"{planned.key}: the source acquired other labels meanwhile; recomputed as attempt {number}"
    path = run_path(folders.written, planned.key, number)
    return replace(planned, path=path, done=False, begun=None, note=note)


def _editions(protocol: Protocol) -> Callable[[Spec, str], Edition]:
    """``edition`` of the protocol's runs, found out once for all seeds: there may be many."""
    return cache(lambda spec, learner: edition(protocol, spec, learner))


def edition(protocol: Protocol, spec: Spec, learner: str) -> Edition:
    """The edition of a run that is computed now; ``learner`` is in canonical form."""
    source = learners.source_of(learner)
    return Edition(
        engine_version=ENGINE_VERSION,
        strategy_version=spec.version,
        learner_version=learners.build(learner).version,
        strategy_source_sha256=spec.source_sha256,
        learner_source_sha256=None if source is None else source.sha256,
        model_source_sha256=joint_sha256(network_sources(protocol)),
    )


def _obstacles(record: RunSummary, now: Edition, device: str) -> list[str]:
    return obstacles(record.header, now, environment.record(torch.device(device)))
