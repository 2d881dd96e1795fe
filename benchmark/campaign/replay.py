"""From ``--replay`` to the runs of a replay: which label lists, what trains on them, and under which names."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmark.campaign import label_lists
from benchmark.campaign.heads import with_training
from benchmark.campaign.networks import settled
from benchmark.data.identity import Identity
from benchmark.experiment import Protocol, ProtocolError
from benchmark.experiment.keys import RunKey
from benchmark.experiment.protocol import from_dict
from benchmark.loop.oracles import simulated
from benchmark.loop.replay import Replay, Replayed
from benchmark.results.atomic import write_atomically
from benchmark.results.records import DatasetRecord, Experiment, LabelsRecord, RoundRecord, RunRecord
from benchmark.text import escapes
from strategies.registry import Spec, format_spec, resolve

SUPERVISED = "supervised"
_OF_LABELS = ("imbalance", "label_noise", "oracle")  # which images indices mean, and who gave which labels
_NO_TRAINING = ("budgets", "ladder", "initial", "candidates", "features", "replay")  # what a replay has from its source
_TRAINING = frozenset({"attach", "after_training", "hold_out"})  # hooks by which a strategy has a part in a training


@dataclass(frozen=True)
class ReplaySpec(Spec):
    """Stands for the strategy that acquired the labels: its name and version, but nothing of its code."""

    acquired_version: int = 1

    @property
    def canonical(self) -> str:
        return self.name

    @property
    def version(self) -> int:
        return self.acquired_version


@dataclass(frozen=True)
class Source:
    """Label lists by strategy and seed, and where they are from.

    ``name`` is the experiment's or the file's, ``digest`` begins the checksum of what identifies it: an experiment's
    fingerprint, a file's content. ``dataset`` is the data set that the indices belong to; None where nobody says.
    ``counts`` are the label counts that each list of a file says it has, if any.
    """

    name: str
    digest: str
    lists: Mapping[tuple[str, int], Replay]
    dataset: DatasetRecord | None = None
    counts: Mapping[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What the replay's protocol says that it replays."""
        return f"{self.name}@{self.digest[:16]}"

    def file_counts(self, strategies: Collection[str] | None, seeds: Collection[int] | None) -> list[int]:
        """The label counts of a file for ``strategies`` and ``seeds``, None for all; empty where it says none."""
        return _common(
            {
                key: counts
                for key, counts in self.counts.items()
                if (strategies is None or key[0] in strategies) and (seeds is None or key[1] in seeds)
            }
        )


def _common(counts: Mapping[tuple[str, int], tuple[int, ...]]) -> list[int]:
    """The label counts that the furthest lists of all strategies have in common."""
    furthest: dict[str, tuple[int, ...]] = {}
    for (strategy, _), some in counts.items():
        furthest[strategy] = max(furthest.get(strategy, ()), some, key=len)
    return sorted(set.intersection(*map(set, furthest.values()))) if furthest else []


def source_of_experiment(experiment: Experiment, runs: Sequence[RunRecord]) -> Source:
    """The labels that the ``runs`` of an experiment, of one learner, acquired. Raises ProtocolError without any."""
    lists = {}
    for run in runs:
        if not run.rounds:
            continue
        parts: list[LabelsRecord | RoundRecord] = [run.header.initial, *run.rounds]
        lists[run.key.strategy, run.key.seed] = Replay(
            tuple(index for part in parts for index in part.acquired_indices),
            tuple(run.label_counts),
            tuple(record.accuracy for record in run.rounds),
            run.header.strategy_version,
            labels=tuple(label for part in parts for label in part.acquired_labels),
        )
    if not lists:
        raise ProtocolError(f"{experiment.root}: none of its runs has a round to replay")
    return Source(experiment.name, experiment.fingerprint, lists, runs[0].header.dataset)


def source_of_file(path: Path) -> Source:
    """The lists of a .csv or .json file (see ``label_lists``). Raises ProtocolError, in one line, for anything else."""
    content, lists = label_lists.read(path)
    found = {key: Replay(some.indices, labels=some.labels) for key, some in lists.items()}
    counts = {key: some.counts for key, some in lists.items()}
    return Source(path.stem, hashlib.sha256(content).hexdigest(), found, counts=counts)


def export(runs: Collection[RunRecord], path: Path, last: int | None = None) -> None:
    """Write what the runs of one learner acquired as a .csv that ``--replay`` reads, up to ``last`` labels if given.

    Further columns: ``label``, and ``num_labelled`` in the first round that trained on it.
    """
    rows = []
    for run in runs:
        first = run.header.initial
        batches = [(first.acquired_indices, first.acquired_labels)]
        batches += [(record.acquired_indices, record.acquired_labels) for record in run.rounds]
        count = 0
        for indices, labels in batches:
            count += len(indices)
            if last is not None and count > last:
                break
            rows += [(run.key.strategy, run.key.seed, i, y, count) for i, y in zip(indices, labels, strict=True)]
    table = pd.DataFrame(rows, columns=[*label_lists.COLUMNS, "label", "num_labelled"])
    write_atomically(path, escapes.csv_table(table).encode())


def protocol_of(
    experiment: Experiment, source: Source, changes: Mapping[str, Any], other: Protocol | None = None
) -> Protocol:
    """The protocol of a replay of an experiment: its own with ``changes``, or an ``other`` one with them.

    What the acquired labels are of is the experiment's, whatever the other protocol says. Without ``budgets`` among the
    changes, at the label counts that the furthest runs of all strategies have in common.
    """
    common = _common({key: replay.counts for key, replay in source.lists.items()})
    if not common and "budgets" not in changes:
        raise ProtocolError(f"{experiment.root}: its strategies have no label count in common: give --budgets")
    own = from_dict(experiment.protocol)
    acquired = {name: getattr(own, name) for name in _OF_LABELS}
    for name, value in acquired.items():
        if changes.get(name, value) != value:
            raise ProtocolError(
                f"the labels that {experiment.name} acquired are of {name}={value}: leave out {name}={changes[name]}"
            )
    return replayed(other or own, source, {"budgets": common, **changes, **acquired})


def replayed(base: Protocol, source: Source, changes: Mapping[str, Any]) -> Protocol:
    """``base`` with ``changes`` as the protocol of a replay of ``source``; supervised, where they name no learner.

    Raises ProtocolError where it would go on from the weights of another training, and for a change of what a replay
    does not read: how the first labels are drawn, from what strategies choose.
    """
    if idle := [key for key in changes if key.partition(".")[0] in ("initial", "candidates", "features", "replay")]:
        raise ProtocolError(f"{idle[0]} has no effect on a replay, whose labels are given: leave it out")
    fixed = {
        "name": f"{base.name.removesuffix('-replay')}-replay",  # which the settings of a replay have already
        "strategies": sorted({strategy for strategy, _ in source.lists}),
        "ladder": changes.get("budgets", base.budgets),
        "initial": "strategy",  # which hands out the beginning of the list
        "features": None,  # nothing reads them
        "candidates": 0,
        "replay": source.identity,
    }
    protocol = settled(base.override(**{"learners": [SUPERVISED], **with_training(base, changes), **fixed}), base)
    if protocol.warm_start:
        raise ProtocolError("--replay trains from fresh weights at every label count: add --set warm_start=false")
    return protocol


def check_changed(protocol: Protocol, experiment: Experiment, learner: str, strategies: Collection[str]) -> None:
    """Raise ProtocolError where a replay by ``protocol`` would compute the runs of ``experiment`` by ``learner`` again.

    Not where one of the ``strategies`` that were named trains something along, which its replay leaves out.
    """
    own = from_dict(experiment.protocol)
    again = dataclasses.replace(own, **{name: getattr(protocol, name) for name in _NO_TRAINING})
    if protocol.learners != (learner,) or again.fingerprint != protocol.fingerprint:
        return
    if any(_TRAINING & resolve(name).build().hooks for name in strategies):
        return
    training = f"{format_spec(own.model.name, sorted(own.model.parameters.items()))} and the learner {learner}"
    raise ProtocolError(
        f"--replay would train as the runs of {experiment.name} did, by {training}, and give their accuracies again: "
        "name another training of their labels with --model, --set, --learner or --protocol"
    )


@dataclass(frozen=True)
class Request:
    """A replay as asked for: its protocol, its source, the lists to train on, and notes on those left out."""

    protocol: Protocol
    source: Source
    lists: Mapping[tuple[str, int], Replay]
    notes: Sequence[str]

    def runs(self, learners: Collection[str]) -> list[tuple[RunKey, Spec]]:
        """The runs, seed by seed; ``learners`` in canonical form."""
        specs = {
            name: ReplaySpec(Replayed, name, acquired_version=some.version) for (name, _), some in self.lists.items()
        }
        return [(RunKey(name, learner, seed), specs[name]) for name, seed in self.lists for learner in learners]

    def list_of(self, key: RunKey) -> Replay:
        return self.lists[key.strategy, key.seed]

    def check(self, identity: Identity, dataset: DatasetRecord, labels: Sequence[int]) -> None:
        """Raises ProtocolError unless the lists fit data of this identity and these ``labels``, as ``dataset`` records.

        Labels of a file must be those that its seed's oracle gives, unless that is a person. An experiment's are.
        """
        source = self.source
        if source.dataset is not None and not _same_images(source.dataset, dataset):
            raise ProtocolError(
                f"'{dataset.name}' is not the data whose labels {source.name} acquired (SHA-256 {dataset.sha256[:12]}, "
                f"not {source.dataset.sha256[:12]}): put the same data in place"
            )
        for (strategy, seed), replay in self.lists.items():
            where = f"{source.name}: {strategy}, seed {seed}"
            if (largest := max(replay.indices)) >= identity.num_train:
                raise ProtocolError(
                    f"{where}: it has the index {largest}, but '{identity.name}' has {identity.num_train} training "
                    "images"
                )
            if source.dataset is not None or self.protocol.oracle == "person":
                continue
            given = simulated(torch.tensor(labels), identity.class_count, self.protocol.label_noise, seed)
            answers = given.answer(torch.tensor(list(replay.answers), dtype=torch.int64)).tolist()
            for (index, label), other in zip(replay.answers.items(), answers, strict=True):
                if label != other:
                    raise ProtocolError(
                        f"{where}: the label of {index} is {label}, but {other} in '{identity.name}': replay it on the "
                        "data that the indices are of, with --set label_noise=… where labels were wrong, or leave out "
                        "the column 'label'"
                    )


def _same_images(one: DatasetRecord, other: DatasetRecord) -> bool:
    """Whether indices mean the same on both: on images and on embeddings of these they do."""
    return one.pairs_with(other) or (one.manifest_sha256 == other.manifest_sha256 != "unknown")


def request(
    source: Source, protocol: Protocol, strategies: Collection[str] | None, seeds: Collection[int] | None
) -> Request:
    """What to replay of a source: the lists of ``strategies`` and ``seeds``, None for all, that are long enough.

    Raises ProtocolError where one that was asked for is not there, or where none is left.
    """
    known, known_seeds = sorted({key[0] for key in source.lists}), sorted({key[1] for key in source.lists})
    if unknown := [name for name in strategies or () if name not in known]:
        raise ProtocolError(f"{source.name} has no run of '{unknown[0]}' to replay; it has {', '.join(known)}")
    if absent := [seed for seed in seeds or () if seed not in known_seeds]:
        raise ProtocolError(f"{source.name} has no run of seed {absent[0]}; it has {' '.join(map(str, known_seeds))}")
    found, notes = {}, []
    for (strategy, seed), replay in sorted(source.lists.items(), key=lambda item: (item[0][1], item[0][0])):
        if (strategies is not None and strategy not in strategies) or (seeds is not None and seed not in seeds):
            continue
        lacking = [n for n in protocol.budgets if n > len(replay.indices) or (replay.counts and n not in replay.counts)]
        if lacking:
            notes.append(f"left out: {strategy}, seed {seed}: it has no round with {lacking[0]} labels")
        else:
            found[strategy, seed] = replay
    if not found:
        raise ProtocolError(
            f"{source.name} has no run with all of {' '.join(map(str, protocol.budgets))} labels; give other --budgets"
        )
    present = sorted({key[0] for key in found}), sorted({key[1] for key in found})
    return Request(protocol.override(strategies=present[0], seeds=present[1]), source, found, notes)
