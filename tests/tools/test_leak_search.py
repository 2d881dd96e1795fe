"""The search for leaks finds what is there: labels and test images are planted in a clean pool."""

import functools
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.leak_search import leaks, reachable, untrained_pool
from torch import Tensor

from benchmark.data import datasets
from benchmark.data.image_data import ImageData
from benchmark.loop.pool import FittedPool


@pytest.fixture(scope="module")
def data() -> ImageData:
    return datasets.load("digits")


class Slotted:
    __slots__ = ("inside",)

    def __init__(self, inside: object) -> None:
        self.inside = inside

    def method(self) -> None:
        """Bound, it leads to the instance."""


def having_default(value: object) -> Callable[[], object]:
    def function(hidden: object = value) -> object:
        return hidden

    return function


PLANTS: dict[str, Callable[[FittedPool, Tensor], None]] = {
    "tensor": lambda pool, labels: setattr(pool, "extra", labels),
    "view": lambda pool, labels: setattr(pool, "extra", labels[5:9]),
    "numpy view": lambda pool, labels: setattr(pool, "extra", labels.numpy()),
    "copy": lambda pool, labels: setattr(pool, "extra", labels.clone().to(torch.uint8)),
    "floats": lambda pool, labels: setattr(pool, "extra", labels.numpy().astype(np.float32)),
    "list": lambda pool, labels: setattr(pool, "extra", [0, {"deep": (labels.tolist(),)}]),
    "mapping": lambda pool, labels: setattr(pool, "extra", dict(enumerate(labels.tolist()))),
    "unlabelled only": lambda pool, labels: setattr(pool, "extra", labels[pool.indices]),
    "column": lambda pool, labels: setattr(pool, "extra", torch.stack([labels, labels.flip(0)], 1)),
    "closure": lambda pool, labels: setattr(pool, "_features", lambda: labels.tolist()),
    "default": lambda pool, labels: setattr(pool, "_features", having_default(labels.tolist())),
    "partial": lambda pool, labels: setattr(pool, "_features", functools.partial(sorted, labels.tolist())),
    "bound method": lambda pool, labels: setattr(pool, "_features", Slotted(labels.tolist()).method),
    "namespace": lambda pool, labels: setattr(pool, "extra", SimpleNamespace(a=Slotted(labels.clone()))),
    "images": lambda pool, labels: pool._images.__dict__.update(labels=labels.clone()),
    "buffer": lambda pool, labels: pool.head.register_buffer("extra", labels.clone()),
    "tensor's attribute": lambda pool, labels: setattr(pool.logits, "extra", labels.clone()),
    "network's attribute": lambda pool, labels: setattr(pool.head, "extra", [labels.clone()]),
}


@pytest.fixture
def pool(data: ImageData) -> FittedPool:
    return untrained_pool(data)


def test_a_clean_pool_is_clean_and_searched_to_the_bottom(pool: FittedPool, data: ImageData) -> None:
    samples, head = pool.mc_probs(2), pool.head
    assert leaks(pool, [data.train_labels, data.train_labels[20:]], memory=[data.test_images]) == []
    found = list(reachable(pool))
    for part in (data.train_images, samples, pool.labels, head.weight):
        assert any(thing is part for thing in found)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_planted_labels_are_found(
    pool: FittedPool, data: ImageData, plant: Callable[[FittedPool, Tensor], None]
) -> None:
    plant(pool, data.train_labels)
    assert leaks(pool, [data.train_labels, data.train_labels[20:]], memory=[])


def test_planted_test_images_are_found(pool: FittedPool, data: ImageData) -> None:
    pool._features = lambda: data.test_images[3:5].float()
    assert leaks(pool, [data.train_labels], memory=[data.test_images])
