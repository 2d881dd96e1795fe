"""DropQuery against its definition, written out, and against scikit-activeml.

golden/hybrid.npz holds a query of scikit-activeml 1.0.1, ``DropQuery(dropout_rate=0.75, n_dropout_samples=3,
cluster_algo_dict={"n_init": 20}).query(X, y, clf, fit_clf=False, batch_size=4, return_utilities=True)``: 300 unit
embeddings in four groups, the first 60 labelled, a logistic regression without intercept, and the masks it drew.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from support.made_up import drawn_pool, golden, seeded
from torch import nn
from torch.nn import functional as F

from strategies.dropquery import DropQuery
from strategies.testing import SyntheticPool


def recorded(monkeypatch: pytest.MonkeyPatch) -> tuple[SyntheticPool, Any]:
    """scikit-activeml's problem as a pool, with its masks in place of random ones, and its answers."""
    stored = golden("hybrid")
    labelled, classes = int(stored["labelled"]), len(stored["weight"])
    rows = torch.from_numpy(stored["embeddings"]).double()
    images = drawn_pool(len(rows) - labelled, labelled, class_count=classes, width=rows.shape[1])
    with torch.no_grad():
        images.classifier.weight.copy_(torch.from_numpy(stored["weight"]))
        images.classifier.bias.zero_()
    dropped = torch.from_numpy(stored["dropped"])
    monkeypatch.setattr(torch, "rand", lambda shape, generator: (~dropped).float().view(shape))
    return replace(images, points=rows[labelled:], labelled_points=rows[:labelled]), stored


def test_dropquery_agrees_with_scikit_activeml(monkeypatch: pytest.MonkeyPatch) -> None:
    images, stored = recorded(monkeypatch)
    strategy = DropQuery(breadth=1)
    counts = strategy.disagreements(images, seeded())
    assert strategy.candidates(counts, 4).tolist() == stored["candidates"].tolist()
    assert sorted(strategy.select(images, 4, seeded()).tolist()) == sorted(stored["picks"].tolist())


def test_dropquery_asks_less_disagreement_until_there_are_enough_candidates() -> None:
    counts = torch.tensor([0, 3, 1, 2, 0, 1, 3, 0])
    for breadth, expected in (
        (1, [1, 3, 6]),
        (3, [1, 3, 6]),
        (4, [1, 2, 3, 5, 6]),
        (6, [*range(8)]),
        (25, [*range(8)]),
    ):
        assert DropQuery(breadth=breadth).candidates(counts, 1).tolist() == expected
    assert DropQuery(passes=4, breadth=1).candidates(counts, 1).tolist() == [1, 6]


def test_dropquery_drops_independently_and_keeps_the_mean() -> None:
    head = nn.Linear(1, 2, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [0.0]]))
        head.bias.copy_(torch.tensor([0.0, 3.0]))  # class 0 wins from 3 on
    points = torch.full((9000, 1), 1.0, dtype=torch.float64)
    images = replace(drawn_pool(9000, class_count=2, width=1), points=points, classifier=head)
    counts = DropQuery(passes=3).disagreements(images, seeded())
    # A kept 1 becomes 4, which is class 0 and not 1: a binomial count of three passes with chance 1/4.
    expected = 9000 * np.array([27, 27, 9, 1]) / 64
    assert chisquare(np.bincount(counts.numpy(), minlength=4), expected).pvalue > 0.001


def test_dropquery_starts_from_the_centroids_of_the_features() -> None:
    generator = seeded()
    centres = 5 * torch.eye(4, 6)
    groups = torch.arange(40) % 4
    features = (centres[groups] + 0.1 * torch.randn(40, 6, generator=generator)) * (1 + groups[:, None])
    images = replace(SyntheticPool.draw(), features=features, has_model=False)
    picks = DropQuery().select(images, 4, seeded(1))
    rows = F.normalize(features)
    expected = []
    for group in range(4):
        members = (groups == group).nonzero().squeeze(1)
        distances = (rows[members] - rows[members].mean(dim=0)).norm(dim=1)
        expected.append(int(members[distances.argmin()]))
    assert sorted(picks.tolist()) == sorted(expected)
