"""The identity of data by content: which copies of a data set pair with published runs."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch

from benchmark.data.arrays import Arrays, checked
from benchmark.data.image_data import ImageData
from benchmark.data.manifest import Manifest, difference, manifest_of, published_manifest, read_manifest


def data(train: int = 800, test: int = 400, side: int = 4) -> ImageData:
    rng = np.random.default_rng(0)
    shapes = ((train, side, side, 3), (test, side, side, 3))
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    labels = [np.arange(count) % 4 for count in (train, test)]
    return checked("made", Arrays("made up", images[0], labels[0], images[1], labels[1]))


def altered(original: ImageData, *, train: int = 0, test: int = 0, labels: int = 0) -> ImageData:
    """A copy of which so many images differ by a grey level in one pixel, and so many training labels by one class."""
    parts = {name: getattr(original, name).clone() for name in ("train_images", "test_images", "train_labels")}
    parts["train_images"][:train, 0, 0, 0] ^= 1
    parts["test_images"][:test, -1, -1, -1] ^= 1
    parts["train_labels"][:labels] = (parts["train_labels"][:labels] + 1) % 4
    return dataclasses.replace(original, **parts)


@pytest.mark.parametrize(
    ("changes", "pairs", "words"),
    [
        ({}, True, "nothing"),
        ({"train": 2, "test": 1}, True, "2 of 800 training images and 1 of 400 test images"),
        ({"train": 3}, False, "3 of 800 training images"),
        ({"test": 2}, False, "2 of 400 test images"),
        ({"labels": 1}, False, "1 label"),
        ({"labels": 5, "test": 1}, False, "1 of 400 test images and 5 labels"),
    ],
)
def test_a_few_images_may_differ_and_no_label(changes: dict[str, int], pairs: bool, words: str) -> None:
    original = data()
    found = difference(manifest_of(altered(original, **changes)), manifest_of(original))
    assert (found.pairs, str(found), found.exact) == (pairs, words, not changes)


def test_another_number_of_images_is_other_data() -> None:
    found = difference(manifest_of(data(train=799)), manifest_of(data()))
    assert not found.pairs
    assert str(found) == "the number of images: 799 + 400 instead of 800 + 400"


def test_the_order_and_the_shape_of_images_count() -> None:
    original = data()
    order = torch.arange(800)
    order[[0, 1, 2, 4, 5, 6]] = order[[4, 5, 6, 0, 1, 2]]  # among images of the same labels
    swapped = dataclasses.replace(original, train_images=original.train_images[order])
    assert difference(manifest_of(swapped), manifest_of(original)).train_images == 6
    reshaped = dataclasses.replace(original, train_images=original.train_images.reshape(800, 2, 8, 3))
    assert difference(manifest_of(reshaped), manifest_of(original)).train_images == 800


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = manifest_of(data())
    again = read_manifest(io.BytesIO(manifest.to_bytes()))
    assert difference(manifest, again).exact
    assert again.sha256 == manifest.sha256
    assert manifest.to_bytes() == again.to_bytes()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_published_manifests_hold_the_data_sets(name: str) -> None:
    manifest = published_manifest(name)
    assert isinstance(manifest, Manifest)
    assert (len(manifest.train), len(manifest.test)) == ((60_000 if name == "mnist" else 50_000), 10_000)
    assert len(np.unique(manifest.train.digests)) > 0.99 * len(manifest.train)
    assert set(manifest.train.labels) == set(manifest.test.labels) == set(range(10))


def test_other_data_sets_have_none() -> None:
    assert published_manifest("digits") is None
    assert published_manifest("photos") is None
