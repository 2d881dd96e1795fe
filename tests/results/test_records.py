"""Records on disk: read back equal; and any line that is not quite one is a single line of error."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report_lines import header_of

from benchmark.experiment.keys import RunKey
from benchmark.results import lines, store
from benchmark.results.errors import StoreError
from benchmark.results.fields import FieldError, Pattern, Range, plain, read_fields
from benchmark.results.lines import Line
from benchmark.results.records import (
    ExamplesRecord,
    ExperimentDescription,
    LabelsRecord,
    RoundRecord,
    RunHeader,
    Seconds,
    TraceRecord,
)

PATH = Path("runs/x/supervised-seed0.jsonl")
Kind = type[RunHeader] | type[RoundRecord] | type[TraceRecord]

# --- values by their annotations


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
        return st.from_regex(constraint.expression, fullmatch=True)
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
    """The JSON object of a record's line."""
    if isinstance(record, RunHeader):
        data = lines.header_bytes(record)
    elif isinstance(record, RoundRecord):
        data = lines.round_bytes(record, "0" * 64)
    else:
        data = lines.trace_bytes([record])
    return dict(json.loads(data))


def read(cls: Kind, value: Any) -> Any:
    """The record from a line with this JSON value."""
    line = Line(7, b"", 0, value)
    reader = {RunHeader: lines.read_header, RoundRecord: lines.read_round, TraceRecord: lines.read_trace}[cls]
    return reader(PATH, line)  # type: ignore[operator]


ANY_RECORD = st.sampled_from((RunHeader, RoundRecord, TraceRecord)).flatmap(records)


@given(ANY_RECORD)
def test_what_is_written_is_read_back_equal(record: Any) -> None:
    again = read(type(record), written(record))
    assert again == record
    assert written(again) == written(record)


@given(st.text(), st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_a_description_is_read_back_equal(name: str, model: dict[str, Any]) -> None:
    description = ExperimentDescription(name, "1.2.0", "f" * 64, {"name": name, "budgets": [1, 2], "model": model})
    assert lines.read_description_bytes(PATH, lines.description_bytes(description)) == description


# --- values that do not fit

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in items for place in [(*at, key), *places(part, (*at, key))]]


def holder(value: Any, place: tuple[str | int, ...]) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value


def read_or_message(cls: Kind, value: Any) -> Any:
    """The record, or the message that refuses it."""
    try:
        return read(cls, value)
    except StoreError as refusal:
        return str(refusal)


def refused(cls: Kind, value: Any) -> str:
    """The message that refuses a line: one line that names the file."""
    message = read_or_message(cls, value)
    assert isinstance(message, str), f"it was accepted as {message}"
    assert message.startswith(str(PATH))
    assert "\n" not in message
    assert len(message) < 400
    return message


OPEN = {"libraries", "switches", "diagnostics", "values"}  # objects with any names


@given(ANY_RECORD, st.data())
def test_a_line_without_one_of_its_fields_is_refused(record: Any, data: st.DataObject) -> None:
    line = written(record)
    named = [p for p in places(line) if isinstance(p[-1], str) and not OPEN & set(p[:-1])]
    place = data.draw(st.sampled_from(named))
    del holder(line, place)[place[-1]]
    message = refused(type(record), line)
    if place[-1] not in ("kind", "format", "previous_sha256"):
        assert f"line 7: the field '{'.'.join(map(str, place))}' is missing" in message


@given(ANY_RECORD, st.text(), st.data())
def test_a_line_with_another_field_is_refused(record: Any, name: str, data: st.DataObject) -> None:
    line = written(record)
    objects = [(), *(p for p in places(line) if isinstance(holder(line, (*p, "")), dict) and not OPEN & set(p))]
    place = data.draw(st.sampled_from(objects))
    within = holder(line, (*place, ""))
    if name not in within:
        within[name] = 1
        assert "is unknown" in refused(type(record), line)


@given(ANY_RECORD, JUNK, st.data())
def test_a_line_with_any_other_value_is_refused_or_means_what_it_says(
    record: Any, junk: Any, data: st.DataObject
) -> None:
    """Never a traceback; and what is accepted is written again as it was read, but that 1 may become 1.0."""
    line = written(record)
    place = data.draw(st.sampled_from(places(line)))
    holder(line, place)[place[-1]] = junk
    accepted = read_or_message(type(record), copy.deepcopy(line))
    if isinstance(accepted, str):
        refused(type(record), line)
    else:
        again = written(accepted)
        if "previous_sha256" in line:
            again["previous_sha256"] = line["previous_sha256"]
        assert again == line
        kept = holder(again, place)[place[-1]]
        assert isinstance(kept, bool) == isinstance(junk, bool)


ROUND = {
    "num_labelled": [0, -1, 2.0, "20", True, None, 1e3],
    "round": [-1, 0.0, "0", None, False],
    "accuracy": [-1e-9, 1 + 1e-9, math.nan, math.inf, "0.5", None, True, [], 10**400],
    "nll": [-1e-9, math.nan, -math.inf, "1", None],
    "ece": [-0.1, 1.1, None],
    "bins": [None, [[1, 0.5]], [[1, 0.5, 1, 1]], [[-1, 0.5, 0]], [[1, 1.5, 0]], [[1.0, 0.5, 0]], {}],
    "class_accuracy": [[1.5], [-0.1], ["1"], None, 0.5],
    "checkpoint_accuracies": [[1.01], [None], 0.5, None],
    "calibration_seconds": [-0.1, "unknown", True],
    "shared_training": [0, 1, "true", None],
    "acquired_indices": [[-1, 1], [0.0, 1], [True, 1], "ab", None, [[0], 1]],
    "acquired_labels": [[-1, 1], ["3", 1], None, [1]],
    "held_out_indices": [[-5], [None], {}, 3],
    "diagnostics": [{"a": "b"}, {"a": None}, {"a": True}, {"a": math.nan}, [], None],
    "seconds": [
        None,
        {},
        {"train": 1.0, "query": -1.0, "evaluate": 0.0},
        {"train": None, "query": 1.0, "evaluate": 0.0},
        {"train": 1.0, "query": 1.0, "evaluate": 0.0, "more": 1.0},
    ],
    "previous_sha256": [None, "", "0" * 63, "G" * 64, "A" * 64, 0],
    "kind": [None, "header", 1, []],
}
HEADER = {
    "key": [
        None,
        "margin",
        {"strategy": "", "learner": "supervised", "seed": 0},
        {"strategy": "margin", "learner": "", "seed": 0},
        {"strategy": "margin", "learner": "supervised", "seed": -1},
        {"strategy": "margin", "learner": "supervised", "seed": 0.0},
    ],
    "fingerprint": ["f", None, "F" * 64],
    "engine_version": [0, "1", None, "unknown", True],
    "strategy_version": [0, None, "2", "Unknown"],
    "learner_version": [-1, None, 1.0],
    "strategy_source_sha256": ["", "unknown", 1],
    "diagnostic": [None, 0, "false"],
    "dataset": [None, "mnist", {"name": "mnist"}],
    "environment": [None, {"device": "cpu"}],
    "commit": [1, [], False],
    "feature_seed": [-1, "none", 1.0],
    "initial": [None, [], {"acquired_indices": [1], "acquired_labels": [], "held_out_indices": []}],
    "format": ["2", 2.0, True, None, 0, 10**50],
}


def broken(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}={str(value)[:20]}") for name, found in table.items() for value in found
    ]


@pytest.mark.parametrize(("name", "value"), broken(ROUND))
def test_a_round_with_a_wrong_value_names_the_field(name: str, value: Any) -> None:
    line = written(round_of_two())
    message = refused(RoundRecord, {**line, name: value})
    assert "line 7: " in message
    assert name in message


@pytest.mark.parametrize(("name", "value"), broken(HEADER))
def test_a_header_with_a_wrong_value_names_the_field(name: str, value: Any) -> None:
    line = written(header_of(RunKey("margin", "supervised", 0), 2))
    assert name in refused(RunHeader, {**line, name: value})


def round_of_two() -> RoundRecord:
    return RoundRecord(
        round=0,
        num_labelled=2,
        accuracy=0.5,
        nll=1.5,
        ece=0.25,
        bins=((2, 0.5, 1),),
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


def test_the_layout_of_a_round() -> None:
    """What others read: a change here is a new format."""
    assert written(round_of_two()) == {
        "kind": "round",
        "round": 0,
        "num_labelled": 2,
        "accuracy": 0.5,
        "nll": 1.5,
        "ece": 0.25,
        "bins": [[2, 0.5, 1]],
        "class_accuracy": [0.5, None],
        "checkpoint_accuracies": [],
        "seconds": {"train": 1.0, "query": 0.5, "evaluate": 0.0},
        "calibration_seconds": None,
        "shared_training": False,
        "acquired_indices": [7, 3],
        "acquired_labels": [1, 0],
        "held_out_indices": [7],
        "diagnostics": {"loss_rank.pool.kendall": -0.5},
        "previous_sha256": "0" * 64,
    }


def test_the_layout_of_a_header() -> None:
    key = RunKey("margin", "supervised", 0)
    header = header_of(key, 2, strategy_version="unknown", feature_seed="unknown")
    assert written(header) == {
        "kind": "header",
        "format": 2,
        "key": {"strategy": "margin", "learner": "supervised", "seed": 0},
        "experiment": "made-up",
        "fingerprint": "f" * 64,
        "engine_version": 1,
        "strategy_version": "unknown",
        "learner_version": 1,
        "strategy_source_sha256": None,
        "diagnostic": False,
        "dataset": {"name": "mnist", "sha256": "0123456789abcdef" * 4, "note": "", "manifest_sha256": "9" * 64},
        "environment": {
            "device": "cpu (X)",
            "libraries": {"acqbench": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "numpy": "2.2.0"},
            "cpu_capability": "AVX2",
            "num_threads": 1,
            "switches": {},
        },
        "commit": "abcdef0",
        "feature_seed": "unknown",
        "initial": {"acquired_indices": [0, 1], "acquired_labels": [0, 0], "held_out_indices": []},
    }


@given(st.binary(max_size=200), st.integers(1, 3))
def test_a_file_of_any_bytes_is_a_run_or_one_line_of_error(tmp_path_factory: Any, data: bytes, at: int) -> None:
    """Whole lines of a run with any bytes among them."""
    whole = [lines.header_bytes(header_of(RunKey("margin", "supervised", 0), 2))]
    whole.append(lines.round_bytes(round_of_two(), lines.digest(whole[0])))
    path = tmp_path_factory.getbasetemp() / "supervised-seed0.jsonl"
    path.write_bytes(b"\n".join([*whole[: at - 1], data, *whole[at - 1 :]]) + b"\n")
    try:
        message = f"{store.read_run(path)!r}"
    except StoreError as refusal:
        message = str(refusal)
    assert "\n" not in message


def test_fields_that_do_not_fit_together_are_refused() -> None:
    value = plain(header_of(RunKey("margin", "supervised", 0), 2))
    value["initial"]["acquired_labels"].pop()
    with pytest.raises(FieldError, match="initial: acquired_indices has 2 entries, but acquired_labels has 1"):
        read_fields(RunHeader, value)
    with pytest.raises(ValueError, match="acquired_indices has 1 entries, but acquired_labels has 2"):
        LabelsRecord((1,), (1, 2), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.zeros((2, 4, 4), dtype=np.uint8)},
        {"images": np.zeros((2, 4, 4, 1))},
        {"images": np.zeros((2, 4, 4, 2), dtype=np.uint8)},
        {"labels": np.array([0])},
        {"labels": np.array([0.0, 1.0])},
        {"labels": np.array([0, 2])},
        {"predicted": np.array([-1, 0])},
        {"confidence": np.array([1, 1])},
        {"mistakes": np.array([0, 1])},
        {"names": np.array([1, 2])},
    ],
)
def test_examples_that_do_not_fit_together_are_refused(changes: dict[str, np.ndarray]) -> None:
    fitting: dict[str, np.ndarray] = {
        "images": np.zeros((2, 4, 4, 1), dtype=np.uint8),
        "labels": np.array([0, 1]),
        "predicted": np.array([0, 0]),
        "confidence": np.array([0.5, 0.5]),
        "mistakes": np.array([False, True]),
        "names": np.array(["a", "b"]),
    }
    assert ExamplesRecord(**fitting).images.shape == (2, 4, 4, 1)
    with pytest.raises(ValueError, match="must be"):
        ExamplesRecord(**{**fitting, **changes})
