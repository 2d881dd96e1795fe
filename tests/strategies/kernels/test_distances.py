"""Squared distances against the outer products written out."""

import pytest
import torch
from support.made_up import materialised, normal, pairwise, seeded

from strategies.kernels.distances import Points, lower, squared_distances


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
