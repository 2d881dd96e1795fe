"""LCMD against brute force."""

import numpy as np
import pytest
import torch
from support.made_up import normal, pool_of, seeded

from strategies.coreset import CoreSet
from strategies.lcmd import LCMD, largest_cluster_max_distance


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
