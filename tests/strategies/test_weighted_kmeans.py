"""Weighted k-means against its definition, written out, and against the library cardinal.

``golden/weighted_kmeans.npz`` holds what ``source`` in it chose, once, on 12 blobs that every seeding finds; the
author of the method has published no code.
"""

import numpy as np
import pytest
import torch
from support.made_up import blobs, golden, normal, pool_of, seeded

from strategies.margin import Margin
from strategies.weighted_kmeans import WeightedKMeans


@pytest.mark.parametrize("beta", [10, 3])
def test_weighted_kmeans_is_that_of_cardinal(beta: int) -> None:
    stored = golden("weighted_kmeans")
    assert "dataiku-research/cardinal" in str(stored["source"])
    probs = torch.from_numpy(stored["logits"]).softmax(1)
    images = pool_of(embeddings=torch.from_numpy(stored["embeddings"]), probs=probs)
    expected = stored[f"picks_{beta}"].tolist()
    assert sorted(WeightedKMeans(beta).select(images, len(expected), seeded(0)).tolist()) == expected


def test_the_stored_picks_depend_on_weights_and_candidates() -> None:
    stored = golden("weighted_kmeans")
    kinds = {tuple(stored[key].tolist()) for key in ("picks_10", "picks_3", "unweighted_10")}
    assert len(kinds) == 3


@pytest.mark.parametrize("beta", [5, 10, 25])
def test_of_each_cluster_of_candidates_the_image_nearest_to_the_weighted_mean(beta: int) -> None:
    count, size = 4, 25
    points = blobs(count, size)
    margins = torch.rand(count * size, generator=seeded(5), dtype=torch.float64)
    # As many of each blob are among the most uncertain: its first 5, 10 or all.
    margins = (margins / 10 + (torch.arange(count * size) % size // 5) / 10).clamp(max=0.99)
    probs = torch.stack([(1 + margins) / 2, (1 - margins) / 2], dim=1)
    chosen = np.argsort(margins.numpy(), kind="stable")[: beta * count]
    expected = []
    for blob in range(count):
        members = np.array([i for i in chosen if i // size == blob])
        assert len(members)
        rows, weights = points[members].numpy(), 1 - margins[members].numpy()
        centre = np.average(rows, axis=0, weights=weights)
        expected.append(int(members[np.linalg.norm(rows - centre, axis=1).argmin()]))
    images = pool_of(embeddings=points, probs=probs)
    assert sorted(WeightedKMeans(beta).select(images, count, seeded()).tolist()) == sorted(expected)


def test_beta_of_one_is_margin_sampling() -> None:
    probs = (3 * normal(80, 5)).softmax(1)
    images = pool_of(embeddings=normal(80, 4, seed=1), probs=probs, indices=torch.arange(80))
    picks = WeightedKMeans(1).select(images, 15, seeded())
    assert sorted(picks.tolist()) == sorted(Margin().select(images, 15, seeded()).tolist())


def test_a_sure_image_is_no_candidate_however_it_lies() -> None:
    points, probs = normal(60, 4), torch.tensor([0.5, 0.5, 0.0]).repeat(60, 1)
    probs[::3] = torch.tensor([0.9, 0.05, 0.05])
    picks = WeightedKMeans(10).select(pool_of(embeddings=points, probs=probs), 4, seeded())
    assert (picks % 3 != 0).all()


def test_weighted_kmeans_refuses_nan_and_no_candidates() -> None:
    probs = normal(30, 4).softmax(1)
    probs[3, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        WeightedKMeans().select(pool_of(embeddings=normal(30, 3), probs=probs), 5, seeded())
    with pytest.raises(ValueError, match="beta must be at least 1, not 0"):
        WeightedKMeans(0)
