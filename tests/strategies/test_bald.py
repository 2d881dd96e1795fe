"""BALD against its definition, the mean divergence of the samples from their mean."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.made_up import seeded
from support.monte_carlo import entropy

from strategies.bald import BALD
from strategies.kernels.mixtures import mutual_information
from strategies.testing import SyntheticPool


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p‖q)."""
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x > 0)


def disagreement(samples: np.ndarray) -> float:
    """The mean divergence of the samples (K, C) from their mean."""
    return float(np.mean([divergence(p, samples.mean(0)) for p in samples]))


def test_bald_is_the_mean_divergence_from_the_mean() -> None:
    samples = (3 * torch.randn(60, 25, 7, generator=seeded(), dtype=torch.float64)).softmax(2)
    expected = np.array([disagreement(p) for p in samples.numpy()])
    assert mutual_information(samples).numpy() == pytest.approx(expected, abs=1e-12)
    assert mutual_information(samples.float()).numpy() == pytest.approx(expected, abs=1e-5)
    of_mean = np.array([entropy(p.mean(0)) for p in samples.numpy()])
    mean_of = np.array([np.mean([entropy(q) for q in p]) for p in samples.numpy()])
    assert mutual_information(samples).numpy() == pytest.approx(of_mean - mean_of, abs=1e-12)


def test_bald_of_agreement_is_zero_and_of_certain_disagreement_log_c() -> None:
    unsure = torch.full((1, 6, 3), 1 / 3, dtype=torch.float64)
    votes = torch.eye(3, dtype=torch.float64).repeat(2, 1)[None]
    assert mutual_information(torch.cat([unsure, votes])).tolist() == pytest.approx([0, math.log(3)], abs=1e-12)


def test_bald_reads_as_many_samples_as_it_was_told() -> None:
    pool = SyntheticPool.draw(50)
    for samples in (2, 20):
        expected = [disagreement(p) for p in pool.mc_probs(samples).double().numpy()]
        assert BALD(samples).score(pool).tolist() == pytest.approx(expected, abs=1e-5)
        best = np.argsort(expected)[::-1][:5]
        assert BALD(samples).select(pool, 5, seeded()).tolist() == best.tolist()
    with pytest.raises(ValueError, match="at least 2"):
        BALD(1)


def test_bald_ignores_what_all_samples_say() -> None:
    """Uncertainty in which the samples agree (noise in the images) buys nothing, unlike with entropy."""
    pool = SyntheticPool.draw(50)
    noisy = torch.zeros_like(pool.points)
    noisy[25:] = pool.points[25:]
    mixed = replace(pool, points=noisy)
    assert BALD().score(mixed)[:25].abs().max() < 1e-6
    assert BALD().select(mixed, 25, seeded()).min() >= 25
