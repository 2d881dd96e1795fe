"""FALCUN's law against its definition written out, with scikit-learn's scaler."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import MinMaxScaler
from support.made_up import normal, pool_of, seeded

from strategies.falcun import FALCUN, relevance
from strategies.margin import Margin
from strategies.testing import SyntheticPool


def law(probs: np.ndarray, drawn: list[int], gamma: float) -> np.ndarray:
    """What each image is drawn with next, (N,), once those of ``drawn`` are."""
    top = np.sort(probs, axis=1)
    uncertainty = 1 - (top[:, -1] - top[:, -2])
    distance = uncertainty.copy()
    for pick in drawn:
        distance = np.minimum(distance, pairwise_distances(probs, probs[[pick]], metric="l1").ravel())
    left = np.array([i for i in range(len(probs)) if i not in drawn])
    chances = np.zeros(len(probs))
    if distance[left].sum() == 0:
        chances[left] = 1 / len(left)
        return chances
    scaled = MinMaxScaler().fit_transform(distance[left].reshape(-1, 1)).ravel()
    chances[left] = (scaled + uncertainty[left]) ** gamma
    return chances / chances.sum()


@pytest.mark.parametrize("gamma", [0.0, 1.0, 10.0])
def test_falcun_draws_with_the_probabilities_of_its_definition(gamma: float) -> None:
    for seed in range(5):
        probs = (2 * normal(40, 4, seed=seed)).softmax(dim=1)
        uncertainty = Margin().score(pool_of(probs=probs))
        drawn = torch.randperm(40, generator=seeded(seed))[:6].tolist()
        distance, free = uncertainty, torch.ones(40, dtype=torch.bool)
        for count in range(len(drawn) + 1):
            weights = relevance(uncertainty, distance, free, gamma)
            expected = law(probs.numpy(), drawn[:count], gamma)
            assert (weights / weights.sum()).numpy() == pytest.approx(expected, rel=1e-9, abs=1e-15)
            if count < len(drawn):
                distance = torch.minimum(distance, (probs - probs[drawn[count]]).abs().sum(dim=1))
                free[drawn[count]] = False


def test_the_extremes_are_those_of_the_images_not_drawn_and_are_not_carried_on() -> None:
    """Where the rescaled distances are carried on, as in scikit-activeml, the third draw is another."""
    probs = (2 * normal(12, 3, seed=1)).softmax(dim=1).numpy()
    top = np.sort(probs, axis=1)
    carried = uncertainty = 1 - (top[:, -1] - top[:, -2])
    for pick in (3, 7):
        carried = np.minimum(carried, np.abs(probs - probs[pick]).sum(axis=1))
        carried = (carried - carried.min()) / (carried.max() - carried.min())
    other = np.where(np.isin(np.arange(12), (3, 7)), 0, (uncertainty + carried) ** 10)
    assert np.abs(other / other.sum() - law(probs, [3, 7], 10)).max() > 0.05


def test_falcun_draws_in_proportion() -> None:
    probs = normal(5, 3).softmax(dim=1)
    images, generator, draws = pool_of(probs=probs), seeded(), 3000
    seen = Counter(tuple(FALCUN(2).select(images, 3, generator).tolist()) for _ in range(draws))
    expected = {}
    for i, j, k in permutations(range(5), 3):
        steps = (law(probs.numpy(), drawn, 2) for drawn in ([], [i], [i, j]))
        expected[i, j, k] = draws * float(np.prod([step[pick] for step, pick in zip(steps, (i, j, k), strict=True)]))
    common = [picks for picks, count in expected.items() if count >= 5]
    observed, predicted = [seen[picks] for picks in common], [expected[picks] for picks in common]
    if len(common) < len(expected):
        observed.append(draws - sum(observed))
        predicted.append(draws - sum(predicted))
    assert chisquare(observed, predicted).pvalue > 0.001


@pytest.mark.parametrize("rows", [[1, 1, 1, 1], [0, 1, 2, 0]])
def test_falcun_of_certain_images_draws_uniformly(rows: list[int]) -> None:
    """Of one class or of several: all margins are 1, and all distances 0 from the first draw on."""
    images, generator = pool_of(probs=torch.eye(3)[rows]), seeded()
    seen = Counter(tuple(FALCUN().select(images, 2, generator).tolist()) for _ in range(600))
    assert len(seen) == 12
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_falcun_is_uniform_among_images_that_are_all_like_one_that_was_drawn() -> None:
    """Uncertain duplicates: the uncertainty alone would prefer those of the smaller margin."""
    distance, free = torch.zeros(6, dtype=torch.float64), torch.arange(6) > 1
    uncertainty = torch.tensor([0.9, 0.1, 0.9, 0.9, 0.1, 0.1], dtype=torch.float64)
    assert relevance(uncertainty, distance, free, gamma=10).equal(free.double())


def test_falcun_with_a_large_gamma_takes_the_maximum() -> None:
    pool = SyntheticPool.draw(50)
    sharp = FALCUN(1e4).select(pool, 10, seeded()).tolist()
    assert sharp == FALCUN(1e4).select(pool, 10, seeded(1)).tolist()
    assert sharp[0] == int(Margin().score(pool).argmax())
    with pytest.raises(ValueError, match="gamma must be at least 0, not -1"):
        FALCUN(-1)
