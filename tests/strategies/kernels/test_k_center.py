"""Greedy k-center against the plain greedy."""

import pytest
import torch
from support.made_up import normal, pairwise, seeded
from torch import Tensor

from strategies.kernels.k_center import k_center


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
