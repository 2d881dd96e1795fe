"""RandAugment: every operation against Pillow, image by image."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from benchmark.training.randaugment import OPERATIONS, randaugment
from benchmark.training.randaugment_laws import FIXMATCH, SETTINGS

ENHANCERS = {"Brightness", "Color", "Contrast", "Sharpness"}


def pictures(count: int, height: int, width: int, channels: int) -> Tensor:
    """Smooth, noisy, dark, flat, two-valued and constant images, (count, H, W, C) uint8."""
    rng = np.random.default_rng(height * width + channels)
    images = []
    for number in range(count):
        coarse = rng.integers(0, 256, (5, 5, channels), dtype=np.uint8)
        bands = [
            Image.fromarray(band).resize((width, height), Image.Resampling.BICUBIC)
            for band in coarse.transpose(2, 0, 1)
        ]
        image = np.stack([np.asarray(band) for band in bands], axis=2).astype(int)
        kind = number % 6
        if kind == 1:
            image += rng.integers(-40, 41, image.shape)
        elif kind == 2:
            image = image // 3 + 20
        elif kind == 3:
            image[image > 128] = 255  # large areas of one value
        elif kind == 4:
            image = np.where(image > 128, 200, 60)
        elif kind == 5:
            image[:] = rng.integers(0, 256, channels)
        images.append(image.clip(0, 255))
    return torch.from_numpy(np.stack(images).astype(np.uint8))


def to_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(image.squeeze(2).numpy())


def from_pillow(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).view(image.height, image.width, -1)


def with_pillow(image: Image.Image, name: str, magnitude: int, sign: int) -> Image.Image:
    """What the definition says, an image at a time."""
    level = magnitude / 10
    width, height = image.size
    shear, horizontal, vertical = (
        sign * level * 0.3,
        sign * int(level * 0.3 * width),
        sign * int(level * 0.3 * height),
    )
    affine = {
        "ShearX": (1, shear, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, shear, 1, 0),
        "TranslateX": (1, 0, horizontal, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, vertical),
    }
    if name in affine:
        return image.transform(image.size, Image.Transform.AFFINE, affine[name])
    if name in ENHANCERS:
        return getattr(ImageEnhance, name)(image).enhance(level * 0.9 + 0.05)
    match name:
        case "AutoContrast":
            return ImageOps.autocontrast(image)
        case "Equalize":
            return ImageOps.equalize(image)
        case "Posterize":
            return ImageOps.posterize(image, 4 + int(level * 4))
        case "Solarize":
            return ImageOps.solarize(image, 256 - int(level * 256))
        case "Rotate":
            return image.rotate(sign * level * 30)
    assert name == "Identity"
    return image


@pytest.mark.parametrize("size", [(32, 32, 3), (28, 28, 1), (8, 8, 1), (20, 31, 3)], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_gives_pillows_pixels(name: str, size: tuple[int, int, int]) -> None:
    images = pictures(12, *size)
    changed = False
    for magnitude in range(1, 10):
        for sign in (1, -1):
            setting = SETTINGS.index((name, magnitude, sign))
            ours = randaugment(images, torch.full((12, 1), setting), FIXMATCH, static_shapes=False)
            expected = torch.stack([from_pillow(with_pillow(to_pillow(i), name, magnitude, sign)) for i in images])
            difference = (ours.int() - expected.int()).abs()
            # Pillow's C code may or may not fuse a multiplication and an addition before it cuts off.
            tolerance = 1 if name in ENHANCERS else 0
            assert difference.max() <= tolerance, (magnitude, sign)
            assert (difference > 0).float().mean() < 0.001
            changed |= not torch.equal(ours, images)
    grey, tiny = size[2] == 1, size[0] * size[1] < 255
    assert changed == (name not in {"Identity", "Color" * grey, "Equalize" * tiny})


def test_operations_follow_one_another() -> None:
    images = pictures(6, 32, 32, 3)
    first, second = ("Rotate", 5, -1), ("Equalize", 1, 1)
    settings = torch.tensor([[SETTINGS.index(first), SETTINGS.index(second)]] * 6)
    expected = [from_pillow(with_pillow(with_pillow(to_pillow(i), *first), *second)) for i in images]
    assert torch.equal(randaugment(images, settings, FIXMATCH, static_shapes=False), torch.stack(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_static_shapes_give_the_same_pixels(channels: int) -> None:
    images = pictures(600, 12, 12, channels)
    settings = torch.randint(len(FIXMATCH.rows), (600, 2), generator=torch.Generator().manual_seed(0))
    before = images.clone()
    apart = randaugment(images, settings, FIXMATCH, static_shapes=False)
    together = randaugment(images, settings, FIXMATCH, static_shapes=True)
    assert torch.equal(apart, together)
    assert torch.equal(images, before)


def test_operations_are_equally_likely_and_applied_half_the_time() -> None:
    counts = Counter(name for name, _ in FIXMATCH.rows)
    applied = {name: counts[name] for name in OPERATIONS if name != "Identity"}
    assert len(OPERATIONS) == 14
    assert set(applied.values()) == {len(FIXMATCH.rows) // 28}
    assert {magnitude for _, magnitude, _ in SETTINGS} == set(range(1, 10))
    assert FIXMATCH.per_image == 2


def test_randaugment_refuses_other_channels() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        randaugment(
            torch.zeros(2, 8, 8, 4, dtype=torch.uint8),
            torch.zeros(2, 2, dtype=torch.int16),
            FIXMATCH,
            static_shapes=True,
        )
