"""USB's RandAugment: its values, its operations and its square against Pillow and against what its code draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor

from benchmark.training.augmentation import augmentation
from benchmark.training.randaugment import randaugment
from benchmark.training.randaugment_laws import LEVELS, OPERATIONS, USB

ENHANCERS = ("Brightness", "Color", "Contrast", "Sharpness")
RANGES = {  # of USB's augment_list
    **dict.fromkeys(ENHANCERS, (0.05, 0.95)),
    "Posterize": (4, 8),
    "Rotate": (-30, 30),
    **dict.fromkeys(["ShearX", "ShearY", "TranslateX", "TranslateY"], (-0.3, 0.3)),
    "Solarize": (0, 256),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, height: int, width: int, channels: int) -> Tensor:
    rng = np.random.default_rng(channels)
    coarse = rng.integers(0, 256, (count, height // 4 + 1, width // 4 + 1, channels), dtype=np.uint8)
    smooth = coarse.repeat(4, 1).repeat(4, 2)[:, :height, :width].astype(int)
    return torch.from_numpy((smooth + rng.integers(-30, 31, smooth.shape)).clip(0, 255).astype(np.uint8))


def with_pillow(image: Image.Image, name: str, value: float) -> Image.Image:
    width, height = image.size
    affine = {
        "ShearX": (1, value, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, value, 1, 0),
        "TranslateX": (1, 0, value * width, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, value * height),
    }
    if name in affine:
        return image.transform(image.size, Image.Transform.AFFINE, affine[name])
    if name in ENHANCERS:
        return getattr(ImageEnhance, name)(image).enhance(value)
    match name:
        case "AutoContrast":
            return ImageOps.autocontrast(image)
        case "Equalize":
            return ImageOps.equalize(image)
        case "Posterize":
            return ImageOps.posterize(image, int(value))
        case "Solarize":
            return ImageOps.solarize(image, value)
        case "Rotate":
            return image.rotate(value)
    return image


@pytest.mark.parametrize("size", [(32, 32, 3), (28, 28, 1), (20, 31, 3)], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_gives_pillows_pixels(name: str, size: tuple[int, int, int]) -> None:
    images = pictures(3, *size)
    first = OPERATIONS.index(name) * LEVELS
    for row in range(first, first + LEVELS, 15):
        ours = randaugment(images, torch.full((3, 1), row), USB, static_shapes=False)
        pillow = [with_pillow(Image.fromarray(i.squeeze(2).numpy()), name, USB.rows[row][1]) for i in images]
        expected = torch.stack([torch.from_numpy(np.array(image)).view(size) for image in pillow])
        difference = (ours.int() - expected.int()).abs()
        assert difference.max() <= (1 if name in ENHANCERS else 0), USB.rows[row]
        assert (difference > 0).float().mean() < 0.002


def test_operations_are_equally_likely_and_their_values_uniform() -> None:
    counts = Counter(name for name, _ in USB.rows)
    assert set(counts) == set(OPERATIONS)
    assert set(counts.values()) == {LEVELS}
    assert USB.per_image == 3
    for name, (low, high) in RANGES.items():
        values = np.sort([value for operation, value in USB.rows if operation == name])
        distribution = (values - low) / (high - low)
        steps = np.arange(LEVELS) / LEVELS
        assert np.abs(distribution - steps).max() <= 1 / LEVELS  # Kolmogorov's distance from the uniform law
        assert np.abs(distribution - steps - 1 / LEVELS).max() <= 1 / LEVELS


def test_whole_numbers_have_their_exact_law() -> None:
    """4 to 7 bits; and 1 to 256 grey levels below a threshold that is uniform in (0, 256)."""
    bits = Counter(int(value) for name, value in USB.rows if name == "Posterize")
    assert bits == dict.fromkeys(range(4, 8), LEVELS // 4)
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    first = OPERATIONS.index("Solarize") * LEVELS
    settings = torch.arange(first, first + LEVELS).view(-1, 1)
    solarized = randaugment(every.expand(LEVELS, -1, -1, -1), settings, USB, static_shapes=False)
    kept = (solarized == every).flatten(1).sum(1)  # 255 − v is never v
    below = Counter(kept.tolist())
    assert below == dict.fromkeys(range(1, 257), 1)


@pytest.mark.parametrize("size", [(32, 32, 3), (28, 28, 1), (20, 30, 3)], ids=str)
def test_the_square_is_pillows(size: tuple[int, int, int]) -> None:
    height, width, channels = size
    strong = augmentation("strong-usb")
    draws = strong.draw(1, 400, (height, width), generator()).step(0)
    identity = OPERATIONS.index("Identity") * LEVELS
    draws = draws._replace(operations=torch.full_like(draws.operations, identity))
    cut = strong.apply(torch.full((400, *size), 9, dtype=torch.uint8), draws)
    colour = (125, 123, 114) if channels == 3 else 123
    for image, (row, column, side) in zip(cut, draws.centre.tolist(), strict=True):
        v = min(height, width) / 2 * (side + 0.5) / 1024
        y, x = (row + 0.5) / 16, (column + 0.5) / 16
        y0, x0 = int(max(0, y - v / 2)), int(max(0, x - v / 2))
        blank = np.full(size, 9, dtype=np.uint8)
        expected = Image.fromarray(blank.squeeze(2) if channels == 1 else blank)
        ImageDraw.Draw(expected).rectangle((x0, y0, min(width, x0 + v), min(height, y0 + v)), colour)
        assert torch.equal(image, torch.from_numpy(np.array(expected)).view(size))


def test_what_is_drawn_covers_its_ranges_evenly() -> None:
    strong = augmentation("strong-usb")
    draws = strong.draw(100, 200, (32, 28), generator(3))
    assert draws.operations.shape == (100, 200, 3)
    assert draws.flip.float().mean() == pytest.approx(0.5, abs=0.02)
    operations = torch.bincount(draws.operations.flatten().long() // LEVELS, minlength=14)
    for counts in (
        operations,
        torch.bincount(draws.operations.flatten().long() % LEVELS, minlength=LEVELS),
        torch.bincount(draws.centre[..., 0].flatten().long() // 16, minlength=32),
        torch.bincount(draws.centre[..., 1].flatten().long() // 16, minlength=28),
        torch.bincount(draws.centre[..., 2].flatten().long() // 64, minlength=16),
    ):
        expected = counts.sum() / len(counts)
        assert ((counts - expected) ** 2 / expected).sum() < len(counts) + 5 * (2 * len(counts)) ** 0.5  # χ²


def test_short_blocks_draw_what_a_long_one_draws() -> None:
    strong, again = augmentation("strong-usb"), generator(1)
    block = strong.draw(6, 5, (32, 32), generator(1))
    parts = [strong.draw(steps, 5, (32, 32), again) for steps in (2, 1, 3)]
    for whole, *pieces in zip(block, *parts, strict=True):
        assert torch.equal(whole, torch.cat(pieces))


def test_the_largest_images_can_be_drawn_for() -> None:
    draws = augmentation("strong-usb").draw(1, 4000, (1024, 1024), generator())
    assert draws.centre.min() >= 0
    assert draws.centre[..., 0].max() > 15 * 1024
