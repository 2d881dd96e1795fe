"""The layout of lines on disk, and fields that must fit together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.record_values import round_of_two, written
from support.report_lines import header_of

from benchmark import ENGINE_VERSION
from benchmark.experiment.keys import RunKey
from benchmark.results import lines, store
from benchmark.results.errors import StoreError
from benchmark.results.fields import FieldError, plain, read_fields
from benchmark.results.records import (
    ExamplesRecord,
    LabelsRecord,
    RunHeader,
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
        "bins": [[2, 0.75, 1]],
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
    header = header_of(key, 2, strategy_version=2, feature_seed="unknown")
    assert written(header) == {
        "kind": "header",
        "format": 2,
        "key": {"strategy": "margin", "learner": "supervised", "seed": 0},
        "experiment": "made-up",
        "fingerprint": "f" * 64,
        "engine_version": ENGINE_VERSION,
        "strategy_version": 2,
        "learner_version": 1,
        "strategy_source_sha256": None,
        "learner_source_sha256": None,
        "model_source_sha256": None,
        "strategy_check": None,
        "diagnostic": False,
        "dataset": {
            "name": "mnist",
            "sha256": "0123456789abcdef" * 4,
            "note": "",
            "manifest_sha256": "9" * 64,
            "differing": None,
        },
        "environment": {
            "device": "cpu (X)",
            "libraries": {
                "acqbench": "0.1.0",
                "python": "3.11.7",
                "torch": "2.15.0",
                "numpy": "2.2.0",
                "scipy": "1.15.0",
                "scikit-learn": "1.6.0",
            },
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
