"""Which runs there are, which are on disk already, and which files the others go to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark import ENGINE_VERSION
from benchmark.experiment import Protocol
from benchmark.results import environment
from benchmark.results.store import RunRecord, attempts, check_header, run_path
from strategies.api.base import Strategy
from strategies.registry import Spec


@dataclass(frozen=True)
class Run:
    """A point of the grid."""

    spec: Spec
    learner: str
    seed: int

    def __str__(self) -> str:
        learner = "" if self.learner == "supervised" else f" × {self.learner}"
        return f"{self.spec.canonical}{learner}, seed {self.seed}"


@dataclass(frozen=True)
class Planned:
    """A run and the file it goes to; ``done`` where the file has all that was asked for."""

    run: Run
    path: Path
    done: bool
    note: str = ""


def unroll(specs: list[Spec], learners: tuple[str, ...], seeds: tuple[int, ...]) -> list[Run]:
    """All runs, seed by seed, so that whatever is there at any time is comparable.

    Within a seed the first run trains the round 0 that most share; those with an attachment, which cannot share
    it, come next, so that a second worker need not wait.
    """
    shares = [spec for spec in specs if spec.cls.attach is Strategy.attach]
    trains = [spec for spec in specs if spec.cls.attach is not Strategy.attach]
    order = shares[:1] + trains + shares[1:]
    return [Run(spec, learner, seed) for seed in seeds for learner in learners for spec in order]


def plan(protocol: Protocol, runs: list[Run], root: Path, device: str, fresh: bool) -> list[Planned]:
    """What is done and where the rest goes. Raises StoreError for files that belong to another experiment.

    ``fresh`` computes all runs anew, in files of one number; asked for again, it goes on with those it began.
    """
    found = {run: _attempts(protocol, run, root) for run in runs}
    if not fresh:
        return [_plan(protocol, run, found[run], root, device) for run in runs]
    number = max((record.attempt for records in found.values() for record in records), default=0)
    unfinished = any(number not in _complete(protocol, run, found[run]) for run in runs)
    if number < 2 or not unfinished:
        number += 1
    return [_plan_fresh(protocol, run, found[run], root, device, number) for run in runs]


def _plan(protocol: Protocol, run: Run, found: list[RunRecord], root: Path, device: str) -> Planned:
    beside = _path(run, root, found[-1].attempt + 1 if found else 1)
    if not found:
        return Planned(run, beside, False)
    if complete := _complete(protocol, run, found):
        return Planned(run, complete[max(complete)].path, True)
    if all(record.header["plugin_sha256"] != run.spec.source_sha256 for record in found):
        return Planned(run, beside, False, f"{run}: the plugin's source has changed; computed anew beside")
    if not _resumable(found[-1], run, device):
        return Planned(run, beside, False, f"{run}: begun elsewhere or with other versions; computed anew beside")
    return Planned(run, found[-1].path, False)


def _plan_fresh(protocol: Protocol, run: Run, found: list[RunRecord], root: Path, device: str, number: int) -> Planned:
    complete = _complete(protocol, run, found)
    if number in complete:
        return Planned(run, complete[number].path, True)
    begun = found[-1] if found and found[-1].attempt == number else None
    if begun is not None and not _resumable(begun, run, device):
        number += 1
    return Planned(run, _path(run, root, number), False)


def _attempts(protocol: Protocol, run: Run, root: Path) -> list[RunRecord]:
    found = attempts(root, run.spec.canonical, run.learner, run.seed)
    expected = {"strategy": run.spec.canonical, "learner": run.learner, "seed": run.seed}
    for record in found:
        check_header(record, fingerprint=protocol.fingerprint, **expected)
    return found


def _complete(protocol: Protocol, run: Run, found: list[RunRecord]) -> dict[int, RunRecord]:
    """The attempts, by number, that have all that is asked for, by the plugin's present source."""
    return {
        record.attempt: record
        for record in found
        if record.covers(protocol.budgets) and record.header["plugin_sha256"] == run.spec.source_sha256
    }


def _path(run: Run, root: Path, number: int) -> Path:
    return run_path(root, run.spec.canonical, run.learner, run.seed, number)


def _resumable(record: RunRecord, run: Run, device: str) -> bool:
    """Whether going on gives the same bits as going through: same engine, PyTorch, kind of device and source."""
    header = record.header
    return bool(
        header["engine"] == ENGINE_VERSION
        and header["versions"]["torch"] == environment.versions()["torch"]
        and header["device"].split(" ")[0] == device.split(":")[0]
        and header["plugin_sha256"] == run.spec.source_sha256
    )
