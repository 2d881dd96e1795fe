"""Multiply-adds of networks, counted from their description, against those that PyTorch counts in a step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark.data import datasets
from benchmark.experiment import Model, Recipe
from benchmark.experiment.operations import IMAGES, Images, of_model, of_query, of_training
from benchmark.models import factory
from benchmark.training import operations as counted
from strategies.api import Passes

NETWORKS: list[tuple[str, dict[str, Any], tuple[Images, ...]]] = [
    ("cnn", {}, (Images(1, 28, 10, 0), Images(3, 9, 4, 0))),
    ("cnn", {"width": 5, "hidden": 7, "dropout": 0.2}, (Images(1, 8, 3, 0),)),
    ("compact", {}, (Images(3, 32, 10, 0),)),
    ("compact", {"width": 6, "dropout": 0.1}, (Images(1, 21, 5, 0),)),
    ("resnet18", {}, (Images(3, 32, 10, 0),)),
    ("resnet18", {"width": 4, "stochastic_depth": 0.1}, (Images(1, 15, 3, 0),)),
    ("wide-resnet", {}, (Images(3, 32, 100, 0),)),
    ("wide-resnet", {"depth": 16, "width": 1, "bn_momentum": 0.01}, (Images(1, 13, 3, 0),)),
    ("densenet121", {"width": 8}, (Images(1, 61, 4, 0),)),
    ("densenet121-cifar", {"width": 8, "dropout": 0.2}, (Images(3, 9, 10, 0),)),
]


@pytest.mark.parametrize(("name", "parameters", "images"), NETWORKS)
def test_a_network_takes_the_operations_that_pytorch_counts(
    name: str, parameters: dict[str, Any], images: tuple[Images, ...]
) -> None:
    for each in images:
        found, shape = of_model(Model(name, parameters), each), (each.channels, each.side, each.side)
        undrawn = {key: 0.0 if key == "stochastic_depth" else value for key, value in parameters.items()}
        with FakeTensorMode():  # nothing is computed, and no mask can be drawn
            network = factory.build(name, undrawn | {"dropout": 0.0}, each.channels, shape[1:], each.classes)
            pixels = torch.zeros(3, *shape)
            targets = torch.zeros(3, dtype=torch.int64)
            with FlopCounterMode(display=False) as counter:
                F.cross_entropy(network(pixels).logits, targets).backward()
            assert 2 * 3 * found.training == counter.get_total_flops()
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                features, _ = network.eval().backbone(pixels)
                before = counter.get_total_flops()
                network.classify(network.embed(features))
        forward = counter.get_total_flops()
        assert (2 * 3 * found.forward, 2 * 3 * found.repeated) == (forward, forward - before)


def test_every_network_that_is_trained_on_images_is_counted() -> None:
    on_images = {name for name, cls in factory.MODELS.items() if not cls.of_embeddings}
    assert on_images == {name for name, _, _ in NETWORKS}
    with pytest.raises(ValueError, match="the operations of linear are not counted"):
        of_model(Model("linear"), IMAGES["mnist"])


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_training_has_the_steps_of_its_recipe(share: float) -> None:
    recipe = Recipe(steps_at=((100, 7), (200, 20)), batch_size=6, half_size_until=share)
    images = Images(3, 32, 10, 0)
    for labels in (50, 400):
        expected = counted.of_training("compact", {"width": 4}, (3, 32, 32), recipe, labels)
        assert 2 * of_training(Model("compact", {"width": 4}), images, recipe, labels) == expected


def test_a_query_adds_its_passes_up() -> None:
    model, recipe, images = Model("cnn", {"width": 2, "hidden": 3}), Recipe(min_steps=5, batch_size=4), IMAGES["digits"]
    network = of_model(model, images)

    def query(passes: Passes, labelled: int = 40) -> int:
        return of_query(model, images, recipe, passes, scored=100, labelled=labelled, trained=labelled - 2)

    assert query(Passes()) == 0
    assert query(Passes(pool=3, labelled=2, images=7)) == network.forward * (300 + 80 + 7)
    dense = (2 * 2 * 2 * 2) * 3 + 3 * 10  # 4 maps of 2 × 2, then the head
    assert query(Passes(masks=9)) == 100 * (network.forward + 8 * dense)
    second = network.forward * 11 + of_training(model, images, recipe, 27)  # 30 % of 38 are left out
    assert query(Passes(cross_fit=0.3)) == second
    assert query(Passes(cross_fit=0.3), labelled=21) == 0  # fewer than two labels a class


def test_longer_trainings_cost_more() -> None:
    recipe = Recipe(epochs=10, batch_size=4)
    model, images = Model("cnn"), IMAGES["mnist"]
    assert of_training(model, images, recipe, 80) == 2 * of_training(model, images, recipe, 40)
    assert of_training(model, images, replace(recipe, batch_size=8), 80) == of_training(model, images, recipe, 80)


def test_images_of_known_data_sets_are_as_described() -> None:
    assert set(IMAGES) == set(datasets.names())
    for name, images in IMAGES.items():
        colour = "colour" if images.channels == 3 else "grey"
        described = f"{images.side}×{images.side} {colour}, {images.classes} classes, {images.total:,} + "
        assert described in datasets.describe(name)
    digits = datasets.load("digits")
    assert (digits.channels, digits.image_size, digits.class_count, len(digits.train_labels)) == (1, (8, 8), 10, 1258)
