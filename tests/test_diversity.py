"""k-means, CLUE, CDAL, LogDet, LCMD, Cluster-Margin and FALCUN against brute force and scikit-activeml.

``golden/diversity.npz`` holds what scikit-activeml 1.0.1 chose on stored predictions and embeddings, once: ``Falcun``
with its utilities, ``Clue(cluster_algo_dict={"random_state": s, "n_init": 1})`` with the s that our seed 0 draws, and
``k_greedy_center`` with the symmetric divergence as its metric and six labelled points behind the others.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, entropy
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from strategies import cluster_margin
from strategies.algorithms.clusters import nearest_centre
from strategies.algorithms.pivoted_cholesky import pivoted_cholesky
from strategies.cdal import CDAL, Predictions, divergence_k_center, symmetric_divergences
from strategies.clue import CLUE
from strategies.cluster_margin import ClusterMargin, average_linkage, round_robin
from strategies.coreset import CoreSet
from strategies.falcun import FALCUN, relevance, updated
from strategies.kmeans import KMeans
from strategies.lcmd import LCMD, largest_cluster_max_distance
from strategies.logdet import LogDet
from strategies.testing import SyntheticPool
from strategies.uncertainty import Margin


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "diversity.npz") as arrays:
        return dict(arrays)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def blobs(count: int, size: int, width: int = 3) -> Tensor:
    """``count`` blobs of ``size`` points each, far apart; the points of a blob follow one another."""
    return (30 * normal(count, 1, width, seed=1) + normal(count, size, width, seed=2)).flatten(0, 1)


def pool_of(**parts: Any) -> Any:
    """A pool that has nothing but ``parts``: a strategy that reads more fails."""
    return SimpleNamespace(**parts)


# --- k-means and CLUE


def test_kmeans_buys_the_image_nearest_to_each_mean() -> None:
    points = blobs(6, 25)
    expected = []
    for start in range(0, 150, 25):
        blob = points[start : start + 25]
        expected.append(start + int((blob - blob.mean(dim=0)).norm(dim=1).argmin()))
    assert sorted(KMeans().select(pool_of(embeddings=points), 6, seeded()).tolist()) == expected


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_clue_buys_the_image_nearest_to_each_weighted_mean(temperature: float) -> None:
    points, logits = blobs(6, 25), 5 * normal(150, 4, seed=3)
    weights = entropy((logits / temperature).softmax(dim=1).numpy(), axis=1)
    expected = []
    for start in range(0, 150, 25):
        blob, share = points[start : start + 25].numpy(), weights[start : start + 25]
        centre = np.average(blob, axis=0, weights=share)
        expected.append(start + int(np.linalg.norm(blob - centre, axis=1).argmin()))
    images = pool_of(embeddings=points, logits=logits)
    assert sorted(CLUE(temperature).select(images, 6, seeded()).tolist()) == expected
    assert sorted(KMeans().select(images, 6, seeded()).tolist()) != expected


def test_clue_is_that_of_scikit_activeml(golden: dict[str, np.ndarray]) -> None:
    images = pool_of(
        embeddings=torch.from_numpy(golden["clue_embeddings"]), logits=torch.from_numpy(golden["clue_logits"])
    )
    expected = golden["clue_picks"].tolist()
    assert CLUE().select(images, len(expected), seeded(0)).tolist() == expected


def test_clue_of_certain_images_is_kmeans() -> None:
    images = pool_of(embeddings=blobs(6, 25), logits=torch.tensor([500.0, 0, 0]).repeat(150, 1))
    assert CLUE().select(images, 6, seeded(4)).equal(KMeans().select(images, 6, seeded(4)))


def test_clue_refuses_nan_logits_and_a_temperature_of_zero() -> None:
    logits = normal(30, 4)
    logits[3, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        CLUE().select(pool_of(embeddings=normal(30, 3), logits=logits), 5, seeded())
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        CLUE(0)


# --- CDAL


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


def test_cdal_is_the_greedy_k_center_of_scikit_activeml(golden: dict[str, np.ndarray]) -> None:
    probs, expected = torch.from_numpy(golden["cdal_probs"]), golden["cdal_picks"].tolist()
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


# --- LogDet


def greedy_log_determinant(points: np.ndarray, n: int, noise: float) -> list[int]:
    kernel = points @ points.T + noise * np.eye(len(points))
    chosen: list[int] = []
    for _ in range(n):
        rest = [i for i in range(len(points)) if i not in chosen]
        values = [np.linalg.slogdet(kernel[np.ix_([*chosen, i], [*chosen, i])])[1] for i in rest]
        chosen.append(rest[int(np.argmax(values))])
    return chosen


@pytest.mark.parametrize("noise", [1e-3, 0.1, 10])
@pytest.mark.parametrize("block", [None, 1, 4])
def test_pivoted_cholesky_maximises_the_log_determinant_greedily(noise: float, block: int | None) -> None:
    points = normal(60, 8) * torch.rand(60, 1, generator=seeded())
    expected = greedy_log_determinant(points.numpy(), 25, noise)
    assert pivoted_cholesky(points, 25, noise, block=block).tolist() == expected
    assert len(set(pivoted_cholesky(points, 60, noise, block=block).tolist())) == 60


def test_blocks_make_the_same_picks_as_sweeps() -> None:
    points = normal(2000, 20).relu()
    plain = pivoted_cholesky(points, 300, 0.01, block=1)
    for block in (7, None, 2000):
        assert pivoted_cholesky(points, 300, 0.01, block=block).equal(plain)
    assert pivoted_cholesky(points.float(), 20, 0.01).equal(plain[:20])


def test_logdet_scales_the_cosine_by_the_uncertainty() -> None:
    pool = SyntheticPool.draw(60)
    vectors = pool.embeddings.double()
    vectors = vectors / vectors.norm(dim=1, keepdim=True) * Margin().score(pool).double()[:, None]
    assert LogDet(0.05).select(pool, 20, seeded()).tolist() == greedy_log_determinant(vectors.numpy(), 20, 0.05)


def test_logdet_of_orthogonal_images_is_margin_and_passes_over_copies() -> None:
    probs = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.7, 0.3], [0.9, 0.1], [1.0, 0.0]])
    directions = torch.eye(4)[[0, 0, 1, 2, 3]]
    assert LogDet().select(pool_of(probs=probs, embeddings=directions), 3, seeded()).tolist() == [0, 2, 3]
    distinct = pool_of(probs=probs[1:], embeddings=7 * directions[1:])
    assert LogDet().select(distinct, 4, seeded()).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="noise must be above 0, not 0"):
        LogDet(0)


# --- LCMD


def brute_lcmd(points: np.ndarray, n: int, centres: np.ndarray) -> list[int]:
    """Assigns all points anew at every step."""
    picks: list[int] = []
    for _ in range(n):
        everything = np.concatenate([centres, points[picks]])
        if len(everything) == 0:
            picks.append(int((points**2).sum(axis=1).argmax()))
            continue
        squared = ((points[:, None] - everything) ** 2).sum(axis=2)
        owner, distance = squared.argmin(axis=1), squared.min(axis=1)
        sizes = [distance[owner == c].sum() for c in range(len(everything))]
        picks.append(max(np.flatnonzero(owner == np.argmax(sizes)), key=lambda i: distance[i]))
    return picks


@pytest.mark.parametrize("labelled", [0, 1, 12])
def test_lcmd_takes_the_farthest_member_of_the_largest_cluster(labelled: int) -> None:
    points, centres = normal(150, 5), normal(labelled, 5, seed=1)
    expected = brute_lcmd(points.numpy(), 100, centres.numpy())
    assert largest_cluster_max_distance(points, 100, centres).tolist() == expected
    images = pool_of(embeddings=points.float(), labelled_embeddings=centres.float())
    assert LCMD().select(images, 60, seeded()).tolist() == expected[:60]


def test_lcmd_leaves_a_lone_outlier_where_coreset_takes_it_first() -> None:
    points = torch.cat([normal(200, 2), torch.tensor([[12.0, 0.0]], dtype=torch.float64)])
    centres = torch.tensor([[0.0, 0.0], [8.0, 0.0]], dtype=torch.float64)
    images = pool_of(embeddings=points, labelled_embeddings=centres)
    assert CoreSet().select(images, 1, seeded()).tolist() == [200]
    assert LCMD().select(images, 1, seeded()).tolist() != [200]


def test_lcmd_of_copies_takes_each_point_once_and_then_the_first() -> None:
    points = torch.tensor([[0.0], [5.0], [5.0], [0.0], [1.0]])
    assert largest_cluster_max_distance(points, 5, torch.zeros(1, 1)).tolist() == [1, 4, 0, 2, 3]


# --- Cluster-Margin


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
    assert adjusted_rand_score(expected, average_linkage(points, 20, seeded()).numpy()) == 1
    monkeypatch.setattr(cluster_margin, "_SAMPLE", 80)
    assert adjusted_rand_score(np.arange(200) // 20, average_linkage(blobs(10, 20), 10, seeded()).numpy()) == 1
    drawn = torch.randperm(200, generator=seeded())[:80].sort().values
    sampled = AgglomerativeClustering(20, linkage="average").fit_predict(points[drawn].numpy())
    means = np.stack([points[drawn].numpy()[sampled == c].mean(axis=0) for c in range(20)])
    nearest = np.linalg.norm(points.numpy()[:, None] - means, axis=2).argmin(axis=1)
    nearest[drawn] = sampled
    assert adjusted_rand_score(nearest, average_linkage(points, 20, seeded()).numpy()) == 1


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


def test_cluster_margin_spreads_the_lowest_margins_over_clusters() -> None:
    """Blob i of 20 images has i unsure ones, so the unsure images are 0 + 1 + … + 5."""
    points = blobs(6, 20)
    unsure = torch.arange(20) < torch.arange(6)[:, None]
    probs = torch.where(unsure.flatten()[:, None], torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1]))
    images = pool_of(embeddings=points, probs=probs)
    picks = ClusterMargin(oversample=1).select(images, 15, seeded())
    assert set(picks.tolist()) == set(unsure.flatten().nonzero().squeeze(1).tolist())
    spread = ClusterMargin(oversample=20).select(images, 6, seeded())
    assert sorted((spread // 20).tolist()) == list(range(6))
    with pytest.raises(ValueError, match="oversample must be at least 1, not 0"):
        ClusterMargin(oversample=0)


# --- FALCUN


def test_falcun_draws_with_the_probabilities_of_scikit_activeml(golden: dict[str, np.ndarray]) -> None:
    probs, picks = torch.from_numpy(golden["falcun_probs"]), golden["falcun_picks"]
    uncertainty = Margin().score(pool_of(probs=probs))
    distance, free = uncertainty, torch.ones(len(probs), dtype=torch.bool)
    for pick, expected in zip(picks, golden["falcun_utilities"], strict=True):
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


# --- all of them


@pytest.mark.parametrize("strategy", [CDAL(), LogDet(), LCMD()])
def test_the_greedy_ones_know_no_chance_and_no_order_of_the_pool(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    order = torch.randperm(40, generator=seeded())
    picks = strategy.select(pool, 10, seeded())
    assert picks.equal(strategy.select(pool, 10, seeded(1)))
    assert picks.equal(order[strategy.select(pool.permuted(order), 10, seeded())])


@pytest.mark.parametrize("strategy", [KMeans(), CLUE(), ClusterMargin(), FALCUN()])
def test_the_others_draw_from_the_generator(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    assert len({tuple(sorted(strategy.select(pool, 10, seeded(seed)).tolist())) for seed in range(5)}) > 1


@pytest.mark.parametrize("strategy", [CDAL(), FALCUN(), ClusterMargin(), LogDet()])
def test_nan_predictions_are_refused(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    broken = pool.probs.clone()
    broken[3, 1] = torch.nan
    parts = {
        name: getattr(pool, name) for name in ("embeddings", "labelled_embeddings", "head", "has_model", "class_count")
    }
    with pytest.raises(ValueError, match="finite"):
        strategy.select(pool_of(probs=broken, **parts), 5, seeded())


def test_labelled_images_at_a_point_keep_lcmd_and_cdal_from_buying_it() -> None:
    pool = SyntheticPool.draw(40, labelled=12)
    seen = replace(pool, labelled_points=pool.points[:12])
    for strategy in (LCMD(), CDAL()):
        assert set(strategy.select(seen, 28, seeded()).tolist()) == set(range(12, 40))
