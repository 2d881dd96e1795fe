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
    assert TOD("topk").select(images, 20, seeded()).tolist() == order[:20].tolist()
    broken = replace(images, previous_probs=images.previous_probs * torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        TOD().select(broken, 5, seeded())


def test_tod_takes_the_greatest_of_a_random_ten_times_the_batch() -> None:
    images = drawn_pool(400)
    assert images.previous_probs is not None
    scores = (images.probs - images.previous_probs).square().sum(dim=1)
    rank = torch.empty(400, dtype=torch.int64)
    rank[scores.argsort(descending=True)] = torch.arange(400)
    generator = seeded()
    batches = [rank[TOD().select(images, 4, generator)] for _ in range(300)]
    first = torch.stack([batch[0] for batch in batches]).double()
    assert all(batch.tolist() == sorted(batch.tolist()) for batch in batches)
    # The smallest of 40 ranks of 400 without replacement is 401 / 41 − 1 in the mean.
    assert float(first.mean()) == pytest.approx(401 / 41 - 1, abs=4 * float(first.std()) / 300**0.5)
    assert TOD().select(images, 40, seeded()).tolist() == TOD("topk").select(images, 40, seeded()).tolist()
    assert TOD().draws_subset
    assert not TOD("topk").draws_subset


def test_tod_draws_uniformly_in_round_0() -> None:
    images = replace(drawn_pool(10), previous_probs=None)
    generator = seeded()
    counts = torch.zeros(10)
    for _ in range(1000):
        counts[TOD().select(images, 3, generator)] += 1
    assert counts.sum() == 3000
    assert chisquare(counts.numpy()).pvalue > 0.001
