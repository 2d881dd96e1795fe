"""A run to compute, as plain data for any process, and the header that its file begins with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmark import ENGINE_VERSION
from benchmark.data.datasets import ImageData
from benchmark.experiment import Protocol
from benchmark.experiment.keys import RunKey
from benchmark.learners import Learner
from benchmark.loop.replay import Replay
from benchmark.models import factory
from benchmark.results import environment
from benchmark.results.editions import Edition, edition_of
from benchmark.results.errors import StartedMeanwhile
from benchmark.results.records import (
    DatasetRecord,
    DifferingRecord,
    EnvironmentRecord,
    LabelsRecord,
    RunExtent,
    RunHeader,
)
from strategies.api import Strategy
from strategies.registry import CodeSource


@dataclass(frozen=True)
class RunTask:
    """A run to compute and where: everything but the data. It can be pickled.

    ``strategies.registry.resolve`` turns ``reference`` into the strategy in any process; ``source_sha256`` is the
    checksum of a plugin's modules, None for the suite's own strategies. ``learner_source`` and ``network_sources`` say
    where the learner and the protocol's networks come from, if they are a user's own. ``path`` is the run's file; where
    it does not exist yet, the run continues the published one at ``begun``, None for none. ``dataset_sha256``
    identifies the data where a process loads its own; ``manifest_sha256`` is that of their manifest, and ``differing``
    says how far they agree with the published one of their name, None where none is published. ``deadline`` is in
    seconds since the epoch; None for none. ``strategy_check`` is the verdict of ``check_strategy``
    on a plugin, None for the suite's own strategies. ``replay`` has the labels to train on where no strategy chooses.
    ``shared`` names what the first of several runs computes for all while the others would wait.
    """

    key: RunKey
    reference: str
    source_sha256: str | None
    protocol: Protocol
    path: Path
    cache: Path
    data_dir: Path
    dataset_sha256: str
    manifest_sha256: str
    device: str
    learner_source: CodeSource | None = None
    network_sources: tuple[CodeSource, ...] = ()
    differing: DifferingRecord | None = None
    commit: str | None = None
    strategy_check: str | None = None
    deadline: float | None = None
    begun: Path | None = None
    replay: Replay | None = None
    shared: frozenset[str] = frozenset()

    @property
    def user_sources(self) -> tuple[CodeSource, ...]:
        """Those of the learner and of the networks together."""
        return tuple(filter(None, [self.learner_source, *self.network_sources]))


def run_header(
    task: RunTask, strategy: Strategy, learner: Learner, data: ImageData, initial: LabelsRecord
) -> RunHeader:
    """A run's first line."""
    features = task.protocol.features
    reads_own = features is not None and features.by_seed and "features" in strategy.needs
    return RunHeader(
        key=task.key,
        experiment=task.path.parents[2].name,
        fingerprint=task.protocol.fingerprint,
        engine_version=ENGINE_VERSION,
        strategy_version=strategy.version if task.replay is None else task.replay.version,
        learner_version=learner.version,
        strategy_source_sha256=task.source_sha256,
        learner_source_sha256=None if task.learner_source is None else task.learner_source.sha256,
        model_source_sha256=joint_sha256(task.network_sources),
        strategy_check=task.strategy_check,
        diagnostic="diagnostic" in strategy.groups,
        dataset=DatasetRecord(data.name, data.sha256, data.note, task.manifest_sha256, task.differing),
        environment=environment.record(data.train_images.device),
        commit=task.commit,
        feature_seed=task.key.seed if reads_own else None,
        initial=initial,
    )


def obstacles(started: RunHeader, now: Edition, here: EnvironmentRecord) -> list[str]:
    """What is not the same as when a run was started, in words: continuing it would give other bits.

    Empty where edition, PyTorch, NumPy, SciPy, scikit-learn, device, CPU capability, threads and the backends' settings
    agree.
    """
    if edition_of(started) != now:
        return [now.change_since(edition_of(started))]
    return environment.differences(started.environment, here)


def check_started(found: RunExtent, present: RunHeader, budgets: tuple[int, ...]) -> None:
    """Raise StartedMeanwhile unless the run that lies in an opened file may be continued, or is done.

    ``present`` is the header that it would begin with here. What lay there when the run was planned was compared then;
    another command may have written the file since.
    """
    started, now = found.header, edition_of(present)
    if found.covers(budgets) and edition_of(started) == now and started.dataset.pairs_with(present.dataset):
        return
    unlike = obstacles(started, now, present.environment)
    if started.dataset.sha256 != present.dataset.sha256:
        unlike.append("on another copy of the data")
    if unlike:
        raise StartedMeanwhile(
            f"{present.key}: left as it is: another command has started it meanwhile, by other code or elsewhere "
            f"({unlike[0]}); repeat the command to compute it"
        )


def network_sources(protocol: Protocol) -> tuple[CodeSource, ...]:
    """Where the networks of a protocol come from, that of its features included; empty if they are the suite's own."""
    names = [protocol.model.name, *([protocol.features.model] if protocol.features is not None else [])]
    return tuple(filter(None, map(factory.source_of, dict.fromkeys(names))))


def joint_sha256(sources: tuple[CodeSource, ...]) -> str | None:
    """The checksum of one source, or of several together; None for none."""
    if len(sources) < 2:
        return sources[0].sha256 if sources else None
    return hashlib.sha256("".join(f"{source.sha256}" for source in sources).encode()).hexdigest()
