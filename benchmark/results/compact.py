"""Runs in little memory, for an experiment of a hundred thousand of them: the same records, kept in another form.

As objects, ten rounds of a run take 45 KiB, most of it the numbers of the calibration's bins; packed, 8 KiB.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, overload

from benchmark.experiment.keys import RunKey
from benchmark.results.records import EnvironmentRecord, RoundRecord, RunHeader, Seconds

T = TypeVar("T", bound=Hashable)
_FIELDS = tuple(field.name for field in fields(RoundRecord))
_SECONDS = _FIELDS.index("seconds")
_VERSION = 2  # of marshal: the last without references, which cost more time than they save space


class PackedRounds(Sequence[RoundRecord]):
    """The rounds of a run as bytes; whoever takes one gets a record of its own, equal to the one that was packed."""

    __slots__ = ("_packed",)

    def __init__(self, rounds: Iterable[RoundRecord]) -> None:
        self._packed = tuple(map(_pack, rounds))

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[RoundRecord]:
        return map(_unpack, self._packed)

    @overload
    def __getitem__(self, which: int) -> RoundRecord: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[RoundRecord, ...]: ...

    def __getitem__(self, which: int | slice) -> RoundRecord | tuple[RoundRecord, ...]:
        found = self._packed[which]
        return _unpack(found) if isinstance(found, bytes) else tuple(map(_unpack, found))

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, PackedRounds | tuple) else NotImplemented

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
