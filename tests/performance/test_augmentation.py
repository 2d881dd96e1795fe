"""Batched augmentation against the usual loop over torchvision's transforms of Pillow images, on one thread.

    python -m pytest -o addopts= tests/performance/test_augmentation.py

A batch of 128 images of CIFAR-10's size; the draws of the batched form, which come in blocks, are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from comparison import compare, timed
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision import transforms

from benchmark.training.augmentation import augmentation, normalise

BATCH = 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images() -> Tensor:
    """A batch the size of CIFAR-10's images, smooth enough for the operations to have work to do."""
    coarse = torch.rand(BATCH, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8).contiguous()


def cutout(image: Image.Image) -> Image.Image:
    x, y = torch.randint(-8, 24, (2,)).tolist()
    ImageDraw.Draw(image).rectangle((x, y, x + 15, y + 15), (127, 127, 127))
    return image


def pillow_loop(images: Tensor, *steps: Callable[[Image.Image], Image.Image]) -> Callable[[], Tensor]:
    transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    arrays = images.numpy()
    return lambda: torch.stack([transform(Image.fromarray(array)) for array in arrays])


def batched(images: Tensor, name: str) -> Callable[[], Tensor]:
    draws = augmentation(name).draw(1, len(images), (32, 32), torch.Generator().manual_seed(0)).step(0)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return lambda: normalise(augmentation(name).apply(images, draws), mean, std)


def measure(benchmark: Any, ours: Callable[[], Tensor], baseline: Callable[[], Tensor]) -> None:
    assert ours().shape == baseline().shape == (BATCH, 3, 32, 32)
    compare(benchmark, timed(ours), timed(baseline), items=(BATCH, BATCH), unit="images")


@pytest.mark.benchmark(group="augmentation")
def test_flip_crop(benchmark: Any, images: Tensor) -> None:
    baseline = pillow_loop(images, transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, 4))
    measure(benchmark, batched(images, "flip-crop"), baseline)


@pytest.mark.benchmark(group="augmentation")
def test_strong(benchmark: Any, images: Tensor) -> None:
    crop = transforms.RandomCrop(32, 4, padding_mode="reflect")
    apply_half = transforms.RandomApply([transforms.RandAugment(num_ops=1)], p=0.5)
    baseline = pillow_loop(images, transforms.RandomHorizontalFlip(), crop, apply_half, apply_half, cutout)
    measure(benchmark, batched(images, "strong"), baseline)


@pytest.mark.benchmark(group="augmentation")
def test_draws(benchmark: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = timed(lambda: augmentation("strong").draw(1024, BATCH, (32, 32), generator))
    compare(benchmark, draw, items=(1024 * BATCH, 1), unit="images")
