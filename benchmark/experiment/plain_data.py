"""From plain data (TOML, JSON) to frozen dataclasses, every field and type checked."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from benchmark.experiment.errors import ProtocolError
from benchmark.experiment.fingerprint import default
from benchmark.experiment.suggestions import nearest

T = TypeVar("T")
LARGEST = 2**63 - 1  # of whole numbers
_DEEPEST = 20  # lists and tables within one another


def build(cls: type[T], tree: Mapping[str, Any], known: Sequence[str] = (), prefix: str = "") -> T:
    """An instance of a dataclass from a mapping of its fields; nested tables become nested dataclasses.

    ``known`` are the dotted names to suggest for one that does not exist; ``prefix`` is that of this table. Raises
    ProtocolError, in one line, for an unknown or missing field, a value of another type, and whatever the class itself
    refuses.
    """
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in tree.items():
        if key not in hints:
            raise ProtocolError(f"there is no field '{prefix}{key}'{nearest(prefix + key, known)}")
        check_plain(value, prefix + key)
        values[key] = _converted(hints[key], value, known, prefix + key)
    for field in dataclasses.fields(typing.cast(Any, cls)):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ProtocolError(f"the field '{prefix}{field.name}' is missing")
    try:
        return cls(**values)
    except ProtocolError:
        raise
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def check_plain(value: Any, name: str, depth: int = 0) -> None:
    """Raise ProtocolError unless a value is text, a truth value, None, a number that fits, or a list or table of these.

    Whole numbers fit into 64 bits, others are finite.
    """
    if depth > _DEEPEST:
        raise ProtocolError(f"'{name}': lists and tables go {_DEEPEST} deep at most")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ProtocolError(f"'{name}': a table's keys are text, not {shown(key)}")
            check_plain(inner, f"{name}.{key if key.isprintable() else shown(key)}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_plain(inner, name, depth + 1)
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise ProtocolError(f"'{name}': whole numbers go up to {LARGEST:,}, which this one exceeds")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ProtocolError(f"'{name}' must be a finite number, not {value}")
    elif value is not None and not isinstance(value, str):
        raise ProtocolError(f"'{name}' is a number, text, list or table, not {shown(value)}")


def shown(value: Any) -> str:
    """A value as Python writes it, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def with_defaults(cls: type, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of a dataclass, with the defaults of the fields that it lacks, in nested tables too.

    Nothing is checked: data of an older release may lack fields, and hold some that there are no more, which stay.
    """
    hints, found = typing.get_type_hints(cls), dict(tree)
    for field in dataclasses.fields(cls):
        table = _table(hints[field.name])
        if field.name not in tree:
            value = default(field)
            if value is not dataclasses.MISSING:
                found[field.name] = list(value) if isinstance(value, tuple) else value
        elif table is not None and isinstance(tree[field.name], Mapping):
            found[field.name] = with_defaults(table, tree[field.name])
    return found


def field_names(cls: type, prefix: str = "") -> list[str]:
    """The dotted names of a dataclass's fields, those of nested dataclasses included."""
    names = []
    for name, hint in typing.get_type_hints(cls).items():
        names.append(prefix + name)
        table = _table(hint)
        if table is not None:
            names += field_names(table, f"{prefix}{name}.")
    return names


def _table(hint: Any) -> type | None:
    """The dataclass that a field holds, also where it may be None."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((option for option in options if isinstance(option, type) and dataclasses.is_dataclass(option)), None)


def _converted(hint: Any, value: Any, known: Sequence[str], name: str) -> Any:
    if isinstance(hint, types.UnionType):  # a table, or None
        if value is None:
            return None
        hint = typing.get_args(hint)[0]
    table = _table(hint)
    if (table is not None or typing.get_origin(hint) is Mapping) and not isinstance(value, Mapping):
        raise ProtocolError(f"'{name}' must be a table, not {shown(value)}")
    if table is not None:
        return build(table, value, known, f"{name}.")
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ProtocolError(f"'{name}' must be a list, not {shown(value)}")
        return tuple(_converted(typing.get_args(hint)[0], item, known, name) for item in value)
    if typing.get_origin(hint) is Mapping:
        return {key: inner + 0.0 if isinstance(inner, float) else inner for key, inner in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ProtocolError(f"'{name}' must be of type {hint.__name__}, not {shown(value)}")
    return value + 0.0 if hint is float else value  # no negative zero, which would be another fingerprint
