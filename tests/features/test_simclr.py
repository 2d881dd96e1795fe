"""SimCLR: its loss and its views against brute force and torchvision, and its training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.tiny_features import TINY, source_of
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as reference

from benchmark.data import datasets
from benchmark.experiment import FeatureSettings
from benchmark.features import simclr

PLAIN = torch.tensor([1.0, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9])  # the whole image as it is


def noise(channels: int, side: int = 12, count: int = 6) -> Tensor:
    return torch.rand((count, channels, side, side), generator=torch.Generator().manual_seed(0))


def draws_with(**values: float) -> Tensor:
    names = ("area", "ratio", "x", "y", "turn", "mirror", "brightness", "contrast", "saturation", "hue", "jitter")
    draws = PLAIN.clone()
    for name, value in values.items():
        draws[(*names, "grey").index(name)] = value
    return draws.expand(6, -1)


def test_nt_xent_is_the_papers() -> None:
    projected = torch.randn((8, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = [row / row.square().sum().sqrt() for row in projected]
    losses = []
    for i in range(8):
        j = (i + 4) % 8
        others = sum(math.exp(z[i] @ z[k] / 0.3) for k in range(8) if k != i)
        losses.append(-math.log(math.exp(z[i] @ z[j] / 0.3) / others))
    assert simclr.nt_xent(projected, 0.3).item() == pytest.approx(sum(losses) / 8, rel=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_of_the_whole_is_the_image(channels: int) -> None:
    images = noise(channels)
    torch.testing.assert_close(simclr.view(images, draws_with(), flip=False), images, rtol=0, atol=1e-5)
    mirrored = simclr.view(images, draws_with(mirror=0.1), flip=True)
    torch.testing.assert_close(mirrored, images.flip(3), rtol=0, atol=1e-5)
    unmirrored = simclr.view(images, draws_with(mirror=0.1), flip=False)
    torch.testing.assert_close(unmirrored, images, rtol=0, atol=1e-5)


def test_a_crop_is_a_resized_part() -> None:
    images = noise(3)
    quarter = (0.25 - 0.2) / 0.8  # of the area: half of each side
    found = simclr.view(images, draws_with(area=quarter, x=1.0, y=0.0), flip=False)
    expected = F.interpolate(images[:, :, :6, 6:], (12, 12), mode="bilinear")
    # At the rims of the part its neighbours outside shine in; everywhere else it is torch's own resizing.
    torch.testing.assert_close(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], rtol=0, atol=1e-5)
    wide = simclr.view(images, draws_with(ratio=1.0, y=0.5), flip=False)  # 1 : 3/4, from the middle
    rows = F.interpolate(images[:, :, 1:-1], (12, 12), mode="bilinear")
    height = math.sqrt(3 / 4) * 12
    assert 10 < height < 11
    assert (wide - rows).abs().mean() < (wide - images).abs().mean()


def test_grey_images_are_turned_and_colour_images_are_not() -> None:
    bar = torch.zeros((6, 1, 12, 12))
    bar[:, :, 1:11, 5:7] = 1
    turned = simclr.view(bar, draws_with(turn=1.0), flip=False)[0, 0]
    back = simclr.view(turned.expand_as(bar), draws_with(turn=0.0), flip=False)[0, 0]
    assert (turned[:4].argmax(1) != turned[-4:].argmax(1)).all()  # it leans
    assert ((back > 0.4) == (bar[0, 0] > 0.5)).float().mean() > 0.9
    colour = noise(3)
    torch.testing.assert_close(simclr.view(colour, draws_with(turn=1.0), flip=False), colour, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "adjust"),
    [
        ("brightness", reference.adjust_brightness),
        ("contrast", reference.adjust_contrast),
        ("saturation", reference.adjust_saturation),
    ],
)
@pytest.mark.parametrize("draw", [0.0, 0.3, 0.9])
def test_jitters_are_torchvisions(name: str, adjust: Callable[[Tensor, float], Tensor], draw: float) -> None:
    images = 0.3 + 0.4 * noise(3)
    found = simclr.view(images, draws_with(**{name: draw, "jitter": 0.1}), flip=False)
    torch.testing.assert_close(found, adjust(images, 0.6 + 0.8 * draw), rtol=0, atol=2e-3)
    torch.testing.assert_close(simclr.view(images, draws_with(**{name: draw}), flip=False), images, rtol=0, atol=1e-5)


def test_the_hue_keeps_the_luma_and_grey_has_no_hue() -> None:
    images = 0.4 + 0.2 * noise(3)
    luma = torch.tensor([0.299, 0.587, 0.114])
    turned = simclr.view(images, draws_with(hue=0.9, jitter=0.1), flip=False)
    assert (turned - images).abs().max() > 0.02
    torch.testing.assert_close(luma @ turned.flatten(2), luma @ images.flatten(2), rtol=0, atol=1e-3)
    back = simclr.view(turned, draws_with(hue=0.1, jitter=0.1), flip=False)
    torch.testing.assert_close(back, images, rtol=0, atol=1e-3)
    grey = simclr.view(images, draws_with(hue=0.9, jitter=0.1, grey=0.1), flip=False)
    torch.testing.assert_close(grey, (luma @ images.flatten(2)).view(6, 1, 12, 12).expand_as(grey), rtol=0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_depends_on_its_own_draws_only(channels: int) -> None:
    images, draws = noise(channels), torch.rand((6, 12), generator=torch.Generator().manual_seed(1))
    views = simclr.view(images, draws, flip=True)
    assert views.min() >= 0
    assert views.max() <= 1
    some = torch.tensor([4, 1])
    torch.testing.assert_close(simclr.view(images[some], draws[some], flip=True), views[some], rtol=0, atol=1e-6)


def twenty_nearest(features: Tensor, labels: Tensor) -> float:
    """The share of images whose label most of their 20 nearest neighbours by the cosine have."""
    unit = F.normalize(features)
    nearest = (unit @ unit.T).fill_diagonal_(-1).topk(20).indices
    return float((F.one_hot(labels[nearest], 10).sum(1).argmax(1) == labels).float().mean())


def test_training_brings_images_of_a_class_together(digits: datasets.ImageData, tmp_path: Path) -> None:
    nothing = FeatureSettings(steps=1, batch_size=2, learning_rate=1e-12)
    some = FeatureSettings(steps=150, batch_size=128, learning_rate=5e-3)
    before, after = (source_of(digits, tmp_path, settings)() for settings in (nothing, some))
    assert before.shape == after.shape == (1258, 16)
    assert twenty_nearest(after, digits.train_labels) > twenty_nearest(before, digits.train_labels) + 0.02


def test_features_are_the_same_bits_and_draw_nothing_global(digits: datasets.ImageData, tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with torch.no_grad():  # as in a query
        found = source_of(digits, tmp_path / "a")()
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(4)
    assert source_of(digits, tmp_path / "b")().equal(found)
    assert not source_of(digits, tmp_path, seed=1)().equal(found)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_an_interrupted_training_goes_on_with_the_same_bits(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simclr, "BLOCK", 2)
    through = source_of(digits, tmp_path / "through")()
    steps = 0
    real = simclr.nt_xent

    def dying(projected: Tensor, temperature: float) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return real(projected, temperature)

    monkeypatch.setattr(simclr, "nt_xent", dying)
    with pytest.raises(KeyboardInterrupt):
        source_of(digits, tmp_path / "killed")()
    assert [path.suffix for path in (tmp_path / "killed" / "features").glob("*.p*")] == [".partial"]
    assert source_of(digits, tmp_path / "killed")().equal(through)
    assert steps == 4 + 3  # of five: those behind the first block
    assert [path.suffix for path in (tmp_path / "killed" / "features").glob("*.p*")] == [".pt"]


def test_every_image_comes_once_before_any_comes_again() -> None:
    order = simclr._order(10, 25, torch.Generator().manual_seed(0))
    assert len(order) == 25
    assert [len(part.unique()) for part in order.split(10)] == [10, 10, 5]


def test_a_diverged_training_is_an_error_and_leaves_nothing(digits: datasets.ImageData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lower features\.learning_rate"):
        source_of(digits, tmp_path, dataclasses.replace(TINY, learning_rate=1e30))()
    assert not list(tmp_path.rglob("*.pt"))
