"""``failures.jsonl``: which runs failed, when, where and of what, a line each beside the runs.

Nothing depends on it: a run that failed is one that has not all its rounds, and is gone on with like any other.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.results import lines
from benchmark.results.errors import Damaged
from benchmark.results.foreign import content
from benchmark.results.records import FailureRecord, RunRecord, RunSummary

NAME = "failures.jsonl"
_SHOWN = 5


def append(root: Path, failure: FailureRecord) -> None:
    """Write a failure's line for the experiment at ``root`` and wait until it is on the disk. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        line = lines.record_bytes([failure])
        if end and os.pread(handle, 1, end - 1) != b"\n":
            line = b"\n" + line  # behind one that a crash has torn
        if os.write(handle, line) < len(line):
            os.ftruncate(handle, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)


def read(root: Path) -> tuple[list[FailureRecord], list[str]]:
    """The failures of the experiment at ``root``, oldest first, and what is wrong with the other lines.

    A torn line is no problem: it is what a crash leaves of one.
    """
    path = root / NAME
    if not os.path.lexists(path):
        return [], []
    found, problems = [], []
    try:
        for line in lines.split(content(path)):
            try:
                if line.problem != lines.NOT_JSON:
                    found.append(lines.read_record(path, lines.undamaged(path, line), FailureRecord))
            except Damaged as damage:
                problems.append(damage.problem)
    except Damaged as damage:
        problems.append(damage.problem)
    return found, problems


def open_failures(failures: Iterable[FailureRecord], runs: Iterable[RunRecord | RunSummary]) -> list[FailureRecord]:
    """The last failure of each run that has not got beyond it since, in the order of the failures."""
    last = {failure.key: failure for failure in failures}
    reached: dict[object, int] = {}
    for run in runs if last else ():
        if run.key in last:
            reached[run.key] = max(reached.get(run.key, 0), len(run.extent.label_counts))
    return [failure for failure in last.values() if reached.get(failure.key, 0) <= failure.round]


def in_words(failure: FailureRecord) -> str:
    """A failure on one line."""
    return f"{failure.key} failed in round {failure.round} ({failure.when}, {failure.host}): {failure.error}"


def notes(found: Sequence[FailureRecord]) -> list[str]:
    """What a report says of failures: a line for each of the first, then how many more there are."""
    shown = [in_words(failure) for failure in found[:_SHOWN]]
    more = len(found) - len(shown)
    return shown + ([f"{more} more run{'' if more == 1 else 's'} failed: see {NAME}"] if more else [])
