"""Contrastive active learning against its definition, written out, and against its authors' code.

``golden/cal.npz`` holds what ``source`` in it chose, once: 40 labelled and 200 unlabelled embeddings and a linear
layer, whose outputs stood for those of BERT.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import drawn_pool, golden, seeded
from torch import Tensor
from torch.nn import functional as F

from strategies.cal import CAL
from strategies.testing import SyntheticPool


def scores_by_hand(pool: SyntheticPool, k: int) -> np.ndarray:
    known, points = F.normalize(pool.labelled_embeddings).numpy(), F.normalize(pool.embeddings).numpy()
    taught = pool.head(pool.labelled_embeddings).softmax(1).detach().numpy()
    scores = []
    for point, p in zip(points, pool.probs.numpy(), strict=True):
        nearest = np.argsort(np.linalg.norm(known - point, axis=1))[:k]
        scores.append(np.mean([sum(taught[j] * np.log(taught[j] / p)) for j in nearest]))
    return np.array(scores)


def with_head(pool: SyntheticPool, weight: Tensor, bias: Tensor) -> SyntheticPool:
    with torch.no_grad():
        pool.classifier.weight.copy_(weight)
        pool.classifier.bias.copy_(bias)
    return pool


def authors_pool() -> tuple[SyntheticPool, dict[str, Any]]:
    stored = golden("cal")
    parts = {key: torch.from_numpy(stored[key]) for key in ("embeddings", "labelled_embeddings", "weight", "bias")}
    known, points = parts["labelled_embeddings"], parts["embeddings"]
    pool = drawn_pool(len(points), len(known), class_count=len(parts["bias"]), width=points.shape[1])
    pool = with_head(pool, parts["weight"], parts["bias"])
    return replace(pool, points=points, labelled_points=known), stored


def test_cal_is_that_of_its_authors() -> None:
    pool, stored = authors_pool()
    assert "mourga/contrastive-active-learning, commit " in str(stored["source"])
    picks = CAL().select(pool, len(stored["picks"]), seeded())
    assert sorted(picks.tolist()) == stored["picks"].tolist()


def test_the_other_direction_of_the_divergence_and_plain_distances_choose_otherwise() -> None:
    """The stored picks would tell them apart."""
    pool, stored = authors_pool()
    known = pool.head(pool.labelled_embeddings).softmax(1).detach()
    chosen = {}
    for form in ("turned", "plain"):
        rows = [x if form == "plain" else F.normalize(x) for x in (pool.embeddings, pool.labelled_embeddings)]
        near = known[torch.cdist(*rows).topk(10, largest=False).indices]
        p, q = (pool.probs[:, None], near) if form == "turned" else (near, pool.probs[:, None])
        chosen[form] = (p * (p / q).log()).sum(2).mean(1).topk(len(stored["picks"])).indices
    for picks in chosen.values():
        assert sorted(picks.tolist()) != stored["picks"].tolist()


@pytest.mark.parametrize(("labelled", "neighbours"), [(12, 1), (12, 5), (12, 12), (4, 10), (1, 10)])
def test_scores_are_those_of_the_definition(labelled: int, neighbours: int) -> None:
    pool = drawn_pool(60, labelled, seed=labelled)
    expected = scores_by_hand(pool, neighbours)
    assert CAL(neighbours).score(pool).numpy() == pytest.approx(expected, rel=1e-9)
    assert CAL(neighbours).select(pool, 20, seeded()).tolist() == np.argsort(-expected)[:20].tolist()


def test_scores_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = drawn_pool(50, 20)
    whole = CAL(3).score(pool)
    monkeypatch.setattr("strategies.cal._BLOCK", 90)
    monkeypatch.setattr("strategies.kernels.nearest_neighbours._BLOCK", 70)
    torch.testing.assert_close(CAL(3).score(pool), whole, rtol=1e-12, atol=1e-14)


def test_certain_predictions_have_finite_scores() -> None:
    pool = drawn_pool(30, 8)
    pool = with_head(pool, 1e4 * pool.classifier.weight, pool.classifier.bias)
    assert (pool.probs == 0).any()
    scores = CAL(3).score(pool)
    assert scores.isfinite().all()
    assert scores.max() > 100


def test_an_image_predicted_like_its_neighbours_scores_0() -> None:
    pool = drawn_pool(20, 6)
    same = replace(pool, points=pool.labelled_points[:1].expand(20, -1).clone())
    assert CAL(1).score(same).tolist() == pytest.approx([0] * 20, abs=1e-14)


def test_cal_refuses_a_pool_without_labels_and_no_neighbours() -> None:
    with pytest.raises(ValueError, match="there are none: draw the initial labels otherwise"):
        CAL().select(drawn_pool(20, 0), 5, seeded())
    with pytest.raises(ValueError, match="neighbours must be at least 1, not 0"):
        CAL(0)
