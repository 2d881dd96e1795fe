"""Augmentation: crops and flips against torchvision, the cutout, and what chance may do."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tvf

from benchmark.training.augmentation import MAX_STEPS, Draws, augmentation, normalise
from benchmark.training.randaugment_laws import FIXMATCH, SETTINGS

NAMES = (
    "none",
    "crop",
    "flip-crop",
    "flip-crop-reflect",
    "flip-shift-cutout",
    "strong",
    "strong-no-flip",
    "strong-usb",
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, height: int, width: int, channels: int) -> Tensor:
    """Noise whose range differs from image to image, (count, H, W, C) uint8."""
    noise = torch.rand(count, height, width, channels, generator=generator(9))
    low, high = 255 * torch.rand(2, count, 1, 1, 1, generator=generator(8))
    return (low + (high - low) * noise).to(torch.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_off_the_cpu_no_shape_depends_on_the_pixels(name: str) -> None:
    draws = augmentation(name).draw(1, 8, (32, 32), generator()).step(0).to("meta")
    images = torch.empty(8, 32, 32, 3, dtype=torch.uint8, device="meta")
    assert augmentation(name).apply(images, draws).shape == images.shape  # nonzero() would raise here


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_pixels_without_waiting(name: str) -> None:
    images = pictures(600, 32, 32, 3)
    draws = augmentation(name).draw(1, 600, (32, 32), generator()).step(0)
    there, drawn = images.cuda(), draws.to("cuda")
    augmentation(name).apply(there, drawn)  # the first call makes the tables
    torch.cuda.set_sync_debug_mode("error")
    try:
        augmented = augmentation(name).apply(there, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(augmented.cpu(), augmentation(name).apply(images, draws))


@pytest.mark.parametrize(
    ("name", "mode"), [("crop", "constant"), ("flip-crop", "constant"), ("flip-crop-reflect", "reflect")]
)
@pytest.mark.parametrize(("size", "padding"), [((32, 32, 3), 4), ((28, 28, 1), 3), ((20, 31, 3), 2)], ids=str)
def test_flip_and_crop_give_torchvisions_pixels(name: str, mode: str, size: tuple[int, int, int], padding: int) -> None:
    height, width, _ = size
    images = pictures(200, *size)
    draws = augmentation(name).draw(1, 200, (height, width), generator()).step(0)
    expected = []
    for image, flip, (top, left) in zip(images.permute(0, 3, 1, 2), draws.flip, draws.corner.tolist(), strict=True):
        flipped = tvf.hflip(image) if flip and name != "crop" else image
        expected.append(tvf.crop(tvf.pad(flipped, [padding], 0, mode), top, left, height, width))
    assert torch.equal(augmentation(name).apply(images, draws), torch.stack(expected).permute(0, 2, 3, 1))
    assert draws.corner.unique().tolist() == list(range(2 * padding + 1))


def test_a_crop_reaches_as_far_as_the_padding_says() -> None:
    shift = dataclasses.replace(augmentation("flip-crop-reflect"), padding=16)
    images = pictures(100, 32, 32, 3)
    draws = shift.draw(1, 100, (32, 32), generator()).step(0)
    assert draws.corner.unique().tolist() == [0, 1, 2, 3, 4]
    found = shift.apply(images, draws).permute(0, 3, 1, 2)
    for image, flip, (top, left), cut in zip(
        images.permute(0, 3, 1, 2), draws.flip, draws.corner.tolist(), found, strict=True
    ):
        padded = tvf.pad(tvf.hflip(image) if flip else image, [2], 0, "reflect")
        assert torch.equal(cut, tvf.crop(padded, top, left, 32, 32))


def test_none_returns_the_images() -> None:
    images = pictures(5, 8, 8, 1)
    draws = augmentation("none").draw(2, 5, (8, 8), generator())
    assert augmentation("none").apply(images, draws.step(1)) is images


@pytest.mark.parametrize(
    ("name", "size", "side"),
    [
        ("strong-no-flip", (32, 32, 3), 16),
        ("strong-no-flip", (28, 28, 1), 14),
        ("strong-no-flip", (10, 15, 1), 5),
        ("flip-shift-cutout", (32, 32, 3), 8),
    ],
    ids=str,
)
def test_cutout_is_a_grey_square_cut_off_at_the_border(name: str, size: tuple[int, int, int], side: int) -> None:
    height, width, _ = size
    strong = augmentation(name)
    draws = strong.draw(1, 300, (height, width), generator()).step(0)
    draws = draws._replace(operations=torch.full_like(draws.operations, SETTINGS.index(("Identity", 1, 1))))
    cut = strong.apply(torch.full((300, *size), 9, dtype=torch.uint8), draws)
    centred = draws._replace(corner=torch.full_like(draws.corner, min(height, width) // strong.padding))
    assert torch.equal(strong.apply(torch.full((300, *size), 9, dtype=torch.uint8), centred), cut)
    for image, (row, column) in zip(cut, draws.centre.tolist(), strict=True):
        expected = torch.full(size, 9, dtype=torch.uint8)
        top, left = row - side // 2, column - side // 2
        expected[max(0, top) : top + side, max(0, left) : left + side] = 127
        assert torch.equal(image, expected)
    assert (cut[:, :, :, 0] == 127).sum((1, 2)).max() == side * side
    assert draws.centre[:, 0].max() == height - 1
    assert draws.centre[:, 1].max() == width - 1


def test_draws_have_the_right_frequencies() -> None:
    draws = augmentation("strong").draw(100, 200, (32, 28), generator(3))
    assert draws.flip.float().mean() == pytest.approx(0.5, abs=0.02)
    for choices, values in (
        (draws.corner[..., 0], 7),
        (draws.corner[..., 1], 7),
        (draws.operations, len(FIXMATCH.rows)),
        (draws.centre[..., 0], 32),
        (draws.centre[..., 1], 28),
    ):
        counts = torch.bincount(choices.flatten().long(), minlength=values)
        expected = choices.numel() / values
        assert len(counts) == values
        assert ((counts - expected) ** 2 / expected).sum() < values + 5 * (2 * values) ** 0.5  # χ²


def test_draws_depend_on_the_generator_alone() -> None:
    strong = augmentation("strong")
    block = strong.draw(8, 5, (32, 32), generator(1))
    torch.manual_seed(77)
    again = generator(1)
    parts = [strong.draw(steps, 5, (32, 32), again) for steps in (3, 1, 4)]
    for whole, *pieces in zip(block, *parts, strict=True):
        assert torch.equal(whole, torch.cat(pieces))
    other = strong.draw(8, 5, (32, 32), generator(2))
    assert not torch.equal(block.operations, other.operations)
    assert all(not torch.equal(a, b) for a, b in pairwise(block.operations))


def test_augmentations_on_equal_generators_flip_and_crop_alike() -> None:
    for weak, strong in zip(
        augmentation("flip-crop").draw(4, 6, (32, 32), generator()),
        augmentation("strong").draw(4, 6, (32, 32), generator()),
        strict=True,
    ):
        assert torch.equal(weak, strong)


def test_a_step_is_read_by_number_or_by_tensor() -> None:
    draws = augmentation("strong").draw(6, 4, (8, 8), generator())
    by_number, by_tensor = draws.step(3), draws.step(torch.tensor([3]))
    for whole, a, b in zip(draws, by_number, by_tensor, strict=True):
        assert torch.equal(a, whole[3])
        assert torch.equal(b, whole[3])


@pytest.mark.parametrize("size", [(32, 32, 3), (28, 28, 1)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_does_not_depend_on_the_batch(name: str, size: tuple[int, int, int]) -> None:
    images = pictures(101, *size)
    draws = augmentation(name).draw(1, 101, size[:2], generator()).step(0)
    augmented = augmentation(name).apply(images, draws)
    assert augmented.shape == images.shape
    assert augmented.dtype == torch.uint8
    order = torch.randperm(101, generator=generator(5))[:37]
    chosen = Draws(*(choices[order] for choices in draws))
    assert torch.equal(augmentation(name).apply(images[order], chosen), augmented[order])


@pytest.mark.parametrize("name", ["flip-crop", "strong"])
def test_apply_leaves_its_input_alone(name: str) -> None:
    images = pictures(64, 32, 32, 3)
    before = images.clone()
    augmentation(name).apply(images, augmentation(name).draw(1, 64, (32, 32), generator()).step(0))
    assert torch.equal(images, before)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalise(channels: int) -> None:
    images = pictures(7, 20, 31, channels)
    mean, std = (
        torch.rand(channels, generator=generator()),
        torch.rand(channels, generator=generator(1)) + 0.1,
    )
    normalised = normalise(images, mean, std)
    expected = tvf.normalize(images.permute(0, 3, 1, 2) / 255, mean.tolist(), std.tolist())
    torch.testing.assert_close(normalised, expected, rtol=1e-5, atol=2e-6)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)


def test_mistakes_are_named() -> None:
    strong = augmentation("strong")
    images = pictures(4, 8, 8, 1)
    draws = strong.draw(2, 4, (8, 8), generator())
    with pytest.raises(ValueError, match=r"unknown augmentation 'cutmix': choose one of none, crop"):
        augmentation("cutmix")
    with pytest.raises(ValueError, match="cannot draw 1025 steps at once"):
        strong.draw(MAX_STEPS + 1, 4, (8, 8), generator())
    with pytest.raises(ValueError, match=r"draws for \(2, 4\) images do not fit 4"):
        strong.apply(images, draws)
    with pytest.raises(ValueError, match=r"draws for \(4,\) images do not fit 3"):
        strong.apply(images[:3], draws.step(0))
    with pytest.raises(ValueError, match="must be uint8"):
        strong.apply(images.float(), draws.step(0))
