"""Cluster-Margin against brute force and scikit-learn."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from support.made_up import blobs, normal, pool_of, seeded

from strategies import cluster_margin
from strategies.cluster_margin import ClusterMargin, average_linkage, round_robin
from strategies.kernels.clusters import nearest_centre


def test_nearest_centre_is_the_nearest() -> None:
    points, centres = normal(500, 4), normal(30, 4, seed=1)
    distances = torch.cdist(points, centres)
    labels, squared = nearest_centre(points, centres)
    assert labels.equal(distances.argmin(dim=1))
    torch.testing.assert_close(squared, distances.amin(dim=1).square())


def test_average_linkage_is_that_of_scikit_learn_and_goes_by_the_nearest_mean_beyond_the_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = normal(200, 3)
    expected = AgglomerativeClustering(20, linkage="average").fit_predict(points.numpy())
    assert adjusted_rand_score(expected, average_linkage(points, 10, seeded()).numpy()) == 1
    monkeypatch.setattr(cluster_margin, "_SAMPLE", 80)
    assert adjusted_rand_score(np.arange(200) // 20, average_linkage(blobs(10, 20), 8, seeded()).numpy()) == 1
    drawn = torch.randperm(200, generator=seeded())[:80].sort().values
    sampled = AgglomerativeClustering(20, linkage="average").fit_predict(points[drawn].numpy())
    means = np.stack([points[drawn].numpy()[sampled == c].mean(axis=0) for c in range(20)])
    nearest = np.linalg.norm(points.numpy()[:, None] - means, axis=2).argmin(axis=1)
    nearest[drawn] = sampled
    assert adjusted_rand_score(nearest, average_linkage(points, 4, seeded()).numpy()) == 1
    assert average_linkage(points[:3], 10, seeded()).tolist() == [0, 0, 0]


def test_round_robin_goes_from_small_clusters_to_large_ones() -> None:
    clusters = torch.tensor([4, 4, 4, 4, 0, 0, 2, 7, 7, 7])
    order = clusters[round_robin(clusters, 10, seeded())].tolist()
    assert order == [2, 0, 7, 4, 0, 7, 4, 7, 4, 4]
    assert clusters[round_robin(clusters, 3, seeded())].tolist() == [2, 0, 7]
    assert sorted(round_robin(clusters, 10, seeded()).tolist()) == list(range(10))


def test_round_robin_draws_the_members_of_a_cluster_uniformly() -> None:
    clusters, generator = torch.tensor([1, 0, 1, 1, 0]), seeded()
    seen = Counter(tuple(round_robin(clusters, 2, generator).tolist()) for _ in range(3000))
    assert len(seen) == 6
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_clusters_of_the_same_size_take_turns_in_random_order() -> None:
    clusters, generator = torch.tensor([3, 1, 0, 2, 2]), seeded()
    seen = Counter(tuple(clusters[round_robin(clusters, 3, generator)].tolist()) for _ in range(3000))
    assert len(seen) == 6
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_a_batch_comes_from_many_clusters_where_few_would_be_outliers() -> None:
    """One elongated cloud with outliers, as embeddings are: with n clusters all candidates would be in one."""
    points = torch.cat([normal(400, 8) * torch.tensor([4.0, 2, 1, 1, 1, 1, 1, 1]), 60 * normal(10, 8, seed=1)])
    unsure = torch.arange(410) < 100
    probs = torch.where(unsure[:, None], torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1]))
    images = pool_of(embeddings=points, probs=probs)
    clusters = AgglomerativeClustering(41, linkage="average").fit_predict(points.numpy())
    assert len(set(AgglomerativeClustering(10, linkage="average").fit_predict(points.numpy())[:100])) == 1
    picks = ClusterMargin().select(images, 10, seeded()).tolist()
    assert len(set(clusters[picks])) == 10


def test_cluster_margin_spreads_the_lowest_margins_over_clusters() -> None:
    """Blob i of 20 images has i unsure ones, so the unsure images are 0 + 1 + … + 5."""
    points = blobs(6, 20)
    unsure = torch.arange(20) < torch.arange(6)[:, None]
    probs = torch.where(unsure.flatten()[:, None], torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1]))
    images = pool_of(embeddings=points, probs=probs)
    picks = ClusterMargin(oversample=1).select(images, 15, seeded())
    assert set(picks.tolist()) == set(unsure.flatten().nonzero().squeeze(1).tolist())
    spread = ClusterMargin(oversample=20, cluster_size=20).select(images, 6, seeded())
    assert sorted((spread // 20).tolist()) == list(range(6))
    for name in ("oversample", "cluster_size"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
            ClusterMargin(**{name: 0})
