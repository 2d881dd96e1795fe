"""k-means++ seeding: its law against its enumeration."""

import itertools
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from support.made_up import materialised, normal, pairwise, seeded
from torch import Tensor

from strategies.kernels.distances import Points
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus


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
