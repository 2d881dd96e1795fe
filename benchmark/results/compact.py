"""Runs in little memory, for an experiment of a hundred thousand of them: the same records, kept in another form.

As objects, ten rounds of a run take 45 KiB, most of it the numbers of the calibration's bins; packed, 8 KiB, and of an
experiment with more than a few runs these lie in a temporary file.
"""

from __future__ import annotations

import errno
import marshal
import os
import sys
import tempfile
import weakref
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import accumulate, pairwise
from typing import Any, BinaryIO, TypeVar, overload

from benchmark.experiment.keys import RunKey
from benchmark.results.records import EnvironmentRecord, RoundRecord, RunHeader, Seconds

T = TypeVar("T", bound=Hashable)
_FIELDS = tuple(field.name for field in fields(RoundRecord))
_SECONDS = _FIELDS.index("seconds")
_IN_MEMORY = 2**24  # bytes of a spool
_VERSION = 2  # of marshal: the last without references, which cost more time than they save space


class Spool:
    """Bytes in the order in which they were added: the last ones in memory, those before in a temporary file.

    The file has no name, so that a kill leaves none behind. It lies where ``tempfile`` puts files: TMPDIR says where,
    which should be on a disk. Where none can be written, or it is full, all further bytes stay in memory.
    """

    def __init__(self) -> None:
        self._last = bytearray()
        self._file: BinaryIO | None = None
        self._in_file = 0
        self._writable = hasattr(os, "pread")  # a position of one's own: processes that were forked share the file's

    def add(self, data: bytes) -> int:
        """Where ``data`` begins."""
        start = self._in_file + len(self._last)
        self._last += data
        if len(self._last) >= _IN_MEMORY and self._writable:
            self._spill()
        return start

    def get(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``, which were added in one piece."""
        if start >= self._in_file:
            return bytes(self._last[start - self._in_file : end - self._in_file])
        if self._file is None:
            raise AssertionError("bytes are said to be in a file that was never written")
        data = os.pread(self._file.fileno(), end - start, start)
        if len(data) < end - start:
            raise OSError(errno.EIO, f"a temporary file in {tempfile.gettempdir()} has lost what was written to it")
        return data

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed with the spool
                weakref.finalize(self, self._file.close)
            rest, at = memoryview(self._last), self._in_file
            while rest:
                written = os.pwrite(self._file.fileno(), rest, at)
                rest, at = rest[written:], at + written
        except OSError:
            self._writable = False
        else:
            self._in_file = at
            self._last = bytearray()


class PackedRounds(Sequence[RoundRecord]):
    """The rounds of a run as bytes; whoever takes one gets a record of its own, equal to the one that was packed."""

    __slots__ = ("_ends", "_spool", "_start")

    def __init__(self, rounds: Iterable[RoundRecord], spool: Spool | None = None) -> None:
        """The bytes go to ``spool``; None for one of its own."""
        packed = list(map(_pack, rounds))
        self._spool = spool or Spool()
        self._ends = array("Q", accumulate(map(len, packed)))  # of each round, from the start
        self._start = self._spool.add(b"".join(packed))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[RoundRecord]:
        if self._ends:
            data = self._spool.get(self._start, self._start + self._ends[-1])
            for start, end in pairwise((0, *self._ends)):
                yield _unpack(data[start:end])

    @overload
    def __getitem__(self, which: int) -> RoundRecord: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[RoundRecord, ...]: ...

    def __getitem__(self, which: int | slice) -> RoundRecord | tuple[RoundRecord, ...]:
        if isinstance(which, slice):
            return tuple(self)[which]
        number = range(len(self))[which]
        start = self._ends[number - 1] if number else 0
        return _unpack(self._spool.get(self._start + start, self._start + self._ends[number]))

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, PackedRounds | tuple) else NotImplemented

    def __reduce__(self) -> tuple[type[PackedRounds], tuple[tuple[RoundRecord, ...]]]:
        return PackedRounds, (tuple(self),)

    __hash__ = None  # type: ignore[assignment]  # as that of a round, whose diagnostics are a mapping


def _pack(record: RoundRecord) -> bytes:
    values = [getattr(record, name) for name in _FIELDS]
    values[_SECONDS] = tuple(vars(record.seconds).values())
    return marshal.dumps(values, _VERSION)


def _unpack(packed: bytes) -> RoundRecord:
    values: list[Any] = marshal.loads(packed)
    values[_SECONDS] = Seconds(*values[_SECONDS])
    record = object.__new__(RoundRecord)  # not checked again: it was a record before
    vars(record).update(zip(_FIELDS, values, strict=True))
    return record


class Headers:
    """Headers of many runs, of which equal parts are the same object: they differ in little but their keys."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Hashable] = {}
        self._environments: dict[str, EnvironmentRecord] = {}

    def shared(self, header: RunHeader) -> RunHeader:
        """A header equal to this one, with the parts of earlier ones."""
        texts: dict[str, Any] = {n: sys.intern(value) for n, value in vars(header).items() if isinstance(value, str)}
        return replace(
            header,
            **texts,
            key=RunKey(sys.intern(header.key.strategy), sys.intern(header.key.learner), header.key.seed),
            dataset=self._part(header.dataset),
            environment=self._environments.setdefault(repr(header.environment), header.environment),
            initial=self._part(header.initial),
        )

    def _part(self, part: T) -> T:
        found: Any = self._parts.setdefault(part, part)
        return found
