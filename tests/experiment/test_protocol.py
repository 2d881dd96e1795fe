"""Protocols: from TOML to a checked, frozen description, and its fingerprint."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from support.tiny import PROTOCOL

from benchmark.campaign import plan as grid
from benchmark.experiment import Model, Protocol, ProtocolError, from_dict, library, plain_data
from benchmark.experiment.library import experiment_name
from strategies.registry import expand


@pytest.fixture
def tiny(tmp_path: Path) -> Protocol:
    return from_toml(tmp_path, PROTOCOL)


def from_toml(folder: Path, text: str) -> Protocol:
    (folder / "tiny.toml").write_text(text)
    return library.load(str(folder / "tiny.toml"))


def test_toml_becomes_a_protocol(tiny: Protocol) -> None:
    assert (tiny.name, tiny.dataset, tiny.budgets, tiny.ladder) == ("tiny", "digits", (10, 20, 30), (10, 20, 30))
    assert (tiny.strategies, tiny.learners, tiny.seeds) == (("random", "margin"), ("supervised",), (0, 1))
    assert tiny.model == Model("cnn", {"width": 4, "hidden": 16, "dropout": 0.1})
    assert (tiny.recipe.learning_rate, tiny.recipe.min_steps, tiny.recipe.momentum) == (0.1, 12, 0.9)
    assert (tiny.initial, tiny.candidates, tiny.warm_start, tiny.label_noise) == ("random", 0, False, 0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny.dataset = "mnist"  # type: ignore[misc]


def test_a_whole_number_will_do_for_a_fraction(tiny: Protocol) -> None:
    rate = tiny.override(**{"recipe.learning_rate": 1}).recipe.learning_rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dataset", 5, "'dataset' must be of type str, not 5"),
        ("budgets", 10, "'budgets' must be a list, not 10"),
        ("budgets", [10, 20.5], "'budgets' must be of type int, not 20.5"),
        ("budgets", [True], "'budgets' must be of type int, not True"),
        ("budgets", [], "budgets: name at least one"),
        ("budgets", [10, 10], "budgets must be positive and rise: 10 10"),
        ("budgets", [20, 10], "budgets must be positive and rise: 20 10"),
        ("budgets", [0, 10], "budgets must be positive and rise: 0 10"),
        ("ladder", [3, 2], "ladder must be positive and rise: 3 2"),
        ("seeds", [0, 0], "seeds must be distinct and not negative: 0 0"),
        ("seeds", [-1], "seeds must be distinct and not negative: -1"),
        ("seeds", [], "seeds: name at least one"),
        ("strategies", "random", "'strategies' must be a list, not 'random'"),
        ("strategies", [], "strategies: name at least one"),
        ("learners", [], "learners: name at least one"),
        ("learners", ["supervised", "supervised"], "learners must be distinct: supervised supervised"),
        ("initial", "best", "initial is one of random, balanced, strategy, not 'best'"),
        ("candidates", -1, "candidates must be 0 (the whole pool) or more, not -1"),
        ("candidates", 9, "candidates must be at least the largest acquisition batch, 10, not 9"),
        ("warm_start", 1, "'warm_start' must be of type bool, not 1"),
        ("label_noise", 1.0, "label_noise must be at least 0 and below 1, not 1.0"),
        ("label_noise", True, "'label_noise' must be of type float, not True"),
        ("name", "a/b", "name must be fit for a folder, which 'a/b' is not"),
        ("name", "..", "name must be fit for a folder, which '..' is not"),
        ("model", "cnn", "'model' must be a table, not 'cnn'"),
        ("model.parameters", [1], "'model.parameters' must be a table, not [1]"),
        ("recipe", 1, "'recipe' must be a table, not 1"),
        ("recipe.epochs", 1.5, "'recipe.epochs' must be of type int, not 1.5"),
        ("recipe.min_steps", 0, "recipe: give epochs, min_steps or both, or steps_at; with none nothing is trained"),
        ("recipe.steps_at", [[10, 5]], "recipe: give steps_at or epochs and min_steps, not both"),
        ("recipe.optimizer", "sdg", "recipe.optimizer is one of sgd, adam, adamw, not 'sdg'"),
        (
            "recipe.learning_rate",
            10**400,
            "'recipe.learning_rate': whole numbers go up to 9,223,372,036,854,775,807, which this one exceeds",
        ),
        ("recipe.augmentation", "flop", "unknown augmentation 'flop': choose one of none, crop, "),
        ("features.steps", 0, "features.steps must be positive, not 0"),
        ("features.method", "simcrl", "features.method is simclr, torchvision:<weights> or timm:<model>, not 'simcrl'"),
        ("recipe.learning_rate", float("inf"), "'recipe.learning_rate' must be a finite number, not inf"),
        ("recipe.momentum", float("nan"), "'recipe.momentum' must be a finite number, not nan"),
        ("recipe.milestones", [0.5, 1], "recipe.milestones are shares of the steps in (0, 1), not [0.5, 1.0]"),
        ("wram_start", True, "the protocol has no field 'wram_start': did you mean warm_start?"),
        ("recipe.epoch", 5, "the protocol has no field 'recipe.epoch': did you mean recipe.epochs"),
        ("recipe.epochs.x", 5, "the protocol has no field 'recipe.epochs.x': did you mean recipe.epochs"),
        ("candidates.x", 5, "the protocol has no field 'candidates.x': did you mean candidates"),
    ],
)
def test_every_field_is_checked(tiny: Protocol, field: str, value: Any, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        tiny.override(**{field: value})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budgets = [", "not TOML: "),
        ('dataset = "\xff"'.encode("latin-1"), "not TOML: 'utf-8' codec"),
        (PROTOCOL.replace("budgets", "bugdets"), "there is no field 'bugdets': did you mean budgets?"),
        (
            PROTOCOL.replace("learning_rate", "learnin_rate"),
            "there is no field 'recipe.learnin_rate': did you mean rec",
        ),
        (PROTOCOL.replace('dataset = "digits"', ""), "the field 'dataset' is missing"),
        (PROTOCOL.replace('name = "cnn"', ""), "the field 'model.name' is missing"),
        (PROTOCOL.replace("16\n", '"16"\n'), "'recipe.batch_size' must be of type int, not '16'"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ProtocolError) as caught:
        library.load(str(path))
    assert str(caught.value).startswith(f"protocol {path}: {message}")


def test_an_unknown_protocol_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"unknown protocol 'digit': did you mean digits\?"):
        library.load("digit")
    with pytest.raises(ProtocolError, match="unknown protocol"):
        library.load(str(tmp_path))  # a folder


def test_override_reaches_inside_and_leaves_the_rest(tiny: Protocol) -> None:
    changed = tiny.override(**{"recipe.epochs": 3, "model.parameters.hidden": 8, "seeds": [5]})
    assert (changed.recipe.epochs, changed.model.parameters["hidden"], changed.seeds) == (3, 8, (5,))
    assert changed.override(**{"recipe.epochs": 0, "model.parameters.hidden": 16, "seeds": [0, 1]}) == tiny


@pytest.mark.parametrize("name", library.names())
def test_the_suites_own_protocols_can_run(name: str) -> None:
    own = library.load(name)
    assert experiment_name(own) == name
    assert own.description
    runs = grid.unroll([spec for spec, _ in expand(own.strategies)], own.learners, own.seeds)
    assert len({key for key, _ in runs}) == len(runs) >= 9
    assert all(spec.build() for _, spec in runs)
    assert from_dict(own.to_dict()) == own


def test_plain_data_and_back(tiny: Protocol) -> None:
    changed = tiny.override(budgets=[10, 20], **{"recipe.milestones": [0.5], "label_noise": 0.25})
    again = from_dict(json.loads(json.dumps(changed.to_dict())))
    assert again == changed
    assert again.ladder == (10, 20, 30)
    assert again.fingerprint == changed.fingerprint


def test_the_experiment_is_called_by_the_protocols_name_while_it_is_its_own(tiny: Protocol) -> None:
    digits = library.load("digits")
    assert experiment_name(digits.override(budgets=[20, 40], seeds=[9], strategies=["badge"])) == "digits"
    warm = digits.override(warm_start=True)
    assert experiment_name(warm) == f"digits-{warm.fingerprint[:8]}"
    assert experiment_name(tiny) == f"tiny-{tiny.fingerprint[:8]}"  # not among the suite's own


def test_mnist_balanced_is_mnist_from_a_balanced_start_in_batches_of_ten() -> None:
    own, mnist = library.load("mnist-balanced"), library.load("mnist")
    assert own.initial == "balanced"
    assert own.budgets == tuple(range(20, 301, 10))  # the first 20 are 2 of each of 10 classes
    assert (own.model, own.recipe, own.dataset) == (mnist.model, mnist.recipe, mnist.dataset)


def test_an_old_description_gets_the_defaults_that_it_lacks_and_keeps_fields_that_are_no_more() -> None:
    recipe = {"optimizer": "sgd", "removed": 1}
    old = {"name": "old", "budgets": [10], "model": {"name": "cnn"}, "recipe": recipe, "also_removed": "x"}
    found = plain_data.with_defaults(Protocol, old)
    assert {**found, "recipe": None, "model": None}.items() >= {**old, "recipe": None, "model": None}.items()
    assert found["recipe"].items() >= {**recipe, "label_smoothing": 0.0, "milestones": []}.items()
    assert (found["imbalance"], found["features"], found["model"]["parameters"]) == (1.0, None, {})
    assert "dataset" not in found
    complete = library.load("mnist").to_dict()
    assert plain_data.with_defaults(Protocol, complete) == complete
