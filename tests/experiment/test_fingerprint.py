"""The fingerprint: it covers everything that is not declared an axis, and published hashes survive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from support.tiny import PROTOCOL

from benchmark.experiment import FeatureSettings, Model, Protocol, Recipe, load
from benchmark.experiment.fingerprint import AXES, MODEL_VERSIONS, fingerprint

OTHER = {  # a value for each field, other than its default and than the tiny protocol's
    "dataset": "mnist",
    "model": {"name": "resnet18"},
    "initial": "balanced",
    "candidates": 100,
    "warm_start": True,
    "label_noise": 0.1,
    "embedding": "efficientnet-lite0[size=96]",
    "imbalance": 10.0,
    "oracle": "person",
    "features": {},
    "ladder": [5, 10],
    "image_size": 16,
    "replay": "mnist@54d9ea795f2693aa",
    "recipe.optimizer": "adam",
    "recipe.learning_rate": 0.2,
    "recipe.momentum": 0.8,
    "recipe.nesterov": False,
    "recipe.weight_decay": 1e-3,
    "recipe.weight_decay_at": [[10, 1e-3]],
    "recipe.weight_decay_on": "kernels",
    "recipe.schedule": "cosine",
    "recipe.warmup": 0.5,
    "recipe.milestones": [0.5],
    "recipe.decay": 0.2,
    "recipe.epochs": 1,
    "recipe.min_steps": 13,
    "recipe.batch_size": 17,
    "recipe.augmentation": "none",
    "recipe.strong_augmentation": "strong",
    "recipe.precision": "bfloat16",
    "recipe.half_size_until": 0.5,
    "recipe.label_smoothing": 0.1,
    "recipe.labelled_as_unlabelled": True,
    "recipe.average_warmup": False,
    "recipe.average_buffers": False,
    "features.method": "timm:resnet18",
    "features.model": "cnn",
    "features.parameters": {"width": 4},
    "features.steps": 7,
    "features.batch_size": 9,
    "features.learning_rate": 0.5,
    "features.temperature": 0.1,
}


@pytest.fixture
def tiny(tmp_path: Path) -> Protocol:
    return from_toml(tmp_path, PROTOCOL)


def from_toml(folder: Path, text: str) -> Protocol:
    (folder / "tiny.toml").write_text(text)
    return load(str(folder / "tiny.toml"))


def covered_fields() -> list[str]:
    """Every field of the protocol and of what lies inside, by dotted name, except the axes."""
    inner = {"recipe": Recipe, "features": FeatureSettings}
    names = [f.name for f in dataclasses.fields(Protocol) if f.name not in AXES and f.name != "recipe"]
    return names + [f"{table}.{f.name}" for table, cls in inner.items() for f in dataclasses.fields(cls)]


@pytest.mark.parametrize("field", covered_fields())
def test_every_field_that_is_no_axis_changes_the_fingerprint(tiny: Protocol, field: str) -> None:
    before = tiny.override(features={"model": "resnet18"}) if field.startswith("features.") else tiny
    if field == "recipe.steps_at":
        after = before.override(**{"recipe.min_steps": 0, field: [[10, 5]]})
        before = before.override(**{"recipe.min_steps": 0, "recipe.steps_at": [[10, 6]]})
    elif field == "ladder":
        after = before.override(ladder=OTHER[field], budgets=OTHER[field])
    else:
        after = before.override(**{field: OTHER[field]})
    assert after.fingerprint != before.fingerprint


def test_the_axes_are_the_protocols_fields() -> None:
    assert set(AXES) < {f.name for f in dataclasses.fields(Protocol)}


def test_a_new_field_is_covered_once_it_is_set(tiny: Protocol) -> None:
    """At its default it leaves the published hashes alone."""
    extended = dataclasses.make_dataclass(
        "Extended", [("mixup", float, 0.0), ("teacher", Model | None, None)], bases=(Protocol,), frozen=True
    )
    values = {f.name: getattr(tiny, f.name) for f in dataclasses.fields(tiny)}
    assert fingerprint(extended(**values)) == tiny.fingerprint
    assert fingerprint(extended(**values, mixup=0.2)) != tiny.fingerprint
    assert fingerprint(extended(**values, mixup=0.2)) != fingerprint(extended(**values, mixup=0.3))
    assert fingerprint(extended(**values, teacher=Model("cnn", {"width": 8}))) != tiny.fingerprint


def test_the_fingerprint_is_the_hash_of_what_is_not_at_its_default(tiny: Protocol) -> None:
    """Written out by hand: a change of this text would make strangers of all published runs."""
    covered = {
        "dataset": "digits",
        "ladder": [10, 20],
        "model": {"dropout": 0.1, "hidden": 16, "name": "cnn", "width": 4},
        "recipe": {
            "augmentation": "crop",
            "batch_size": 16,
            "min_steps": 12,
            "nesterov": True,
            "precision": "float32",
            "strong_augmentation": "strong-no-flip",
        },
    }
    assert tiny.fingerprint == hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def test_stating_a_default_changes_nothing(tmp_path: Path, tiny: Protocol) -> None:
    stated = from_toml(tmp_path, 'initial = "random"\ncandidates = 0\n' + PROTOCOL + "momentum = 0.9\nepochs = 0\n")
    assert stated == tiny
    assert stated.fingerprint == tiny.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"budgets": [10]},
        {"budgets": [10, 20]},
        {"budgets": [10, 20, 30, 40, 50]},
        {"strategies": ["badge"]},
        {"learners": ["other"]},
        {"seeds": [7]},
        {"description": "else", "name": "else"},
    ],
)
def test_axes_and_the_ladders_end_leave_the_fingerprint(tiny: Protocol, changes: dict[str, Any]) -> None:
    assert tiny.override(**changes).fingerprint == tiny.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "mnist"},
        {"model.name": "resnet18", "model.parameters": {}},
        {"model.parameters.hidden": 8},
        {"model.parameters.dropout": 0.2},
        {"recipe.learning_rate": 0.2},
        {"recipe.epochs": 1},
        {"recipe.precision": "bfloat16"},
        {"initial": "balanced"},
        {"candidates": 100},
        {"warm_start": True},
        {"label_noise": 0.1},
        {"budgets": [10, 20, 31]},
        {"budgets": [10, 30]},
        {"budgets": [5, 10, 20]},
        {"budgets": [10, 20, 30, 50]},
    ],
)
def test_all_that_changes_a_number_changes_the_fingerprint(tiny: Protocol, changes: dict[str, Any]) -> None:
    assert tiny.override(**changes).fingerprint != tiny.fingerprint


def test_a_prefix_of_an_uneven_ladder_is_the_ladders(tiny: Protocol) -> None:
    uneven = tiny.override(budgets=[10, 20, 50], ladder=[10, 20, 50])
    assert uneven.override(budgets=[10]).fingerprint == uneven.fingerprint
    assert uneven.override(budgets=[10, 20]).fingerprint == uneven.fingerprint
    assert uneven.override(budgets=[10, 20, 30]).fingerprint == tiny.fingerprint


def test_a_model_whose_numbers_have_changed_changes_the_fingerprint(
    tiny: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny.fingerprint
    monkeypatch.setitem(MODEL_VERSIONS, "another", 2)
    assert fingerprint(tiny) == before
    monkeypatch.setitem(MODEL_VERSIONS, tiny.model.name, 2)
    second = fingerprint(tiny)
    monkeypatch.setitem(MODEL_VERSIONS, tiny.model.name, 3)
    assert len({before, second, fingerprint(tiny)}) == 3
