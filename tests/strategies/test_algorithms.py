"""The kernels against brute force, and the k-means++ law against its enumeration."""

import itertools
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from support.made_up import seeded
from torch import Tensor

from strategies.kernels.clusters import agglomerative, kmeans, nearest_to_centres
from strategies.kernels.distances import Points, lower, squared_distances
from strategies.kernels.k_center import k_center
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def materialised(points: Points) -> Tensor:
    """The outer products of two factors, (N, d_f · d_g)."""
    left, right = points.factors
    return torch.einsum("nc,nd->ncd", left, right).flatten(1)


def pairwise(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances from differences, with no cancelling sum."""
    return (x[:, None] - y[None]).square().sum(dim=2)


# ------------------------------------------------------------------------------------------ distances


def test_factored_distances_are_those_of_the_outer_products() -> None:
    points = Points.of(normal(40, 3), normal(40, 7, seed=1))
    vectors = materialised(points)
    torch.testing.assert_close(points.squared_norms, vectors.square().sum(dim=1))
    found = squared_distances(points[:15], points[15:])
    torch.testing.assert_close(found, pairwise(vectors[:15], vectors[15:]))


@pytest.mark.parametrize("factors", [1, 2])
@pytest.mark.parametrize("count", [1, 8, 9, 300])
def test_lower_meets_every_point_in_every_block(factors: int, count: int) -> None:
    # 300 centres make blocks of 256, and 20,000 points chunks of 4,096: the last of both are partial.
    points = Points.of(*(normal(20_000 + count, 3, seed=seed) for seed in range(factors)))
    centres, points = points[:count], points[count:]
    expected = squared_distances(points, centres).amin(dim=1)
    start = torch.rand(20_000, generator=seeded(9), dtype=torch.float64) * 2 * expected
    nearest = start.clone()
    lower(nearest, points, centres)
    torch.testing.assert_close(nearest, expected.minimum(start))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_duplicates_are_at_distance_zero_and_neighbours_are_not(dtype: torch.dtype) -> None:
    rows = normal(200, 512, dtype=dtype).relu_() + 1
    close = rows + 0.02 * normal(200, 512, seed=1, dtype=dtype)
    points = Points.of(torch.cat([rows, rows, close]))
    between = squared_distances(points[:200], points[200:])
    assert (between[:, :200].diagonal() == 0).all()
    assert (between[:, 200:].diagonal() > 0.1).all()


def test_half_precision_is_computed_in_single() -> None:
    points = Points.of(normal(5, 4).half(), normal(5, 3).half())
    assert points.squared_norms.dtype == torch.float32
    assert squared_distances(points, points).dtype == torch.float32


def test_points_refuse_what_is_not_finite_or_does_not_match() -> None:
    broken = normal(5, 4)
    broken[2, 1] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        Points.of(broken)
    with pytest.raises(ValueError, match=r"not \(5, 4\), \(4, 4\)"):
        Points.of(normal(5, 4), normal(4, 4))


# ------------------------------------------------------------------------------------------ k-means++


def law(squared: Tensor, picks: tuple[int, ...]) -> float:
    """The probability that k-means++ makes these ordered picks, given the first."""
    probability = 1.0
    for step in range(1, len(picks)):
        nearest = squared[:, list(picks[:step])].amin(dim=1)
        probability *= float(nearest[picks[step]] / nearest.sum())
    return probability


SIX = Points.of(normal(6, 3, seed=3) * torch.tensor([[0.2], [0.5], [1.0], [1.0], [2.0], [3.0]]), normal(6, 2, seed=4))


@pytest.mark.parametrize(
    ("points", "first", "n", "block"),
    [
        (materialised(SIX), None, 3, 8),  # 120 ordered sets
        (SIX, 0, 3, 1),  # a sweep for every pick
        (SIX, 0, 4, 2),
        (SIX, 0, 4, 8),  # all picks by rejection in one batch
        (SIX, 5, 3, 8),
    ],
)
def test_kmeans_plus_plus_law(points: Points | Tensor, first: int | None, n: int, block: int) -> None:
    squared = pairwise(materialised(SIX), materialised(SIX))
    draws, generator = 4000, seeded(1)
    seen = Counter(
        tuple(kmeans_plus_plus(points, n, generator, first=first, block=block).tolist()) for _ in range(draws)
    )
    starts = range(6) if first is None else [first]
    expected = {
        picks: draws * law(squared, picks) / len(starts)
        for picks in itertools.permutations(range(6), n)
        if picks[0] in starts
    }
    assert seen.keys() <= expected.keys()
    common = [picks for picks, count in expected.items() if count >= 5]
    rare = draws - sum(expected[picks] for picks in common)
    counts = [seen[picks] for picks in common]
    test = chisquare([*counts, draws - sum(counts)], [*(expected[picks] for picks in common), rare])
    assert test.pvalue > 0.001


def test_kmeans_plus_plus_needs_no_float64_and_repeats_itself() -> None:
    left, right = normal(3000, 10, dtype=torch.float32), normal(3000, 32, seed=1, dtype=torch.float32)
    picks = kmeans_plus_plus(Points.of(left, right), 500, seeded(5), block=64)
    assert len(picks.unique()) == 500
    assert picks.equal(kmeans_plus_plus(Points.of(left, right), 500, seeded(5), block=64))
    assert not picks.equal(kmeans_plus_plus(Points.of(left, right), 500, seeded(6), block=64))
    halves = kmeans_plus_plus(Points.of(left.half(), right.half()), 500, seeded(5))
    assert len(halves.unique()) == 500


def test_kmeans_plus_plus_takes_distinct_points_first_and_then_uniformly() -> None:
    which = torch.arange(60) % 4
    for dtype in (torch.float32, torch.float64):
        points = normal(4, 30, dtype=dtype)[which]
        picks = kmeans_plus_plus(points, 60, seeded(2), first=7)
        assert picks[0] == 7
        assert len(which[picks[:4]].unique()) == 4
        assert picks.sort().values.equal(torch.arange(60))

    generator, same = seeded(3), torch.ones(6, 2)
    seconds = Counter(int(kmeans_plus_plus(same, 2, generator, first=4)[1]) for _ in range(1000))
    assert seconds.keys() == {0, 1, 2, 3, 5}
    assert chisquare(list(seconds.values())).pvalue > 0.001


def test_kmeans_plus_plus_of_all_and_of_one() -> None:
    points = normal(50, 3)
    assert kmeans_plus_plus(points, 50, seeded()).sort().values.equal(torch.arange(50))
    assert kmeans_plus_plus(points, 1, seeded(), first=31).tolist() == [31]
    assert kmeans_plus_plus(points[:1], 1, seeded()).tolist() == [0]
    assert kmeans_plus_plus(torch.zeros(4, 2), 4, seeded()).sort().values.tolist() == [0, 1, 2, 3]
    for n in (0, 51):
        with pytest.raises(ValueError, match=f"cannot pick {n} of 50"):
            kmeans_plus_plus(points, n, seeded())


# ------------------------------------------------------------------------------------------- k-center


def plain_k_center(points: Tensor, n: int, centres: Tensor | None = None, first: int | None = None) -> list[int]:
    """One sweep a pick, distances from differences."""
    if centres is None or len(centres) == 0:
        nearest = torch.full((len(points),), torch.inf, dtype=torch.float64)
        start = pairwise(points, points.mean(dim=0, keepdim=True)).squeeze(1)
    else:
        nearest = start = pairwise(points, centres).amin(dim=1)
    picks = [int(start.argmax()) if first is None else first]
    while len(picks) < n:
        nearest = nearest.minimum((points - points[picks[-1]]).square().sum(dim=1))
        nearest[picks] = -1
        picks.append(int(nearest.argmax()))
    return picks


def example(kind: str, size: int) -> Tensor:
    if kind == "normal":
        return normal(size, 6)
    if kind == "clusters":  # as embeddings are: some directions, unequal spread
        centres = 4 * normal(12, 6)
        return (centres[torch.arange(size) % 12] + normal(size, 6, seed=1) * normal(size, 1, seed=2)).relu()
    if kind == "duplicates":
        return normal(size, 6)[torch.randint(size // 3 + 1, (size,), generator=seeded(7))]
    return torch.randint(4, (size, 3), generator=seeded(8)).double()  # a grid: 64 places and many ties


@pytest.mark.parametrize("kind", ["normal", "clusters", "duplicates", "grid"])
@pytest.mark.parametrize(("size", "n", "block"), [(400, 150, 1), (400, 150, 7), (700, 300, None), (90, 90, 512)])
def test_k_center_picks_what_the_plain_greedy_picks(kind: str, size: int, n: int, block: int | None) -> None:
    points = example(kind, size)
    assert k_center(points, n, block=block).tolist() == plain_k_center(points, n)
    centres = example(kind, 9) + 1
    assert k_center(points, n, centres=centres, block=block).tolist() == plain_k_center(points, n, centres)
    assert k_center(points, n, first=3, block=block).tolist() == plain_k_center(points, n, first=3)


def test_k_center_at_distance_zero_takes_the_smallest_unpicked() -> None:
    same = torch.ones(9, 4)
    assert k_center(same, 9, block=2).tolist() == list(range(9))
    assert k_center(same, 9, first=4).tolist() == [4, 0, 1, 2, 3, 5, 6, 7, 8]
    assert k_center(same, 3, centres=same[:1]).tolist() == [0, 1, 2]


def test_k_center_in_other_precisions_and_sizes() -> None:
    points = example("clusters", 300)
    assert k_center(points.float(), 100).tolist() == plain_k_center(points, 100)
    assert len(k_center(points.half(), 300, centres=points[:1].half()).unique()) == 300
    assert k_center(points[:1], 1).tolist() == k_center(points[:1], 1, centres=points).tolist() == [0]
    assert k_center(points, 20, centres=points[:0]).tolist() == plain_k_center(points, 20)
    for n in (0, 301):
        with pytest.raises(ValueError, match=f"cannot pick {n} of 300"):
            k_center(points, n)
    with pytest.raises(ValueError, match="not finite"):
        k_center(points, 5, centres=points[:2] * torch.nan)


# ------------------------------------------------------------------------------------------- clusters


def blobs(count: int, size: int) -> tuple[Tensor, Tensor]:
    """``size`` points around each of ``count`` far corners, and which corner each belongs to."""
    which = torch.arange(count).repeat(size)
    corners = 100 * torch.eye(count)
    return corners[which] + normal(count * size, count, dtype=torch.float32), which


def test_nearest_to_centres_are_distinct_and_in_turn() -> None:
    points = normal(60, 3)
    centres = torch.cat([points[:5] + 0.01, points[:5] + 0.02, points[:5], normal(25, 3, seed=1)])
    distances = pairwise(centres, points)
    expected: list[int] = []
    for row in distances:
        expected.append(next(i for i in row.argsort(stable=True).tolist() if i not in expected))
    assert nearest_to_centres(points, centres).tolist() == expected
    assert expected[:5] == [0, 1, 2, 3, 4]
    assert nearest_to_centres(points, points.flip(0)).sort().values.equal(torch.arange(60))
    assert nearest_to_centres(torch.ones(3, 2), torch.zeros(3, 2)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="61 centres cannot have distinct members among 60 points"):
        nearest_to_centres(points, normal(61, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_kmeans_centres_are_the_means_of_its_clusters(dtype: torch.dtype) -> None:
    points = blobs(8, 30)[0].to(dtype)
    labels, centres = kmeans(points, 8, seeded(4))
    assert labels.dtype == torch.int64
    for label in range(8):
        torch.testing.assert_close(centres[label], points[labels == label].float().mean(dim=0), rtol=1e-3, atol=1e-3)
    assert labels.equal(kmeans(points, 8, seeded(4))[0])
    assert labels.equal(pairwise(points.float(), centres).argmin(dim=1))


def test_kmeans_of_many_clusters_works_on_mini_batches() -> None:
    points, which = blobs(60, 20)
    labels, centres = kmeans(points, 60, seeded())
    assert centres.shape == (60, 60)
    assert adjusted_rand_score(which, labels) > 0.9


def test_kmeans_weights() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0]])
    _, centres = kmeans(points, 2, seeded(), weights=torch.tensor([3.0, 1.0, 1.0]))
    torch.testing.assert_close(centres.sort(dim=0).values, torch.tensor([[0.25], [10.0]]))
    _, centres = kmeans(points, 2, seeded(), weights=torch.zeros(3))
    torch.testing.assert_close(centres.sort(dim=0).values, torch.tensor([[0.5], [10.0]]))
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"cannot make {k} clusters of 3 points"):
            kmeans(points, k, seeded())
    with pytest.raises(ValueError, match="not finite"):
        kmeans(points / 0, 2, seeded())


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_agglomerative_makes_the_clusters_of_scikit_learn(linkage: str) -> None:
    points = normal(300, 5)
    expected = AgglomerativeClustering(40, linkage=linkage).fit(points.numpy()).labels_
    labels = agglomerative(points, 40, linkage)  # type: ignore[arg-type]
    assert labels.unique().equal(torch.arange(40))
    assert adjusted_rand_score(expected, labels) == 1


def test_agglomerative_makes_as_many_clusters_as_asked() -> None:
    for k in (1, 3, 5):
        assert agglomerative(torch.ones(5, 2), k).unique().equal(torch.arange(k))
    assert agglomerative(torch.ones(1, 2), 1).tolist() == [0]
    with pytest.raises(ValueError, match="cannot make 6 clusters of 5 points"):
        agglomerative(torch.ones(5, 2), 6)
