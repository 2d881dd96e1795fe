"""Exact nearest neighbours by matrix products and top-k, a block of rows at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.kernels.distances import Points, squared_distances

_BLOCK = 2**22  # distances kept at once


def nearest_neighbours(points: Points | Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Squared distances (N, k), ascending, and positions (N, k), int64, of the ``k`` nearest others of N points (N, D).

    A point is no neighbour of its own, a duplicate is. Time O(N² D), memory O(N k) beyond the points. Raises ValueError
    unless 1 ≤ k < N, and for points that are not finite.
    """
    x = points if isinstance(points, Points) else Points.of(points)
    if not 1 <= k < len(x):
        raise ValueError(f"{len(x)} points have between 1 and {len(x) - 1} neighbours each, not {k}")
    found = []
    step = max(1, _BLOCK // len(x))
    for start in range(0, len(x), step):
        distances = squared_distances(x[start : start + step], x)
        distances.diagonal(start).fill_(torch.inf)
        found.append(distances.topk(k, dim=1, largest=False))
    return torch.cat([block.values for block in found]), torch.cat([block.indices for block in found])


def nearest_among(points: Points, others: Points, k: int) -> Tensor:
    """Positions (N, k), int64, of the ``k`` nearest of M ``others`` to each of N ``points``, the nearest first.

    Time O(N M D), memory O(N k) beyond the points. Raises ValueError unless 1 ≤ k ≤ M.
    """
    if not 1 <= k <= len(others):
        raise ValueError(f"{len(others)} points have between 1 and {len(others)} nearest, not {k}")
    step = max(1, _BLOCK // len(others))
    blocks = (squared_distances(points[start : start + step], others) for start in range(0, len(points), step))
    return torch.cat([block.topk(k, dim=1, largest=False).indices for block in blocks])
