"""What a run leaves on disk, as types: these dataclasses are format 2, field by field.

A run is a file of JSON lines: a ``RunHeader``, then a ``RoundRecord`` for each round. Beside it lie the traces of its
trainings (``TraceRecord``) and some test images (``ExamplesRecord``); above it ``experiment.json`` holds an
``ExperimentDescription``. ``lines`` turns them into bytes and back, and is the only reader.

What is not known is told apart from what is not there. ``"unknown"`` stands for what a run had and nobody recorded,
as in lines converted from format 1; null for what it did not have (a plugin's source, features, a calibration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np

from benchmark.experiment.dataset_name import few
from benchmark.experiment.keys import RunKey
from benchmark.results.fields import Pattern, Range

FORMAT: Final = 2
UNKNOWN: Final = "unknown"

Unknown = Literal["unknown"]
Share = Annotated[float, Range(0, 1)]
NotNegative = Annotated[float, Range(0)]
Count = Annotated[int, Range(0)]
Index = Annotated[int, Range(0)]
Sha256 = Annotated[str, Pattern("[0-9a-f]{64}", "64 hexadecimal digits")]
Version = Annotated[int, Range(1)]


@dataclass(frozen=True)
class DifferingRecord:
    """How many images of each split differ from those of the published manifest."""

    train_images: Count
    train_size: Count
    test_images: Count
    test_size: Count

    @property
    def pairs(self) -> bool:
        """Whether so few differ that numbers may be compared with those on the published data."""
        return few(self.train_images, self.train_size) and few(self.test_images, self.test_size)

    def __str__(self) -> str:
        counts = (
            (self.train_images, self.train_size, "training"),
            (self.test_images, self.test_size, "test"),
        )
        return " and ".join(f"{count:,} of {size:,} {split} images" for count, size, split in counts if count)


@dataclass(frozen=True)
class DatasetRecord:
    """The data of a run: their name, the checksum of their content, and a remark on their source.

    ``manifest_sha256`` is that of their manifest, which tells how far they agree with another copy
    (``benchmark.data.manifest``); ``differing`` is how far they agree with the published one, null where none of
    that name is published.
    """

    name: str
    sha256: Sha256
    note: str
    manifest_sha256: Sha256 | Unknown
    differing: DifferingRecord | None

    def pairs_with(self, other: DatasetRecord) -> bool:
        """Whether numbers on the two data sets may be compared: they are equal, or close to the same published one.

        Embeddings by a network that was trained for them have other bits elsewhere; equal images are equal data.
        """
        if self.sha256 == other.sha256:
            return True
        if self.name == other.name and self.manifest_sha256 == other.manifest_sha256 != UNKNOWN:
            return True
        both = (self.differing, other.differing)
        return self.name == other.name and all(found is not None and found.pairs for found in both)

    @property
    def remark(self) -> str:
        """In which way the data differ from the published ones of their name; empty where they do not, or none are."""
        return (
            f"data that differ from the published {self.name} in {self.differing}" if str(self.differing or "") else ""
        )


@dataclass(frozen=True)
class EnvironmentRecord:
    """Where a run was computed.

    ``device`` is its kind with the processor's name in parentheses, ``libraries`` maps names to versions,
    ``cpu_capability`` is the instruction set that PyTorch uses, ``num_threads`` that of a process, and ``switches``
    are further settings of the backends.
    """

    device: str
    libraries: Mapping[str, str]
    cpu_capability: str
    num_threads: Annotated[int, Range(1)] | Unknown
    switches: Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class LabelsRecord:
    """Labels as they were acquired: dataset indices and labels in this order, and who sits out the next training."""

    acquired_indices: tuple[Index, ...]
    acquired_labels: tuple[Count, ...]
    held_out_indices: tuple[Index, ...]

    def __post_init__(self) -> None:
        _check_lengths(self.acquired_indices, self.acquired_labels)


@dataclass(frozen=True)
class RunHeader:
    """The first line of a run: what it is and where it was computed.

    ``…_source_sha256`` are checksums of a plugin's source, null for what is the suite's own; ``…_version`` are those
    that classes declare, 1 where they declare none. ``strategy_check`` is the verdict of ``check_strategy`` on a
    plugin, null for the suite's own strategies. A ``diagnostic`` strategy reads true labels. ``commit`` is that of
    the checkout, null outside of one. ``feature_seed`` is the seed of the self-supervised features that the strategy
    reads, null where it reads none or pretrained ones.
    """

    key: RunKey
    experiment: str
    fingerprint: Sha256
    engine_version: Version
    strategy_version: Version
    learner_version: Version
    strategy_source_sha256: Sha256 | None
    learner_source_sha256: Sha256 | None
    model_source_sha256: Sha256 | None
    strategy_check: str | None
    diagnostic: bool
    dataset: DatasetRecord
    environment: EnvironmentRecord
    commit: str | None
    feature_seed: Count | Unknown | None
    initial: LabelsRecord


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds of a round: training, the strategy's query (0 where there was none), evaluation."""

    train: NotNegative
    query: NotNegative
    evaluate: NotNegative


@dataclass(frozen=True)
class RoundRecord:
    """A round: the model trained on ``num_labelled`` labels, and the labels acquired with it.

    ``accuracy`` in [0, 1], ``nll`` in nats and ``ece`` in [0, 1] are the test set's. ``bins`` are those of the ECE:
    the number of images, their mean confidence and how many are correct. ``class_accuracy`` is null for a class
    without test images. ``checkpoint_accuracies`` are those of the last checkpoints, of learners that keep some.
    ``calibration_seconds`` is a reference computation's time in the same process, null where none was run.
    ``shared_training`` is true where another run of the same seed had trained the model; ``seconds.train`` are then
    that run's. After the last round nothing is acquired. ``diagnostics`` map names to measurements for reporting.
    """

    round: Count
    num_labelled: Annotated[int, Range(1)]
    accuracy: Share
    nll: NotNegative
    ece: Share
    bins: tuple[tuple[Count, Share, Count], ...]
    class_accuracy: tuple[Share | None, ...]
    checkpoint_accuracies: tuple[Share, ...]
    seconds: Seconds
    calibration_seconds: NotNegative | None
    shared_training: bool
    acquired_indices: tuple[Index, ...]
    acquired_labels: tuple[Count, ...]
    held_out_indices: tuple[Index, ...]
    diagnostics: Mapping[str, float]

    def __post_init__(self) -> None:
        _check_lengths(self.acquired_indices, self.acquired_labels)


@dataclass(frozen=True)
class TraceRecord:
    """What a learner noted at a step of a round's training, by name."""

    round: Count
    step: Count
    values: Mapping[str, float]


@dataclass(frozen=True)
class FailureRecord:
    """A run that failed, in ``round``, the number of rounds on disk. It was retried at once where ``retried``.

    ``when`` is in UTC; ``error`` is an exception on one line, or how the process died, with an empty ``traceback``.
    """

    when: str
    key: RunKey
    attempt: Annotated[int, Range(1)]
    round: Count
    error: str
    traceback: str
    host: str
    retried: bool


@dataclass(frozen=True)
class ExamplesRecord:
    """Test images with predictions: some evenly spaced, then the most confident mistakes.

    ``images`` (n, H, W, c) uint8; ``labels``, ``predicted`` (n,) integer class numbers; ``confidence`` (n,) in
    [0, 1]; ``mistakes`` (n,) bool, whether an image was chosen because it is wrong; ``names`` (C,) of the classes.
    Raises ValueError for arrays that do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    mistakes: np.ndarray
    names: np.ndarray

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8 or self.images.shape[3] not in (1, 3):
            raise ValueError("images must be (n, H, W, 1 or 3) of bytes")
        per_image = {"labels": "iu", "predicted": "iu", "confidence": "f", "mistakes": "b"}
        for name, kinds in per_image.items():
            array = getattr(self, name)
            if array.shape != (len(self.images),) or array.dtype.kind not in kinds:
                raise ValueError(f"{name} must be one value per image")
        if self.names.ndim != 1 or self.names.dtype.kind != "U":
            raise ValueError("names must be a list of text")
        classes = np.concatenate([self.labels, self.predicted])
        if len(classes) and not (classes.min() >= 0 and classes.max() < len(self.names)):
            raise ValueError("labels and predicted must be numbers of the classes in names")


@dataclass(frozen=True)
class ExperimentDescription:
    """``experiment.json``: an experiment's name, its fingerprint and its protocol as plain data.

    ``results_version`` is that of the release that published the results; null for results of one's own.
    """

    name: str
    results_version: str | None
    fingerprint: Sha256
    protocol: Mapping[str, Any]


@dataclass(frozen=True)
class RunExtent:
    """How far a run has got: its header, and how many labels each round trained on and acquired."""

    header: RunHeader
    label_counts: tuple[Count, ...]
    acquired_counts: tuple[Count, ...]

    def covers(self, budgets: tuple[int, ...]) -> bool:
        """Whether all of ``budgets`` have been computed."""
        return self.label_counts[: len(budgets)] == budgets

    def done(self, rounds: int) -> int:
        """How many rounds need not be computed for ``rounds`` in all.

        A round that acquired nothing was the last of a shorter schedule: it is computed again, now with a query.
        """
        there = self.acquired_counts[:rounds]
        ends = (i for i, count in enumerate(there) if not count and i + 1 < rounds)
        return next(ends, len(there))


@dataclass(frozen=True)
class RunSummary:
    """A run on disk without its measures. ``attempt`` counts from 1."""

    extent: RunExtent
    path: Path
    attempt: int

    @property
    def header(self) -> RunHeader:
        return self.extent.header

    @property
    def key(self) -> RunKey:
        return self.extent.header.key


@dataclass(frozen=True)
class RunRecord:
    """A run on disk: its header and its rounds, in order, each once. ``attempt`` counts from 1."""

    header: RunHeader
    rounds: Sequence[RoundRecord]
    path: Path
    attempt: int = 1

    @property
    def key(self) -> RunKey:
        return self.header.key

    @property
    def label_counts(self) -> list[int]:
        """Label counts of the rounds that are there."""
        return [round_.num_labelled for round_ in self.rounds]

    @property
    def extent(self) -> RunExtent:
        return RunExtent(
            self.header, tuple(self.label_counts), tuple(len(round_.acquired_indices) for round_ in self.rounds)
        )


@dataclass(frozen=True)
class Experiment:
    """An experiment's folder ``root``: its description (see ``ExperimentDescription``) and all its runs.

    ``published`` is the folder of its published runs where these are shown together with the user's own, else None.
    ``left_out`` has a line for each file that is damaged or does not belong there, and is not among ``runs``;
    ``failures`` are those that their runs have not got beyond.
    """

    name: str
    results_version: str | None
    fingerprint: str
    protocol: Mapping[str, Any]
    root: Path
    runs: Sequence[RunRecord]
    left_out: tuple[str, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    published: Path | None = None

    @property
    def looks(self) -> int:
        """How often its runs may be looked at to decide on more seeds: verdicts are corrected for as many."""
        looks: int = self.protocol.get("looks", 1)
        return looks

    def is_published(self, run: RunRecord) -> bool:
        """Whether ``run`` is a published one among the user's own."""
        return self.published is not None and run.path.is_relative_to(self.published)


def _check_lengths(indices: tuple[int, ...], labels: tuple[int, ...]) -> None:
    if len(indices) != len(labels):
        raise ValueError(f"acquired_indices has {len(indices)} entries, but acquired_labels has {len(labels)}")
