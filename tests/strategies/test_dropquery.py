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
        (6, [1, 2, 3, 5, 6]),
        (25, [1, 2, 3, 5, 6]),
    ):
        assert DropQuery(breadth=breadth).candidates(counts, 1).tolist() == expected
    assert DropQuery(passes=4, breadth=1).candidates(counts, 1).tolist() == [1, 6]
    assert DropQuery(passes=1).candidates(counts, 8).tolist() == [1, 2, 3, 5, 6]
    assert DropQuery().candidates(torch.zeros(8, dtype=torch.int64), 1).tolist() == []


def test_dropquery_fills_up_at_random_where_few_or_none_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    images = drawn_pool(30)
    for disagreeing in ((), (4,), (4, 9, 17)):
        counts = torch.zeros(30, dtype=torch.int64).index_fill_(0, torch.tensor(disagreeing, dtype=torch.int64), 1)
        monkeypatch.setattr(DropQuery, "disagreements", lambda *_, counts=counts: counts)
        generator, seen = seeded(), torch.zeros(30)
        for _ in range(200):
            picks = DropQuery().select(images, 5, generator)
            assert picks[: len(disagreeing)].tolist() == list(disagreeing)
            assert picks.unique().shape == (5,)
            seen[picks[len(disagreeing) :]] += 1
        rest = seen[counts == 0]
        assert chisquare(rest.numpy()).pvalue > 0.001
    assert DropQuery().select(images, 3, seeded()).sort().values.tolist() == [4, 9, 17]  # enough for k-means


def test_dropquery_on_a_pool_that_all_passes_agree_on_is_random_and_no_k_means() -> None:
    far = 1e6 * torch.eye(4, 6, dtype=torch.float64)[torch.arange(40) % 4]
    head = nn.Linear(6, 4, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(-torch.eye(4, 6))
        head.bias.copy_(torch.tensor([1e9, 0.0, 0.0, 0.0]))  # class 0 whatever is dropped
    images = replace(drawn_pool(40), points=far, classifier=head)
    assert int(DropQuery().disagreements(images, seeded()).sum()) == 0
    batches = {tuple(sorted((DropQuery().select(images, 4, seeded(seed)) % 4).tolist())) for seed in range(20)}
    assert len(batches) > 5  # k-means would take one of each of the four groups


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
