"""Which runs there are, which are on disk already, and which files the others go to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmark import ENGINE_VERSION, learners
from benchmark.experiment import Protocol
from benchmark.experiment.keys import RunKey
from benchmark.loop.task import joint_sha256, network_sources
from benchmark.results import environment
from benchmark.results.editions import Edition, edition_of
from benchmark.results.layers import Folders
from benchmark.results.paths import run_path
from benchmark.results.records import RunRecord
from benchmark.results.store import check_fingerprint, read_run
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
    """What is done and where the rest goes. Raises StoreError for files that belong to another experiment.

    A run is done whether the user's own or a published file has it; all others go to the user's own folder.
    ``fresh`` recomputes all runs as one new attempt; repeated, it continues that attempt until it is complete.
    """
    found = [_attempts(protocol, key, folders) for key, _ in runs]
    if not fresh:
        return [_plan(protocol, *run, records, folders, device) for run, records in zip(runs, found, strict=True)]
    number = max((record.attempt for records in found for record in records), default=0)
    unfinished = any(
        number not in _complete(protocol, spec, records) for (_, spec), records in zip(runs, found, strict=True)
    )
    own = all(folders.is_own(record) for records in found for record in records if record.attempt == number)
    if number < 2 or not own or not unfinished:
        number += 1
    return [
        _plan_fresh(protocol, *run, records, folders, device, number) for run, records in zip(runs, found, strict=True)
    ]


def _plan(
    protocol: Protocol, key: RunKey, spec: Spec, found: list[RunRecord], folders: Folders, device: str
) -> RunPlan:
    next_path = run_path(folders.written, key, found[-1].attempt + 1 if found else 1)
    if not found:
        return RunPlan(key, spec, next_path)
    if complete := _complete(protocol, spec, found):
        return RunPlan(key, spec, complete[max(complete)].path, done=True)
    now, attempt = edition(protocol, spec, key.learner), f"recomputed as attempt {found[-1].attempt + 1}"
    mine = [record for record in found if edition_of(record.header) == now]
    if not mine:
        change = now.change_since(edition_of(found[-1].header))
        return RunPlan(key, spec, next_path, note=f"{key}: {change}; {attempt}")
    if not _resumable(mine[-1], now, device):
        return RunPlan(key, spec, next_path, note=f"{key}: started on another device or PyTorch version; {attempt}")
    if folders.is_own(mine[-1]):
        return RunPlan(key, spec, mine[-1].path)
    return RunPlan(key, spec, run_path(folders.written, key, mine[-1].attempt), begun=mine[-1].path)


def _plan_fresh(
    protocol: Protocol, key: RunKey, spec: Spec, found: list[RunRecord], folders: Folders, device: str, number: int
) -> RunPlan:
    complete = _complete(protocol, spec, found)
    if number in complete:
        return RunPlan(key, spec, complete[number].path, done=True)
    started = found[-1] if found and found[-1].attempt == number else None
    if started is not None and not _resumable(started, edition(protocol, spec, key.learner), device):
        number += 1
    return RunPlan(key, spec, run_path(folders.written, key, number))


def on_data(plans: list[RunPlan], sha256: str, folders: Folders) -> list[RunPlan]:
    """The runs to compute on the data with this checksum: one that was started on others is not continued.

    Few images differ, or the runs would not pair; but no number after them would be that of either copy.
    """
    return [_on_data(p, sha256, folders) for p in plans]


def _on_data(planned: RunPlan, sha256: str, folders: Folders) -> RunPlan:
    started = planned.begun or planned.path
    record = read_run(started) if started.exists() else None
    if record is None or record.header.dataset.sha256 == sha256:
        return planned
    number = record.attempt + 1
    note = f"{planned.key}: started on another copy of the data; recomputed as attempt {number}"
    return replace(planned, path=run_path(folders.written, planned.key, number), begun=None, note=note)


def _attempts(protocol: Protocol, key: RunKey, folders: Folders) -> list[RunRecord]:
    found = folders.attempts(key)
    for record in found:
        check_fingerprint(record, protocol.fingerprint)
    return found


def _complete(protocol: Protocol, spec: Spec, found: list[RunRecord]) -> dict[int, RunRecord]:
    """The attempts, by number, that have all requested rounds, computed by the present code."""
    return {
        record.attempt: record
        for record in found
        if record.covers(protocol.budgets) and edition_of(record.header) == edition(protocol, spec, record.key.learner)
    }


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


def _resumable(record: RunRecord, now: Edition, device: str) -> bool:
    """Whether continuing gives the same bits as an uninterrupted run: same edition, PyTorch and device type."""
    header = record.header
    return (
        edition_of(header) == now
        and header.environment.libraries.get("torch") == environment.libraries()["torch"]
        and header.environment.device.split(" ")[0] == device.split(":")[0]
    )
