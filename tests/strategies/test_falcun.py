"""FALCUN against brute force and scikit-activeml.

``golden/diversity.npz`` holds what scikit-activeml 1.0.1 chose on stored predictions and embeddings, once:
``Falcun`` with its utilities.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from support.made_up import golden, normal, pool_of, seeded

from strategies.falcun import FALCUN, relevance, updated
from strategies.margin import Margin
from strategies.testing import SyntheticPool


def test_falcun_draws_with_the_probabilities_of_scikit_activeml() -> None:
    stored = golden("diversity")
    probs, picks = torch.from_numpy(stored["falcun_probs"]), stored["falcun_picks"]
    uncertainty = Margin().score(pool_of(probs=probs))
    distance, free = uncertainty, torch.ones(len(probs), dtype=torch.bool)
    for pick, expected in zip(picks, stored["falcun_utilities"], strict=True):
        weights = relevance(uncertainty, distance, free, gamma=10)
        found = (weights / weights.sum()).numpy()
        assert found == pytest.approx(np.nan_to_num(expected), rel=1e-9, abs=1e-15)
        free[pick] = False
        distance = updated(distance, probs, torch.tensor([pick]))


def test_falcun_draws_in_proportion() -> None:
    probs = normal(5, 3).softmax(dim=1)
    images, generator, draws = pool_of(probs=probs), seeded(), 1500
    uncertainty, everything = Margin().score(images), torch.ones(5, dtype=torch.bool)
    seen = Counter(tuple(FALCUN(2).select(images, 2, generator).tolist()) for _ in range(draws))
    first = relevance(uncertainty, uncertainty, everything, 2)
    expected = {}
    for i in range(5):
        distance = updated(uncertainty, probs, torch.tensor([i]))
        second = relevance(uncertainty, distance, torch.arange(5) != i, 2)
        for j in set(range(5)) - {i}:
            expected[i, j] = draws * float(first[i] / first.sum() * second[j] / second.sum())
    common = [pair for pair, count in expected.items() if count >= 5]
    others = [draws - sum(seen[pair] for pair in common), draws - sum(expected[pair] for pair in common)]
    observed, predicted = [seen[pair] for pair in common], [expected[pair] for pair in common]
    if len(common) < len(expected):
        observed.append(others[0])
        predicted.append(others[1])
    assert chisquare(observed, predicted).pvalue > 0.001


def test_falcun_of_certain_images_of_one_class_draws_uniformly() -> None:
    images, generator = pool_of(probs=torch.eye(3)[[1, 1, 1, 1]]), seeded()
    seen = Counter(tuple(FALCUN().select(images, 2, generator).tolist()) for _ in range(600))
    assert len(seen) == 12
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_falcun_with_a_large_gamma_takes_the_maximum() -> None:
    pool = SyntheticPool.draw(50)
    sharp = FALCUN(1e4).select(pool, 10, seeded()).tolist()
    assert sharp == FALCUN(1e4).select(pool, 10, seeded(1)).tolist()
    assert sharp[0] == int(Margin().score(pool).argmax())
    with pytest.raises(ValueError, match="gamma must be at least 0, not -1"):
        FALCUN(-1)
