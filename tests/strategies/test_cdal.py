"""CDAL against brute force and scikit-activeml.

``golden/diversity.npz`` holds what scikit-activeml 1.0.1 chose on stored predictions and embeddings, once:
``k_greedy_center`` with the symmetric divergence as its metric and six labelled points behind the others.
"""

import numpy as np
import pytest
import torch
from support.made_up import golden, normal, seeded

from strategies.cdal import CDAL, Predictions, divergence_k_center, symmetric_divergences
from strategies.testing import SyntheticPool


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    p, q = np.maximum(p, 1e-8), np.maximum(q, 1e-8)
    return 0.5 * sum(p * np.log(p / q)) + 0.5 * sum(q * np.log(q / p))


def test_divergences_are_those_of_the_definition() -> None:
    p, q = (4 * normal(30, 5)).softmax(dim=1), (4 * normal(20, 5, seed=1)).softmax(dim=1)
    p[0], q[0] = torch.eye(5)[0], torch.eye(5)[1]
    expected = [[divergence(a, b) for b in q.numpy()] for a in p.numpy()]
    found = symmetric_divergences(Predictions.of(p), Predictions.of(q))
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-12)
    assert not symmetric_divergences(Predictions.of(p), Predictions.of(p)).diagonal().any()


def test_cdal_is_the_greedy_k_center_of_scikit_activeml() -> None:
    stored = golden("diversity")
    probs, expected = torch.from_numpy(stored["cdal_probs"]), stored["cdal_picks"].tolist()
    assert divergence_k_center(probs[:80], len(expected), probs[80:]).tolist() == expected


def test_cdal_measures_from_the_predictions_on_labelled_images() -> None:
    pool = SyntheticPool.draw(30, labelled=7)
    known = list((pool.labelled_embeddings @ pool.head.weight.T + pool.head.bias).softmax(dim=1).detach().numpy())
    expected = []
    for _ in range(15):
        nearest = [min(divergence(p, q) for q in known) for p in pool.probs.numpy()]
        expected.append(int(np.argmax(nearest)))
        known.append(pool.probs[expected[-1]].numpy())
    assert CDAL().select(pool, 15, seeded()).tolist() == expected


def test_cdal_without_labels_begins_farthest_from_the_mean_and_passes_over_duplicates_once() -> None:
    probs = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1], [0.4, 0.6], [0.9, 0.1]], dtype=torch.float64)
    assert divergence_k_center(probs, 5, probs[:0]).tolist() == [2, 3, 0, 1, 4]
