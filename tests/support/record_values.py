"""Values that fit the fields of records, drawn by Hypothesis; and records as lines, and back."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmark.experiment.keys import RunKey
from benchmark.results import lines
from benchmark.results.fields import Pattern, Range
from benchmark.results.lines import Line
from benchmark.results.records import (
    RoundRecord,
    RunHeader,
    Seconds,
    TraceRecord,
)

PATH = Path("runs/x/supervised-seed0.jsonl")
Kind = type[RunHeader] | type[RoundRecord] | type[TraceRecord]

# --- values by their annotations; kept, because Hypothesis takes longer to set a strategy up than to draw from it

# By the words of a pattern. ``from_regex`` draws digit after digit, and a header has seven checksums.
MATCHING = {"64 hexadecimal digits": st.binary(min_size=32, max_size=32).map(bytes.hex)}


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """What a field of this annotation can hold, drawn independently of the code that reads it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is RunKey:
        return st.builds(RunKey, st.text(min_size=1), st.text(min_size=1), st.integers(0, 2**70))
    if dataclasses.is_dataclass(hint):
        return records(typing.cast(type, hint))
    if origin is typing.Annotated:
        return constrained(arguments[0], arguments[1])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is Mapping:
        return st.dictionaries(st.text(), values(arguments[1]), max_size=3)
    plain_values: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(),
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return plain_values[hint]


def constrained(hint: type, constraint: Range | Pattern) -> st.SearchStrategy[Any]:
    if isinstance(constraint, Pattern):
        return MATCHING[constraint.words]
    high = constraint.high if math.isfinite(constraint.high) else None
    if hint is int:
        return st.integers(int(constraint.low), None if high is None else int(high))
    return st.floats(constraint.low, high, allow_infinity=False)


def records(cls: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    built = st.builds(
        cls, **{f.name: values(hints[f.name]) for f in dataclasses.fields(cls) if "acquired" not in f.name}
    )
    if "acquired_indices" not in hints:
        return built
    pairs = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 99)), max_size=4)
    return st.tuples(pairs, st.fixed_dictionaries({name: values(hint) for name, hint in hints.items()})).map(
        lambda drawn: cls(**{**drawn[1], **acquired(drawn[0])})
    )


def acquired(pairs: list[tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    return {
        "acquired_indices": tuple(index for index, _ in pairs),
        "acquired_labels": tuple(label for _, label in pairs),
    }


def written(record: Any) -> dict[str, Any]:
    """The JSON object of a record's line, without its checksum."""
    if isinstance(record, RunHeader):
        data = lines.header_bytes(record)
    elif isinstance(record, RoundRecord):
        data = lines.round_bytes(record, "0" * 64)
    else:
        data = lines.record_bytes([record])
    value = dict(json.loads(data))
    del value["sha256"]
    return value


def read(cls: Kind, value: Any) -> Any:
    """The record from a line with this JSON value."""
    line = Line(7, b"", 0, value)
    if cls is RunHeader:
        return lines.read_header(PATH, line)
    return lines.read_round(PATH, line) if cls is RoundRecord else lines.read_record(PATH, line, cls)


ANY_RECORD = st.one_of([records(RunHeader), records(RoundRecord), records(TraceRecord)])


def round_of_two() -> RoundRecord:
    return RoundRecord(
        round=0,
        num_labelled=2,
        accuracy=0.5,
        nll=1.5,
        ece=0.25,
        bins=((2, 0.75, 1),),
        class_accuracy=(0.5, None),
        checkpoint_accuracies=(),
        seconds=Seconds(1.0, 0.5, 0.0),
        calibration_seconds=None,
        shared_training=False,
        acquired_indices=(7, 3),
        acquired_labels=(1, 0),
        held_out_indices=(7,),
        diagnostics={"loss_rank.pool.kendall": -0.5},
    )
