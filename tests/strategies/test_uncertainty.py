"""The uncertainty scores against their definitions, written out in float64 loops."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import seeded
from torch import Tensor
from torch.nn.functional import cross_entropy

from strategies.api import ScoreStrategy
from strategies.entropy import Entropy
from strategies.least_confidence import LeastConfidence
from strategies.margin import Margin


def least_confidence(p: np.ndarray) -> float:
    return 1 - max(p)


def margin(p: np.ndarray) -> float:
    second, first = sorted(p)[-2:]
    return 1 - (first - second)


def entropy(p: np.ndarray) -> float:
    return -sum(x * math.log(x) for x in p if x > 0)


DEFINITIONS: list[tuple[ScoreStrategy, Callable[[np.ndarray], float]]] = [
    (LeastConfidence(), least_confidence),
    (Margin(), margin),
    (Entropy(), entropy),
]
of_each = pytest.mark.parametrize(("strategy", "definition"), DEFINITIONS, ids=lambda x: getattr(x, "name", ""))


def pool_of(probs: Tensor) -> Any:
    """A pool that has nothing but ``probs`` and indices: a score that reads more fails."""
    return SimpleNamespace(probs=probs, indices=torch.arange(len(probs)))


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


# --- entropy at a temperature


@pytest.mark.parametrize("temperature", [0.1, 0.7, 2, 15])
def test_entropy_at_a_temperature_is_that_of_the_divided_logits(temperature: float) -> None:
    logits = 3 * torch.randn(100, 5, generator=seeded(), dtype=torch.float64)
    pool = SimpleNamespace(logits=logits, indices=torch.arange(100))
    expected = [entropy(p) for p in (logits / temperature).softmax(1).numpy()]
    assert Entropy(temperature).score(pool).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_temperature_changes_which_images_come_first() -> None:
    logits = torch.tensor([[4.0, 3.9, -9, -9], [4.0, 2.5, 2.5, 2.5]])
    pool: Any = SimpleNamespace(logits=logits, probs=logits.softmax(1), indices=torch.arange(2))
    orders = {t: Entropy(t).select(pool, 2, seeded()).tolist() for t in (0.2, 1.0)}
    assert orders == {0.2: [0, 1], 1.0: [1, 0]}


def test_bare_entropy_reads_the_probabilities_and_needs_nothing() -> None:
    probs = torch.randn(300, 10, generator=seeded()).mul(4).softmax(1)
    assert Entropy().score(pool_of(probs)).equal(torch.special.entr(probs).sum(1))
    assert Entropy().needs == frozenset()
    assert Entropy(calibrated=True).needs == {"cross_fit"}


def test_calibrated_entropy_takes_the_temperature_of_the_held_out_labels() -> None:
    logits = 3 * torch.randn(50, 4, generator=seeded(), dtype=torch.float64)
    held_out = 6 * torch.randn(80, 4, generator=seeded(1), dtype=torch.float64)
    labels = torch.multinomial((held_out / 4).softmax(1), 1, generator=seeded(2)).squeeze(1)
    asked = []

    def cross_fit(share: float) -> tuple[Tensor, Tensor]:
        asked.append(share)
        return held_out, labels

    pool: Any = SimpleNamespace(logits=logits, indices=torch.arange(50), cross_fit=cross_fit)
    found = Entropy(calibrated=True).score(pool)
    best = min((t / 100 for t in range(200, 800)), key=lambda t: float(cross_entropy(held_out / t, labels)))
    assert 3 < best < 5
    torch.testing.assert_close(found, Entropy(best).score(pool), rtol=0.01, atol=0)
    assert asked == [0.3]


def test_calibrated_entropy_of_too_few_labels_is_entropy() -> None:
    probs = torch.randn(30, 4, generator=seeded()).softmax(1)
    pool: Any = SimpleNamespace(probs=probs, indices=torch.arange(30), cross_fit=lambda share: None)
    assert Entropy(calibrated=True).score(pool).equal(Entropy().score(pool))


@pytest.mark.parametrize("temperature", [0, -1, math.inf, math.nan])
def test_a_temperature_is_a_positive_number(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be a number above 0"):
        Entropy(temperature)


def test_a_temperature_is_given_or_fitted() -> None:
    with pytest.raises(ValueError, match="leave temperature out"):
        Entropy(2, calibrated=True)
