"""The lines of one run, taken one after another: each must follow from those before it.

The hash chain says that no line was lost; the checks here say that what the lines tell can have happened: every image
is labelled once, a round trains on what was acquired before it, and its measures add up.
"""

from __future__ import annotations

import math
from pathlib import Path

from benchmark.results import lines
from benchmark.results.errors import Damaged
from benchmark.results.foreign import content
from benchmark.results.lines import Line
from benchmark.results.records import LabelsRecord, RoundRecord, RunHeader

_TOLERANCE = 1e-9  # of sums of a test set's probabilities, which may be added in another order


class RunLines:
    """A run as far as its lines have been taken.

    ``rounds`` are those that count. A line may give a round again, as when a longer budget schedule asks the last one
    for a query: it replaces the earlier line, and the rounds behind that too unless it acquired the same images.
    ``end`` is the offset behind the last line and ``sha256`` its digest, which the next one must name.
    """

    def __init__(self) -> None:
        self.header: RunHeader | None = None
        self.rounds: list[RoundRecord] = []
        self.end = 0
        self.sha256 = ""
        self._labelled: set[int] = set()  # behind the last of the rounds

    def take(self, path: Path, line: Line) -> None:
        """Take the next line of the file ``path``. Raises Damaged, and takes nothing, where it does not follow."""
        lines.undamaged(path, line)
        try:
            if self.header is None:
                self.begin(lines.read_header(path, line))
            else:
                self.add(lines.read_round(path, line, self.sha256))
        except Damaged:
            raise
        except ValueError as error:
            raise Damaged(path, f"line {line.number}: {error}") from error
        self.end, self.sha256 = line.end, line.sha256

    def begin(self, header: RunHeader) -> None:
        """Take a header. Raises ValueError where its initial labels do not fit together."""
        _check_labels(header.initial, set())
        self.header = header
        self._labelled = set(header.initial.acquired_indices)

    def add(self, record: RoundRecord) -> None:
        """Take a round. Raises ValueError where it does not follow from what was taken before."""
        if self.header is None:
            raise ValueError("a header must come first")
        number = record.round
        if number > len(self.rounds):
            raise ValueError(f"round {len(self.rounds)} is missing")
        if number == len(self.rounds):
            labelled = self._labelled
        else:
            earlier = (known.acquired_indices for known in self.rounds[:number])
            labelled = set(self.header.initial.acquired_indices).union(*earlier)
        if number > 0 and not self.rounds[number - 1].acquired_indices:
            raise ValueError(f"round {number} follows round {number - 1}, which acquired nothing")
        if record.num_labelled != len(labelled):
            raise ValueError(
                f"round {number} has num_labelled {record.num_labelled}, but {len(labelled)} labels were acquired "
                "before it"
            )
        _check_labels(record, labelled)
        _check_measures(record, self.header, self.rounds[0] if self.rounds else record)
        if number < len(self.rounds) and _labels(record) == _labels(self.rounds[number]):
            self.rounds[number] = record
        else:
            self.rounds[number:] = [record]
            self._labelled = labelled.union(record.acquired_indices)


def read_run_lines(path: Path) -> RunLines:
    """The lines of the run at ``path``. Raises Damaged for the first line that is damaged or does not follow."""
    return take_run_lines(path, content(path))


def take_run_lines(path: Path, data: bytes) -> RunLines:
    """The lines in ``data``, the content of the file ``path``, likewise."""
    taken = RunLines()
    for line in lines.split(data):
        taken.take(path, line)
    return taken


def _labels(record: LabelsRecord | RoundRecord) -> tuple[tuple[int, ...], ...]:
    return record.acquired_indices, record.acquired_labels, record.held_out_indices


def _check_labels(record: LabelsRecord | RoundRecord, labelled: set[int]) -> None:
    """Raise ValueError unless the acquired images are new and distinct, and those held out have labels."""
    acquired = set(record.acquired_indices)
    if len(acquired) < len(record.acquired_indices):
        twice = next(i for i in record.acquired_indices if record.acquired_indices.count(i) > 1)
        raise ValueError(f"image {twice} was acquired twice")
    if known := acquired & labelled:
        raise ValueError(f"image {min(known)} was acquired, but it had been acquired before")
    if strange := set(record.held_out_indices) - labelled - acquired:
        raise ValueError(f"image {min(strange)} is held out, but it has no label")


def _check_measures(record: RoundRecord, header: RunHeader, first: RoundRecord) -> None:
    """Raise ValueError for measures that contradict one another, or those of the ``first`` round."""
    classes, total = len(record.class_accuracy), sum(count for count, _, _ in record.bins)
    if classes != len(first.class_accuracy):
        raise ValueError(f"class_accuracy has {classes} entries, but {len(first.class_accuracy)} in the first round")
    largest = max((*header.initial.acquired_labels, *record.acquired_labels), default=0)
    if classes and largest >= classes:
        raise ValueError(f"acquired_labels has class {largest}, but class_accuracy {classes} entries")
    if total != sum(count for count, _, _ in first.bins):
        raise ValueError(f"bins count {total} test images, but another number in the first round")
    known = [accuracy for accuracy in record.class_accuracy if accuracy is not None]
    if known and not min(known) - _TOLERANCE <= record.accuracy <= max(known) + _TOLERANCE:
        raise ValueError(f"accuracy {record.accuracy} is not between those of the classes")
    if not total:
        return
    if any(correct > count for count, _, correct in record.bins):
        raise ValueError("bins have more correct images than images")
    correct = sum(correct for _, _, correct in record.bins)
    if not math.isclose(record.accuracy, correct / total, rel_tol=0, abs_tol=_TOLERANCE):
        raise ValueError(
            f"accuracy {record.accuracy} does not follow from bins, which have {correct} of {total} correct"
        )
    ece = sum(abs(count * confidence - correct) for count, confidence, correct in record.bins) / total
    if not math.isclose(record.ece, ece, rel_tol=0, abs_tol=_TOLERANCE):
        raise ValueError(f"ece {record.ece} does not follow from bins, which give {ece}")
