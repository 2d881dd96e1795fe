"""Records as lines of JSON, and back: the only place that knows how a line is laid out.

A line is an object with ``kind``, the fields of its record and, in every line of a run after the header,
``previous_sha256``: the SHA-256 of the line before it, without its newline. So a line that is changed later shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmark.results.errors import StoreError
from benchmark.results.fields import FieldError, plain, read_fields, read_value
from benchmark.results.records import (
    FORMAT,
    ExperimentDescription,
    RoundRecord,
    RunHeader,
    Sha256,
    TraceRecord,
)

# What the reports read of a protocol, which experiment.json holds as it is written.
_PROTOCOL_FIELDS: dict[str, Any] = {
    "name": str,
    "description": str,
    "notes": str,
    "papers": tuple[str, ...],
    "strategies": tuple[str, ...],
    "learners": tuple[str, ...],
    "budgets": tuple[int, ...],
    "ladder": tuple[int, ...],
    "seeds": tuple[int, ...],
}
_PREVIOUS = "previous_sha256"
T = TypeVar("T", RunHeader, RoundRecord, TraceRecord)


@dataclass(frozen=True)
class Line:
    """A whole line of a file: its number from 1, its bytes without the newline, the offset behind it, and its JSON."""

    number: int
    data: bytes
    end: int
    value: Any

    @property
    def sha256(self) -> str:
        """What the next line of a run says of this one."""
        return digest(self.data)


def digest(data: bytes) -> str:
    """The SHA-256 of a line without its newline, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def whole_lines(path: Path) -> list[Line]:
    """The file's whole lines; a last one that is torn is left out. Raises StoreError for any other damage."""
    data = path.read_bytes()
    found: list[Line] = []
    start = 0
    while (newline := data.find(b"\n", start)) >= 0:
        try:
            value = json.loads(data[start:newline], parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            if newline + 1 == len(data):
                break
            raise _damaged(path, len(found) + 1, "it is not JSON") from error
        found.append(Line(len(found) + 1, data[start:newline], newline + 1, value))
        start = newline + 1
    return found


# --- runs


def header_bytes(header: RunHeader) -> bytes:
    """A run's first line, without the newline."""
    return _encoded({"kind": "header", "format": FORMAT, **_checked(header)})


def round_bytes(record: RoundRecord, previous_sha256: str) -> bytes:
    """The line of a round, without the newline; ``previous_sha256`` is the digest of the line before it."""
    return _encoded({"kind": "round", **_checked(record), _PREVIOUS: previous_sha256})


def read_header(path: Path, line: Line) -> RunHeader:
    """The header from a run's first line. Raises StoreError for another format and for a field that does not fit."""
    value = _object(path, line)
    if value.get("kind") != "header" or "format" not in value:
        raise _damaged(path, line.number, "it is not a header")
    _check_format(path, value["format"])
    return _record(path, line, RunHeader, _without(value, "kind", "format"))


def read_round(path: Path, line: Line) -> RoundRecord:
    """The round from a later line of a run. Raises StoreError for a field that does not fit."""
    value = _object(path, line)
    if value.get("kind") != "round":
        raise _damaged(path, line.number, "its field 'kind' is not 'round'")
    try:
        read_value(Sha256, value.get(_PREVIOUS), _PREVIOUS)
    except FieldError as error:
        raise _damaged(path, line.number, str(error)) from error
    return _record(path, line, RoundRecord, _without(value, "kind", _PREVIOUS))


# --- traces and descriptions


def trace_bytes(records: Iterable[TraceRecord]) -> bytes:
    """The lines of traces, each with its newline."""
    return b"".join(_encoded(_checked(record)) + b"\n" for record in records)


def read_trace(path: Path, line: Line) -> TraceRecord:
    """The trace from a line. Raises StoreError for a field that does not fit."""
    return _record(path, line, TraceRecord, _object(path, line))


def description_bytes(description: ExperimentDescription) -> bytes:
    """``experiment.json``."""
    return (json.dumps({"format": FORMAT, **_checked(description)}, indent=2, allow_nan=False) + "\n").encode()


def read_description_bytes(path: Path, data: bytes) -> ExperimentDescription:
    """The description in ``data``, the content of ``path``. Raises StoreError where it does not fit."""
    remedy = "delete it and run again"
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: it is not JSON; {remedy}") from error
    if not isinstance(value, dict) or "fingerprint" not in value:
        raise StoreError(f"{path}: it describes no experiment; {remedy}")
    _check_format(path, value.get("format", 1))  # format 1 did not say so
    try:
        description = read_fields(ExperimentDescription, _without(value, "format"))
        for name, annotation in _PROTOCOL_FIELDS.items():
            if name in description.protocol:
                read_value(annotation, description.protocol[name], f"protocol.{name}")
    except FieldError as error:
        raise StoreError(f"{path}: {error}; {remedy}") from error
    return description


def _check_format(path: Path, found: Any) -> None:
    if type(found) is int and found == FORMAT:
        return
    is_first = type(found) is int and found == 1
    remedy = "convert it with tools/convert_format_1.py" if is_first else "use the version that wrote it"
    raise StoreError(f"{path}: it is of format {found!r}, not {FORMAT}; {remedy}")


def _object(path: Path, line: Line) -> dict[str, Any]:
    if not isinstance(line.value, dict):
        raise _damaged(path, line.number, "it is not an object")
    return line.value


def _record(path: Path, line: Line, cls: type[T], value: Mapping[str, Any]) -> T:
    try:
        return read_fields(cls, dict(value))
    except FieldError as error:
        raise _damaged(path, line.number, str(error)) from error


def _damaged(path: Path, number: int, what: str) -> StoreError:
    return StoreError(f"{path}, line {number}: {what}; move the file away and run again")


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in names}


def _checked(record: Any) -> dict[str, Any]:
    """A record as JSON values, once it is sure that it could be read again. Raises FieldError where it could not."""
    value: dict[str, Any] = plain(record)
    read_fields(type(record), value)
    return value


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
