"""Records on disk: read back equal; and any line that is not quite one is a single line of error."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.record_values import ANY_RECORD, PATH, Kind, read, round_of_two, written
from support.report_lines import header_of

from benchmark.experiment.keys import RunKey
from benchmark.results import lines
from benchmark.results.errors import StoreError
from benchmark.results.records import (
    ExperimentDescription,
    RoundRecord,
    RunHeader,
)


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
