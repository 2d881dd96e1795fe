"""Runs in little memory, for an experiment of a hundred thousand of them: the same records, kept in another form.

As objects, ten rounds of a run take 45 KiB, most of it the numbers of the calibration's bins; packed, 8 KiB, and of an
experiment with more than a few runs these lie in a temporary file. What remains in memory of a run are some numbers.
"""

from __future__ import annotations

import errno
import hashlib
import marshal
import os
import tempfile
import weakref
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, overload

from benchmark.experiment.keys import RunKey
from benchmark.results.records import LabelsRecord, RoundRecord, RunHeader, RunRecord, Seconds

T = TypeVar("T", bound=Hashable)
_FIELDS = tuple(field.name for field in fields(RoundRecord))
_SECONDS = _FIELDS.index("seconds")
_LABELS = tuple(field.name for field in fields(LabelsRecord))
_OWN = ("key", "feature_seed", "initial")  # of a header: what runs of a strategy differ in
_IN_MEMORY = 2**22  # bytes of a spool
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
    """The rounds of a run as bytes; whoever takes one gets a record of its own, equal to the one that was packed.

    The bytes begin with where each round ends.
    """

    __slots__ = ("_count", "_size", "_spool", "_start")

    def __init__(self, rounds: Iterable[RoundRecord], spool: Spool | None = None) -> None:
        """The bytes go to ``spool``; None for one of its own."""
        packed = list(map(_pack, rounds))
        data = b"".join([array("Q", accumulate(map(len, packed))).tobytes(), *packed])
        self._spool = spool or Spool()
        self._start, self._size, self._count = self._spool.add(data), len(data), len(packed)

    @classmethod
    def at(cls, spool: Spool, start: int, size: int, count: int) -> PackedRounds:
        """The ``count`` rounds whose ``size`` bytes begin at ``start`` (see ``place``)."""
        found = cls.__new__(cls)
        found._spool, found._start, found._size, found._count = spool, start, size, count
        return found

    @property
    def place(self) -> tuple[Spool, int, int, int]:
        """What ``at`` takes."""
        return self._spool, self._start, self._size, self._count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[RoundRecord]:
        return map(_unpack, self._packed())

    @overload
    def __getitem__(self, which: int) -> RoundRecord: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[RoundRecord, ...]: ...

    def __getitem__(self, which: int | slice) -> RoundRecord | tuple[RoundRecord, ...]:
        found = self._packed()[which]
        return _unpack(found) if isinstance(found, bytes) else tuple(map(_unpack, found))

    def _packed(self) -> list[bytes]:
        """Each round by itself."""
        if not self._count:
            return []
        data = self._spool.get(self._start, self._start + self._size)
        ends = array("Q", data[: 8 * self._count])
        first = 8 * self._count
        return [data[first + start : first + end] for start, end in pairwise((0, *ends))]

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


class PackedLabels(LabelsRecord):
    """Labels as bytes, read anew whenever they are asked for; equal to those that were packed."""

    _spool: Spool
    _start: int
    _size: int

    def __init__(self, data: bytes, spool: Spool) -> None:
        """``data`` is what ``_pack_labels`` makes of some."""
        vars(self).update(_spool=spool, _start=spool.add(data), _size=len(data))

    def __getattr__(self, name: str) -> tuple[int, ...]:
        if name not in _LABELS:
            raise AttributeError(name)
        values: list[tuple[int, ...]] = marshal.loads(self._spool.get(self._start, self._start + self._size))
        return values[_LABELS.index(name)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelsRecord):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _LABELS)

    __hash__ = LabelsRecord.__hash__

    def __reduce__(self) -> tuple[type[LabelsRecord], tuple[Any, ...]]:
        return LabelsRecord, tuple(getattr(self, name) for name in _LABELS)


def _pack_labels(labels: LabelsRecord) -> bytes:
    return marshal.dumps([getattr(labels, name) for name in _LABELS], _VERSION)


class _Kind(NamedTuple):
    """What runs have in common that differ in their seeds: their headers but for these and the labels, their folder,
    their name's beginning and end, which the seed parts, their attempt, and where their rounds are."""

    header: dict[str, Any]
    strategy: str
    learner: str
    folder: Path
    begins: str
    ends: str | None  # None where the seed is no part of the name
    attempt: int
    spool: Spool


class PackedRuns(Sequence[RunRecord]):
    """Runs in some fifty bytes each and a spool; whoever takes one gets a record of its own, equal to the packed one.

    Takes more with ``add``. Runs that are packed already stay where they are; their spool is kept as long as they are.
    """

    def __init__(self, runs: Iterable[RunRecord] = (), spool: Spool | None = None) -> None:
        """What is not packed goes to ``spool``; None for one of its own."""
        self._spool = spool or Spool()
        self._numbers: dict[Hashable, int] = {}  # of the kinds
        self._same: dict[Hashable, Any] = {}  # equal parts of headers are the same object
        self._kinds: list[_Kind] = []
        self._kind, self._start, self._size, self._count = array("I"), array("Q"), array("I"), array("I")
        self._seeds: list[int] = []
        self._feature_seeds: list[int | str | None] = []
        self._initial: list[LabelsRecord] = []
        for run in runs:
            self.add(run)

    def add(self, run: RunRecord) -> None:
        header, key = run.header, run.header.key
        rounds = run.rounds if isinstance(run.rounds, PackedRounds) else PackedRounds(run.rounds, self._spool)
        spool, start, size, count = rounds.place
        self._kind.append(self._number_of(run, spool))
        for column, value in ((self._start, start), (self._size, size), (self._count, count)):
            column.append(value)
        self._seeds.append(self._part(key.seed))
        self._feature_seeds.append(self._part(header.feature_seed))
        initial = header.initial
        if not isinstance(initial, PackedLabels):
            data = _pack_labels(initial)
            digest = hashlib.sha256(data).digest()
            initial = self._same.get(digest) or self._same.setdefault(digest, PackedLabels(data, self._spool))
        self._initial.append(initial)

    def __len__(self) -> int:
        return len(self._kind)

    def __iter__(self) -> Iterator[RunRecord]:
        return map(self._run, range(len(self)))

    @overload
    def __getitem__(self, which: int) -> RunRecord: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[RunRecord, ...]: ...

    def __getitem__(self, which: int | slice) -> RunRecord | tuple[RunRecord, ...]:
        found = range(len(self))[which]
        return self._run(found) if isinstance(found, int) else tuple(map(self._run, found))

    def _run(self, i: int) -> RunRecord:
        kind, seed = self._kinds[self._kind[i]], self._seeds[i]
        key, header, run = object.__new__(RunKey), object.__new__(RunHeader), object.__new__(RunRecord)
        vars(key).update(strategy=kind.strategy, learner=kind.learner, seed=seed)
        vars(header).update(kind.header, key=key, feature_seed=self._feature_seeds[i], initial=self._initial[i])
        vars(run).update(
            header=header,
            rounds=PackedRounds.at(kind.spool, self._start[i], self._size[i], self._count[i]),
            path=kind.folder / (kind.begins if kind.ends is None else f"{kind.begins}{seed}{kind.ends}"),
            attempt=kind.attempt,
        )
        return run

    def _number_of(self, run: RunRecord, spool: Spool) -> int:
        """The number of the run's kind."""
        key, folder, name = run.header.key, run.path.parent, run.path.name
        before, parted, after = name.rpartition(f"-seed{key.seed}.")
        begins, ends = (f"{before}-seed", f".{after}") if parted else (name, None)
        values = {name: value for name, value in vars(run.header).items() if name not in _OWN}
        values["environment"] = repr(values["environment"])  # where 1 and True are not the same
        own = (key.strategy, key.learner, folder, begins, ends, run.attempt, id(spool))
        number = self._numbers.setdefault((*own, *values.values()), len(self._kinds))
        if number == len(self._kinds):
            environment = self._same.setdefault(values["environment"], run.header.environment)
            shared = {name: self._part(value) for name, value in values.items()} | {"environment": environment}
            self._kinds.append(_Kind(shared, key.strategy, key.learner, folder, begins, ends, run.attempt, spool))
        return number

    def _part(self, part: T) -> T:
        found: T = self._same.setdefault((type(part), part), part)
        return found

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, PackedRuns | tuple) else NotImplemented

    def __reduce__(self) -> tuple[type[PackedRuns], tuple[tuple[RunRecord, ...]]]:
        return PackedRuns, (tuple(self),)

    __hash__ = None  # type: ignore[assignment]  # it grows
