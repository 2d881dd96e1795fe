"""The uncertainty scores against their definitions, written out in float64 loops."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import seeded
from torch import Tensor

from strategies.api.base import ScoreStrategy, top
from strategies.bald import BALD, mutual_information
from strategies.testing import SyntheticPool
from strategies.uncertainty import Entropy, LeastConfidence, Margin


def least_confidence(p: np.ndarray) -> float:
    return 1 - max(p)


def margin(p: np.ndarray) -> float:
    second, first = sorted(p)[-2:]
    return 1 - (first - second)


def entropy(p: np.ndarray) -> float:
    return -sum(x * math.log(x) for x in p if x > 0)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p‖q)."""
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x > 0)


def disagreement(samples: np.ndarray) -> float:
    """The mean divergence of the samples (K, C) from their mean."""
    return float(np.mean([divergence(p, samples.mean(0)) for p in samples]))


DEFINITIONS: list[tuple[ScoreStrategy, Callable[[np.ndarray], float]]] = [
    (LeastConfidence(), least_confidence),
    (Margin(), margin),
    (Entropy(), entropy),
]
of_each = pytest.mark.parametrize(("strategy", "definition"), DEFINITIONS, ids=lambda x: getattr(x, "name", ""))


def pool_of(probs: Tensor) -> Any:
    """A pool that has nothing but ``probs``: a score that reads more fails."""
    return SimpleNamespace(probs=probs)


@of_each
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_scores_and_order(
    strategy: ScoreStrategy, definition: Callable[[np.ndarray], float], classes: int, scale: float
) -> None:
    probs = (scale * torch.randn(200, classes, generator=seeded(), dtype=torch.float64)).softmax(1)
    expected = np.array([definition(p) for p in probs.numpy()])
    assert strategy.score(pool_of(probs)).numpy() == pytest.approx(expected, abs=1e-12)
    assert strategy.score(pool_of(probs.float())).numpy() == pytest.approx(expected, abs=1e-5)
    chosen = strategy.select(pool_of(probs), 50, seeded()).numpy()
    assert expected[chosen] == pytest.approx(np.sort(expected)[::-1][:50], abs=1e-12)


@of_each
def test_uniform_is_the_most_and_certain_the_least_uncertain(
    strategy: ScoreStrategy, definition: Callable[[np.ndarray], float]
) -> None:
    probs = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]])
    scores = strategy.score(pool_of(probs))
    assert scores[0] == 0
    assert strategy.select(pool_of(probs), 3, seeded()).tolist() == [1, 2, 0]


def test_entropy_of_impossible_classes_is_exact() -> None:
    probs = torch.tensor([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    assert Entropy().score(pool_of(probs)).tolist() == [0, pytest.approx(math.log(2)), pytest.approx(math.log(4))]
    underflown = torch.tensor([[200.0, 0, -200]]).softmax(1)
    assert (underflown == 0).any()
    assert Entropy().score(pool_of(underflown)).tolist() == [0]


def test_the_three_disagree_where_they_should() -> None:
    probs = torch.tensor([[0.5, 0.5, 0, 0], [0.4, 0.2, 0.2, 0.2], [0.45, 0.35, 0.2, 0.0]])
    assert Margin().select(pool_of(probs), 1, seeded()).tolist() == [0]
    assert LeastConfidence().select(pool_of(probs), 1, seeded()).tolist() == [1]
    assert Entropy().select(pool_of(probs), 1, seeded()).tolist() == [1]
    assert Margin().select(pool_of(probs), 3, seeded()).tolist() == [0, 2, 1]


def test_binary_problems_have_one_order() -> None:
    probs = torch.randn(100, 2, generator=seeded(), dtype=torch.float64).softmax(1)
    orders = [strategy.select(pool_of(probs), 100, seeded()).tolist() for strategy, _ in DEFINITIONS]
    assert orders[0] == orders[1] == orders[2]
    torch.testing.assert_close(Margin().score(pool_of(probs)), 2 * LeastConfidence().score(pool_of(probs)))


@of_each
def test_ties_go_to_the_smaller_position(strategy: ScoreStrategy, definition: Callable[[np.ndarray], float]) -> None:
    unsure, sure = [0.5, 0.25, 0.25], [0.75, 0.125, 0.125]
    probs = torch.tensor([sure if i % 3 else unsure for i in range(1000)])
    expected = [*range(0, 1000, 3), *(i for i in range(1000) if i % 3)]
    for n in (1, 7, 400, 1000):
        assert strategy.select(pool_of(probs), n, seeded()).tolist() == expected[:n]


def test_top_refuses_nan_and_ranks_infinity() -> None:
    assert top(torch.tensor([1.0, torch.inf, -torch.inf, 2.0]), 4).tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match="not finite"):
        top(torch.tensor([1.0, torch.nan]), 1)


# --- BALD


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
