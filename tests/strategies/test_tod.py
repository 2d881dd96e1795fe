"""TOD against its definition."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from support.made_up import drawn_pool, seeded

from strategies.tod import TOD


def test_tod_buys_the_largest_discrepancy() -> None:
    images = drawn_pool(50)
    assert images.previous_probs is not None
    expected = [float(((p - q) ** 2).sum()) / 2 for p, q in zip(images.probs, images.previous_probs, strict=True)]
    order = np.argsort(-np.array(expected), kind="stable")
    assert TOD().select(images, 20, seeded()).tolist() == order[:20].tolist()
    broken = replace(images, previous_probs=images.previous_probs * torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        TOD().select(broken, 5, seeded())


def test_tod_draws_uniformly_in_round_0() -> None:
    images = replace(drawn_pool(10), previous_probs=None)
    generator = seeded()
    counts = torch.zeros(10)
    for _ in range(1000):
        counts[TOD().select(images, 3, generator)] += 1
    assert counts.sum() == 3000
    assert chisquare(counts.numpy()).pvalue > 0.001
