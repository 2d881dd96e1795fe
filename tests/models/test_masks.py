"""Which units dropout keeps: the same by any arithmetic, on every device, and without a pattern."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.models.masks import Masks

CPU = torch.device("cpu")


def by_hand(number: int, step: int, layer: int, count: int, probability: float, passes: int = 0) -> list[bool]:
    """The definition in Python's unbounded integers."""
    digest = hashlib.sha256(f"{number}/{step}/{layer}/{passes}".encode()).digest()
    factor, offset = int.from_bytes(digest[:4], "big") | 1, int.from_bytes(digest[4:8], "big")
    kept = []
    for unit in range(count):
        x = (unit * factor + offset) % 2**32
        x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
        x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
        x ^= x >> 16
        kept.append((x - 2**32 if x >= 2**31 else x) < round(probability * 2**32) - 2**31)
    return kept


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.integers(0, 30), st.floats(0.001, 0.999))
def test_the_hash_is_its_definition(number: int, step: int, layer: int, probability: float) -> None:
    masks = Masks(number)
    masks.begin(step)
    found = masks.kept(layer, (3, 11), probability, CPU)
    assert found.shape == (3, 11)
    assert found.flatten().tolist() == by_hand(number, step, layer, 33, probability)
    assert masks.kept(layer, (33,), probability, CPU).tolist() == by_hand(number, step, layer, 33, probability, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_keeps_the_same_units() -> None:
    on_gpu, here = Masks(5), Masks(5)
    for step in range(3):
        on_gpu.begin(step)
        here.begin(step)
        assert torch.equal(
            on_gpu.kept(1, (64, 999), 0.5, torch.device("cuda")).cpu(), here.kept(1, (64, 999), 0.5, CPU)
        )


def test_a_step_is_drawn_alone() -> None:
    """After a resume, or after other passes, a step has its own masks."""
    masks, resumed = Masks(8), Masks(8)
    drawn = []
    for step in range(4):
        masks.begin(step)
        drawn.append([masks.kept(layer, (50,), 0.5, CPU) for layer in (0, 1, 0)])
    resumed.begin(3)
    again = [resumed.kept(layer, (50,), 0.5, CPU) for layer in (0, 1, 0)]
    assert all(torch.equal(a, b) for a, b in zip(again, drawn[3], strict=True))
    assert not torch.equal(again[0], again[2])


@pytest.mark.parametrize("probability", [0.001, 0.25, 0.5, 0.75, 0.9, 0.9999])
def test_units_are_kept_as_often_as_they_should_be(probability: float) -> None:
    masks = Masks(2)
    counts = []
    for step in range(200):
        masks.begin(step)
        counts.append(int(masks.kept(0, (100, 100), probability, CPU).sum()))
    total, expected = sum(counts), 2e6 * probability
    assert abs(total - expected) < 4 * (expected * (1 - probability)) ** 0.5
    if 0.1 < probability < 0.95:  # and from step to step they vary as independent draws do
        spread = sum((c - 1e4 * probability) ** 2 for c in counts) / (1e4 * probability * (1 - probability))
        assert 1e-4 < stats.chi2.cdf(spread, 200) < 1 - 1e-4


@pytest.mark.parametrize("pair", ["units", "images", "layers", "steps", "passes", "streams"])
def test_masks_are_not_correlated(pair: str) -> None:
    """Neighbouring units, images, layers, steps, passes and streams agree on half of a fair mask."""
    agreeing = count = 0
    for number in range(60):
        masks, other = Masks(number), Masks(number + 1000)
        masks.begin(7)
        first = masks.kept(0, (64, 128), 0.5, CPU)
        if pair == "units":
            a, b = first[:, 1:], first[:, :-1]
        elif pair == "images":
            a, b = first[1:], first[:-1]
        elif pair == "layers":
            a, b = first, masks.kept(1, (64, 128), 0.5, CPU)
        elif pair == "passes":
            a, b = first, masks.kept(0, (64, 128), 0.5, CPU)
        else:
            follower = masks if pair == "steps" else other
            follower.begin(8 if pair == "steps" else 7)
            a, b = first, follower.kept(0, (64, 128), 0.5, CPU)
        agreeing += int((a == b).sum())
        count += a.numel()
    assert abs(agreeing - count / 2) < 4 * (count / 4) ** 0.5


def test_patterns_of_eight_units_are_all_as_frequent() -> None:
    """Also at strides that are powers of two, as the rows of a layer are."""
    masks = Masks(4)
    for stride in (1, 64, 128, 1024):
        patterns = np.zeros(256, dtype=np.int64)
        for step in range(40):
            masks.begin(step)
            bits = masks.kept(0, (8, 1, 8192), 0.5, CPU).flatten()
            rows = torch.stack([bits[i * stride : i * stride + 8192] for i in range(8)]).to(torch.int64)
            codes = (rows * (2 ** torch.arange(8)[:, None])).sum(0)[:: max(1, 8 if stride == 1 else 1)]
            patterns += torch.bincount(codes[: stride if stride > 1 else None], minlength=256).numpy()
        assert stats.chisquare(patterns).pvalue > 1e-4, stride
