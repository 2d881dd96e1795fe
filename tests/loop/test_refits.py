"""Heads that a pool fits again: those of the labelled images, and with the true labels of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmark.loop.pool import FittedOraclePool, FittedPool
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.greedy_oracle import GreedyOracle


def pools(model: str = "linear") -> tuple[FittedPool, FittedOraclePool]:
    """90 embeddings of 6 dimensions in 4 classes, 20 of them labelled, under an embedding network."""
    g = torch.Generator().manual_seed(3)
    truth = torch.arange(90) % 4
    pixels = (torch.randn(4, 6, generator=g)[truth] + torch.randn(90, 6, generator=g)).view(90, 1, 1, 6)
    images = Images(pixels, torch.full((6,), 0.3), torch.full((6,), 1.7))
    network = factory.build(model, {}, 6, (1, 1), 4).eval()
    labelled = torch.randperm(90, generator=g)[:20]
    unlabelled = torch.tensor([i for i in range(90) if i not in labelled.tolist()])
    if model == "linear":
        network.solve(images.normalised(labelled), truth[labelled])
    plain = FittedPool(images, unlabelled, labelled, truth[labelled], 4, Predictor(network, None, "float32"))
    return plain, FittedOraclePool(plain, GreedyOracle(), truth, images, truth)


def by_scikit_learn(x: Tensor, y: Tensor) -> np.ndarray:
    penalty = 1e-4 * x.shape[1]  # the default of the linear head
    fit = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-10, max_iter=100_000).fit(x.double().numpy(), y.numpy())
    weights = np.concatenate([fit.coef_, fit.intercept_[:, None]], 1)
    return weights - weights.mean(0)


def test_heads_of_resampled_labels_are_scikit_learns() -> None:
    pool, _ = pools()
    rows = torch.randint(20, (3, 20), generator=torch.Generator().manual_seed(0))
    heads = pool.refitted(rows)
    assert heads.shape == (3, 4, 7)
    for head, some in zip(heads, rows, strict=True):
        assert len(pool.labels[some].unique()) == 4
        expected = by_scikit_learn(pool.labelled_embeddings[some], pool.labels[some])
        np.testing.assert_allclose(head.numpy(), expected, atol=2e-3 * np.abs(expected).max())


def test_heads_with_the_true_labels_of_others() -> None:
    _, pool = pools()
    batches = torch.tensor([[0, 5], [69, 1]])
    for head, batch in zip(pool.refitted_with(batches), batches, strict=True):
        x = torch.cat([pool.labelled_embeddings, pool.embeddings[batch]])
        expected = by_scikit_learn(x, torch.cat([pool.labels, pool.indices[batch] % 4]))
        np.testing.assert_allclose(head.numpy(), expected, atol=2e-3 * np.abs(expected).max())


def test_all_labels_once_give_the_models_own_head() -> None:
    pool, _ = pools()
    (head,) = pool.refitted(torch.arange(20)[None])
    torch.testing.assert_close(head[:, :-1], pool.head.weight.detach())
    torch.testing.assert_close(head[:, -1], pool.head.bias.detach())


def test_a_network_that_is_trained_refuses() -> None:
    pool, _ = pools("mlp")
    with pytest.raises(ValueError, match="refits are of a head that is solved"):
        pool.refitted(torch.arange(20)[None])
