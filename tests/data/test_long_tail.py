"""Long-tailed data: how many images of each class are left, and which."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.data.arrays import Arrays, checked
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.data.long_tail import long_tailed


def data(classes: int = 5, each: int = 100) -> ImageData:
    labels = np.arange(classes * each) % classes
    pixels = np.arange(classes * each, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2, 1)  # each image its number
    return checked("mine", Arrays("here", pixels, labels, pixels[:classes], labels[:classes]))


def numbers(found: ImageData) -> list[int]:
    return found.train_images.flatten(1).numpy().copy().view(np.uint16).ravel().tolist()


def test_classes_shrink_by_equal_factors_to_the_ratio_asked_for() -> None:
    found = long_tailed(data(), 16)
    assert torch.bincount(found.train_labels).tolist() == [100, 50, 25, 12, 6]
    whole = data()
    for number in range(5):
        of_class = [i for i in range(500) if i % 5 == number]
        kept = [i for i, label in zip(numbers(found), found.train_labels.tolist(), strict=True) if label == number]
        assert kept == of_class[: len(kept)]  # the first ones, in order
    assert torch.equal(found.test_images, whole.test_images)
    assert found.sha256 not in (whole.sha256, long_tailed(data(), 8).sha256)
    assert found.sha256 == long_tailed(data(), 16).sha256


def test_published_sizes_of_long_tailed_cifar10() -> None:
    found = long_tailed(data(10, 5000), 100)
    sizes = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]  # CIFAR-10-LT with imbalance 100, of 12,406 images
    assert torch.bincount(found.train_labels).tolist() == sizes


def test_an_unbalanced_set_starts_from_its_smallest_class() -> None:
    whole = data(2, 50)
    few = checked("mine", Arrays("here", *(x.numpy() for x in (whole.train_images[:41], whole.train_labels[:41])),
                                 *(x.numpy() for x in (whole.test_images, whole.test_labels))))  # fmt: skip
    assert torch.bincount(few.train_labels).tolist() == [21, 20]
    assert torch.bincount(long_tailed(few, 4).train_labels).tolist() == [20, 5]


def test_no_class_may_be_lost() -> None:
    with pytest.raises(DatasetError, match="imbalance 101 leaves no image of class 4: at most 100 is possible"):
        long_tailed(data(), 101)


def test_ratios_that_differ_late_are_other_data() -> None:
    whole = data()
    assert long_tailed(whole, 12.2).sha256 != long_tailed(whole, 12.200001).sha256
