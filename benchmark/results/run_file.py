"""A run's file open for appending: lock, repair of a torn end, and when to wait for the disk.

A process that is killed loses no line that it has written. A machine that goes down may lose, beside the round in hand,
rounds that took less than a second together: a line is waited for unless the last wait was so short a time ago, and
otherwise with a later line or when the file is left. For a head on embeddings a wait is a tenth of a round.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from benchmark.results import lines
from benchmark.results.aside import move_aside
from benchmark.results.atomic import write_atomically
from benchmark.results.locks import Lock
from benchmark.results.paths import examples_path, lock_path, traces_path
from benchmark.results.records import ExamplesRecord, RoundRecord, RunHeader, TraceRecord
from benchmark.results.run_lines import RunLines, read_run_lines

_BETWEEN_WAITS = 1.0  # seconds


class RunFile:
    """A run's file, open for appending by one process. Use as a context manager; holds the run's lock."""

    def __init__(self, path: Path, *, begun: Path | None = None) -> None:
        """Entering raises Busy at once when another process is at this run.

        A file that is not there yet begins as a copy of the run at ``begun``, which is only read.
        """
        self.path = path
        self._begun = begun
        self._lines = RunLines()
        self._lock = Lock(lock_path(path))
        self._synced, self._behind = time.monotonic(), False

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._copy_begun()
            self._repair()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._behind:
                with contextlib.suppress(FileNotFoundError), self.path.open("r+b") as file:  # if nobody moved it
                    self._sync(file.fileno())
        finally:
            self._lock.release()

    def append_header(self, header: RunHeader) -> None:
        """Write the first line. Raises ValueError for what could not be read again."""
        line = lines.header_bytes(header)
        self._lines.begin(header)
        self._append(line)

    def append_round(self, record: RoundRecord) -> None:
        """Write a round's line. Raises ValueError for what could not be read again."""
        line = lines.round_bytes(record, self._lines.sha256)
        self._lines.add(record)
        self._append(line)

    def append_traces(self, records: Sequence[TraceRecord]) -> None:
        """Write a training's traces beside the run. Nothing depends on them: they are not waited for."""
        if records:
            with traces_path(self.path).open("ab") as file:
                file.write(lines.record_bytes(records))

    def keep_traces(self, rounds: int) -> None:
        """Drop the traces of all but the first ``rounds`` rounds: the others are trained again.

        A damaged file is moved aside, and its good lines are kept.
        """
        beside = traces_path(self.path)
        if beside.exists():
            found = lines.split(beside.read_bytes())
            if any(line.problem for line in found):
                move_aside(self.path.parents[2], beside)
            good = [lines.read_record(beside, line, TraceRecord) for line in found if not line.problem]
            kept = [record for record in good if record.round < rounds]
            if kept:
                write_atomically(beside, lines.record_bytes(kept))
            else:
                beside.unlink(missing_ok=True)

    def write_examples(self, record: ExamplesRecord) -> None:
        """Write test images and their predictions beside the run."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **vars(record))
        write_atomically(examples_path(self.path), buffer.getvalue())

    def _copy_begun(self) -> None:
        """Take over the lines and traces of the run that this one continues; the lines last, which make it a run."""
        if self._begun is None or self.path.exists():
            return
        if traces_path(self._begun).exists():
            write_atomically(traces_path(self.path), traces_path(self._begun).read_bytes())
        write_atomically(self.path, self._begun.read_bytes())

    def _repair(self) -> None:
        """Cut off what was torn by a crash, and find out which line the next one follows."""
        if not self.path.exists():
            return
        self._lines = read_run_lines(self.path)
        if self._lines.end < self.path.stat().st_size:
            os.truncate(self.path, self._lines.end)

    def _append(self, line: bytes) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                self._behind = True
                if time.monotonic() - self._synced >= _BETWEEN_WAITS:
                    self._sync(file.fileno())
        except OSError as error:
            error.filename = str(self.path)  # the system does not say which disk is full
            raise
        self._lines.sha256 = lines.digest(line)

    def _sync(self, handle: int) -> None:
        """Wait until what was written is on the disk."""
        os.fsync(handle)
        self._synced, self._behind = time.monotonic(), False
