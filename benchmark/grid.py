"""Which runs there are, which are on disk already, and which files the others go to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark import ENGINE_VERSION, environment
from benchmark.protocol import Protocol
from benchmark.store import RunRecord, attempts, check_header, run_path
from strategies.base import Strategy
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
    """What is done and where the rest goes. Raises StoreError for files that belong to another experiment."""
    return [_plan(protocol, run, root, device, fresh) for run in runs]


def _plan(protocol: Protocol, run: Run, root: Path, device: str, fresh: bool) -> Planned:
    found = attempts(root, run.spec.canonical, run.learner, run.seed)
    for record in found:
        check_header(
            record,
            fingerprint=protocol.fingerprint,
            strategy=run.spec.canonical,
            learner=run.learner,
            seed=run.seed,
        )
    newest = found[-1] if found else None
    following = newest.attempt + 1 if newest else 1
    beside = run_path(root, run.spec.canonical, run.learner, run.seed, following)
    if newest is None:
        return Planned(run, beside, False)
    same_source = [r for r in found if r.header["plugin_sha256"] == run.spec.source_sha256]
    complete = [r for r in same_source if r.covers(protocol.budgets)]
    if fresh:
        if newest.attempt > 1 and not newest.covers(protocol.budgets) and _resumable(newest, run, device):
            return Planned(run, newest.path, False)
        return Planned(run, beside, False)
    if complete:
        return Planned(run, complete[-1].path, True)
    if not same_source:
        return Planned(run, beside, False, f"{run}: the plugin's source has changed; computed anew beside")
    if not _resumable(newest, run, device):
        return Planned(run, beside, False, f"{run}: begun elsewhere or with other versions; computed anew beside")
    return Planned(run, newest.path, False)


def _resumable(record: RunRecord, run: Run, device: str) -> bool:
    """Whether going on gives the same bits as going through: same engine, PyTorch, kind of device and source."""
    header = record.header
    return bool(
        header["engine"] == ENGINE_VERSION
        and header["versions"]["torch"] == environment.versions()["torch"]
        and header["device"].split(" ")[0] == device.split(":")[0]
        and header["plugin_sha256"] == run.spec.source_sha256
    )
