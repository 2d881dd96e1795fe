"""From JSON values to frozen dataclasses and back, every field checked against its annotation.

The annotations say all: ``Annotated[float, Range(0, 1)]`` is a number in [0, 1], ``tuple[X, ...]`` a list,
``Mapping[str, X]`` an object with any names. Every field must be there and no other may be.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


class FieldError(ValueError):
    """A field that is missing, unknown, of another type or out of range; the message is one line that names it."""


@dataclass(frozen=True)
class Range:
    """A number must be finite and in [low, high]."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high and abs(value) < math.inf

    def __str__(self) -> str:
        if self.high < math.inf:
            return f"from {self.low} to {self.high}"
        return f"of at least {self.low}"


@dataclass(frozen=True)
class Pattern:
    """Text must match ``expression`` as a whole; ``words`` say what it is."""

    expression: str
    words: str

    def holds(self, value: str) -> bool:
        return re.fullmatch(self.expression, value) is not None

    def __str__(self) -> str:
        return f"of {self.words}"


@dataclass(frozen=True)
class _Kind:
    """How values of an annotation are read. ``read`` takes a value and the field's name; ``words`` describe it.

    ``all_valid``, where it is given, checks a whole list at once: lists of indices are long.
    """

    words: str
    read: Callable[[Any, str], Any]
    all_valid: Callable[[list[Any]], bool] | None = None


def read_fields(cls: type[T], value: Any, name: str = "") -> T:
    """The dataclass ``cls`` from a JSON object. Raises FieldError for the first field that does not fit.

    ``name`` is where the object stands within others, for messages.
    """
    kind = _kind(typing.cast(Any, cls))
    return typing.cast(T, kind.read(value, name))


def read_value(annotation: Any, value: Any, name: str) -> Any:
    """A value of any annotation that a field can have. Raises FieldError where it does not fit."""
    return _kind(annotation).read(value, name)


def plain(value: Any) -> Any:
    """A dataclass, or what its fields hold, as JSON values."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(item) for item in value] if value and not isinstance(value[0], int | float) else list(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


@cache
def _kind(hint: Any) -> _Kind:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast(type, hint))
    if origin is typing.Annotated:
        return _constrained(_kind(arguments[0]), arguments[0], arguments[1])
    if origin is typing.Literal:
        return _literal(arguments)
    if origin in (types.UnionType, typing.Union):
        return _union([_kind(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return _list(_kind(arguments[0]))
    if origin is tuple:
        return _row([_kind(argument) for argument in arguments])
    if origin is Mapping:
        return _map(_kind(arguments[1]))
    if hint is Any:
        return _Kind("anything", lambda value, name: value)
    return _scalar(hint)


def _scalar(hint: type) -> _Kind:
    words = _WORDS[hint]
    if hint is float:
        return _Kind(words, lambda value, name: _number(value, name, words))

    def read(value: Any, name: str) -> Any:
        if type(value) is not hint:  # true is no whole number
            raise _error(name, words, value)
        return value

    return _Kind(words, read, lambda values: set(map(type, values)) <= {hint})


def _number(value: Any, name: str, words: str) -> float:
    if type(value) is int and abs(value) < 2**1023:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise _error(name, words, value)
    return value


def _constrained(base: _Kind, hint: type, constraint: Range | Pattern) -> _Kind:
    words = f"{base.words} {constraint}"

    def read(value: Any, name: str) -> Any:
        try:
            read = base.read(value, name)
        except FieldError:
            raise _error(name, words, value) from None
        if not constraint.holds(read):
            raise _error(name, words, value)
        return read

    def all_valid(values: list[Any]) -> bool:
        if not values:
            return True
        return set(map(type, values)) == {int} and constraint.holds(min(values)) and constraint.holds(max(values))

    return _Kind(words, read, all_valid if hint is int else None)


def _literal(choices: tuple[Any, ...]) -> _Kind:
    words = " or ".join(f"'{choice}'" for choice in choices)

    def read(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise _error(name, words, value)
        return value

    return _Kind(words, read)


def _union(kinds: list[_Kind]) -> _Kind:
    words = " or ".join(kind.words for kind in kinds)

    def read(value: Any, name: str) -> Any:
        for kind in kinds:
            try:
                return kind.read(value, name)
            except FieldError as error:
                if isinstance(value, dict) and not str(error).startswith(f"{_short(name)} must be "):
                    raise  # it says what is wrong inside
        raise _error(name, words, value)

    return _Kind(words, read)


def _list(item: _Kind) -> _Kind:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise _error(name, "a list", value)
        if item.all_valid is not None and item.all_valid(value):
            return tuple(value)
        return tuple(item.read(part, f"{name}[{i}]") for i, part in enumerate(value))

    return _Kind("a list", read)


def _row(kinds: list[_Kind]) -> _Kind:
    words = f"a list of {len(kinds)}"

    def read(value: Any, name: str) -> Any:
        if not isinstance(value, list) or len(value) != len(kinds):
            raise _error(name, words, value)
        return tuple(kind.read(part, f"{name}[{i}]") for i, (kind, part) in enumerate(zip(kinds, value, strict=True)))

    return _Kind(words, read)


def _map(item: _Kind) -> _Kind:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise _error(name, "an object", value)
        return {key: item.read(part, f"{name}.{key}") for key, part in value.items()}

    return _Kind("an object", read)


def _object(cls: type) -> _Kind:
    hints = typing.get_type_hints(cls, include_extras=True)
    kinds = {f.name: _kind(hints[f.name]) for f in dataclasses.fields(cls)}

    def read(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise _error(name, "an object", value)
        within = f"{name}." if name else ""
        if unknown := [key for key in value if key not in kinds]:
            raise FieldError(f"the field {_short(within + unknown[0])} is unknown")
        if missing := [key for key in kinds if key not in value]:
            raise FieldError(f"the field '{within}{missing[0]}' is missing")
        values = {key: kind.read(value[key], within + key) for key, kind in kinds.items()}
        try:
            return cls(**values)
        except ValueError as error:
            raise FieldError(f"{name}: {error}" if name else str(error)) from error

    return _Kind("an object", read)


def _error(name: str, words: str, value: Any) -> FieldError:
    return FieldError(f"{_short(name) if name else 'it'} must be {words}, not {_short(value)}")


def _short(value: Any) -> str:
    """A value on one line of at most 60 characters."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**40:  # Python refuses to print the largest
        return "a whole number of more than 40 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:58]}…{text[-1]}"
