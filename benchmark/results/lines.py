"""Records as lines of JSON, and back: the only place that knows how a line is laid out.

A line is an object with ``kind``, the fields of its record and, in every line of a run after the header,
``previous_sha256``: the SHA-256 of the line before it, without its newline. Its last field is ``sha256``, the SHA-256
of all the bytes in front of that field: a byte that changes later shows in the line itself, a line that is lost,
added or moved shows in the next. ``experiment.json`` ends in such a field too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmark.results.errors import Damaged
from benchmark.results.fields import FieldError, plain, read_fields, read_value
from benchmark.results.foreign import content
from benchmark.results.records import (
    FORMAT,
    ExperimentDescription,
    FailureRecord,
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
NOT_JSON = "it is not JSON"
_PREVIOUS = "previous_sha256"
_SEALED = "sha256"
_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}')
_DESCRIPTION_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n\}\n')
T = TypeVar("T", RunHeader, RoundRecord, TraceRecord, FailureRecord)


@dataclass(frozen=True)
class Line:
    """A whole line of a file: its number from 1, its bytes without the newline, the offset behind it, and its JSON.

    ``value`` is without the line's own checksum; None where the line is damaged, and ``problem`` says how.
    """

    number: int
    data: bytes
    end: int
    value: Any
    problem: str = ""

    @property
    def sha256(self) -> str:
        """What the next line of a run says of this one."""
        return digest(self.data)


def digest(data: bytes) -> str:
    """The SHA-256 of a line without its newline, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def split(data: bytes) -> list[Line]:
    """The whole lines of a file's content, the damaged ones too; a torn last one is left out.

    A line is torn where the writer was killed: what is there of it does not end in a newline. A whole line with
    something else in place of its newline is none that was torn, but damaged.
    """
    *parts, rest = data.split(b"\n")
    found: list[Line] = []
    end = 0
    for number, part in enumerate(parts, 1):
        end += len(part) + 1
        found.append(_line(number, part, end))
    ends = (seal.end() for seal in _SEAL.finditer(rest) if seal.end() < len(rest))
    if any(not _line(0, rest[:end], 0).problem for end in ends):
        found.append(Line(len(found) + 1, rest, len(data), None, "its newline is not there"))
    return found


def whole_lines(path: Path) -> list[Line]:
    """The file's whole lines; a torn last one is left out. Raises Damaged for the first that is damaged."""
    return [undamaged(path, line) for line in split(content(path))]


def undamaged(path: Path, line: Line) -> Line:
    """The line of the file ``path``. Raises Damaged if it is damaged."""
    if line.problem:
        raise _damaged(path, line.number, line.problem)
    return line


def _line(number: int, data: bytes, end: int) -> Line:
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Line(number, data, end, None, NOT_JSON)
    if not isinstance(value, dict):
        return Line(number, data, end, None, "it is not an object")
    if value.get("kind") == "header" and value.get("format", FORMAT) != FORMAT and _SEALED not in value:
        return Line(number, data, end, value)  # another version's: its reader says so
    value.pop(_SEALED, None)
    return Line(number, data, end, value, _seal_problem(data, _SEAL))


def _seal_problem(data: bytes, pattern: re.Pattern[bytes]) -> str:
    """What is wrong with the checksum at the end of ``data``; empty where it holds."""
    found = list(pattern.finditer(data))
    seal = found[-1] if found else None  # a line may hold others within
    if seal is None or seal.end() != len(data):
        return "its checksum 'sha256' is missing at its end"
    if digest(data[: seal.start()]).encode() != seal[1]:
        return "its content does not match its checksum"
    return ""


# --- runs


def header_bytes(header: RunHeader) -> bytes:
    """A run's first line, without the newline."""
    return _encoded({"kind": "header", "format": FORMAT, **_checked(header)})


def round_bytes(record: RoundRecord, previous_sha256: str) -> bytes:
    """The line of a round, without the newline; ``previous_sha256`` is the digest of the line before it."""
    return _encoded({"kind": "round", **_checked(record), _PREVIOUS: previous_sha256})


def read_header(path: Path, line: Line) -> RunHeader:
    """The header from a run's first line. Raises Damaged for another format and for a field that does not fit."""
    value = _object(path, line)
    if value.get("kind") != "header" or "format" not in value:
        raise _damaged(path, line.number, "it is not a header")
    _check_format(path, value["format"])
    return _record(path, line, RunHeader, _without(value, "kind", "format"))


def read_round(path: Path, line: Line, previous_sha256: str | None = None) -> RoundRecord:
    """The round from a later line of a run, which follows a line of digest ``previous_sha256``; None for any.

    Raises Damaged for a field that does not fit.
    """
    value = _object(path, line)
    if value.get("kind") != "round":
        raise _damaged(path, line.number, "its field 'kind' is not 'round'")
    try:
        read_value(Sha256, value.get(_PREVIOUS), _PREVIOUS)
    except FieldError as error:
        raise _damaged(path, line.number, str(error)) from error
    if previous_sha256 not in (None, value[_PREVIOUS]):
        raise _damaged(path, line.number, "it does not follow the line before it: one is lost, added or exchanged")
    return _record(path, line, RoundRecord, _without(value, "kind", _PREVIOUS))


# --- lines that stand by themselves, and descriptions


def record_bytes(records: Iterable[TraceRecord | FailureRecord]) -> bytes:
    """The lines of traces or failures, each with its newline."""
    return b"".join(_encoded(_checked(record)) + b"\n" for record in records)


def read_record(path: Path, line: Line, cls: type[T]) -> T:
    """The trace or failure from a line. Raises Damaged for a field that does not fit."""
    return _record(path, line, cls, _object(path, line))


def description_bytes(description: ExperimentDescription) -> bytes:
    """``experiment.json``."""
    return with_description_seal({"format": FORMAT, **_checked(description)})


def with_description_seal(value: Mapping[str, Any]) -> bytes:
    """A file of JSON with its checksum as the last field, for people to read."""
    content = json.dumps(value, indent=2, allow_nan=False).encode().removesuffix(b"\n}")
    return content + f',\n  "{_SEALED}": "{digest(content)}"\n}}\n'.encode()


def description_seal_problem(data: bytes) -> str:
    """What is wrong with the checksum of such a file; empty where it holds."""
    return _seal_problem(data, _DESCRIPTION_SEAL)


def read_description_bytes(path: Path, data: bytes) -> ExperimentDescription:
    """The description in ``data``, the content of ``path``. Raises Damaged where it does not fit."""
    remedy = "delete it and run again"
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Damaged(path, "it is not JSON", remedy) from error
    if not isinstance(value, dict) or "fingerprint" not in value:
        raise Damaged(path, "it describes no experiment", remedy)
    if _SEALED not in value:
        _check_format(path, value.get("format", 1))  # format 1 did not say so
    if problem := description_seal_problem(data):
        raise Damaged(path, problem, remedy)
    _check_format(path, value.get("format"))
    try:
        description = read_fields(ExperimentDescription, _without(value, "format", _SEALED))
        for name, annotation in _PROTOCOL_FIELDS.items():
            if name in description.protocol:
                read_value(annotation, description.protocol[name], f"protocol.{name}")
    except FieldError as error:
        raise Damaged(path, str(error), remedy) from error
    return description


def _check_format(path: Path, found: Any) -> None:
    if type(found) is int and found == FORMAT:
        return
    is_first = type(found) is int and found == 1
    remedy = "convert it with tools/convert_format_1.py" if is_first else "use the version that wrote it"
    raise Damaged(path, f"it is of format {found!r}, not {FORMAT}", remedy)


def _object(path: Path, line: Line) -> dict[str, Any]:
    if not isinstance(line.value, dict):
        raise _damaged(path, line.number, "it is not an object")
    return line.value


def _record(path: Path, line: Line, cls: type[T], value: Mapping[str, Any]) -> T:
    try:
        return read_fields(cls, dict(value))
    except FieldError as error:
        raise _damaged(path, line.number, str(error)) from error


def _damaged(path: Path, number: int, what: str) -> Damaged:
    return Damaged(path, f"line {number}: {what}")


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in names}


def _checked(record: Any) -> dict[str, Any]:
    """A record as JSON values, once it is sure that it could be read again. Raises FieldError where it could not."""
    value: dict[str, Any] = plain(record)
    read_fields(type(record), value)
    return value


def _encoded(value: dict[str, Any]) -> bytes:
    """A line of JSON with its checksum as the last field."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False).encode().removesuffix(b"}")
    return content + f',"{_SEALED}":"{digest(content)}"}}'.encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
