"""Clusters: k-means and agglomerative clustering, and the members that stand for clusters."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy.cluster import hierarchy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from strategies.kernels.device_clusters import Linkage, linked, lloyd
from strategies.kernels.distances import Points, squared_distances

_FULL_BATCH = 50  # the most clusters for which every iteration sees all points
_MINI_BATCH = 5_000  # points an iteration sees beyond
_BLOCK = 2**24  # distances kept at once


def kmeans(points: Tensor, k: int, generator: torch.Generator, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Labels (N,), int64, and centres (k, D) of k-means on ``points`` (N, D), from one k-means++ seeding.

    Points on the CPU: scikit-learn's Lloyd algorithm for up to 50 clusters, its mini-batches of 5,000 beyond. Points
    elsewhere: Lloyd's algorithm there from the same draws, which ends in the same clusters but for rounding up to 50,
    and beyond is not limited to mini-batches.
    ``weights`` (N,) ≥ 0 say how much each point counts; when all are 0 the points count alike.
    A cluster stays empty where there are fewer distinct points than clusters.
    Raises ValueError unless 1 ≤ k ≤ N, and for points that are not finite.
    """
    _check_count(k, len(points))
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
    x = Points.of(points)
    weighted = weights if weights is not None and weights.any() else None
    if points.device.type != "cpu":
        return lloyd(x, k, weighted, seed)
    from sklearn.cluster import KMeans, MiniBatchKMeans  # here, not above: importing it takes a second
    from sklearn.exceptions import ConvergenceWarning

    if k <= _FULL_BATCH:
        model = KMeans(k, n_init=1, random_state=seed)
    else:
        model = MiniBatchKMeans(k, n_init=1, batch_size=_MINI_BATCH, random_state=seed)
    (rows,) = x.factors
    counts = None if weighted is None else weighted.double().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters
        model.fit(rows.numpy(), sample_weight=counts)
    return torch.from_numpy(model.labels_).long(), torch.from_numpy(model.cluster_centers_)


def agglomerative(points: Tensor, k: int, linkage: Linkage = "complete") -> Tensor:
    """Labels (N,), int64, in 0…k−1, of hierarchical clustering of ``points`` (N, D) by Euclidean distances.

    The two nearest clusters are merged until ``k`` are left. The distances come from float64 matrix products. SciPy
    merges points on the CPU: time O(N² D), memory 4 N² bytes (10,000 points: 0.4 GB). Points elsewhere are merged
    there, in up to 32 N² bytes.
    Raises ValueError unless 1 ≤ k ≤ N.
    """
    size = len(points)
    _check_count(k, size)
    x = Points.of(points.double())
    if points.device.type != "cpu":
        return linked(x, k, linkage)
    pairs = _condensed(x)
    merges = hierarchy.linkage(pairs, linkage)[: size - k, :2] if k < size else np.empty((0, 2))
    # Node N + t is what the t-th merge made; what hangs together after N − k merges is a cluster.
    nodes = size + len(merges)
    ends = (np.arange(size, nodes).repeat(2), merges.ravel().astype(np.int64))
    graph = coo_array((np.ones(2 * len(merges)), ends), shape=(nodes, nodes))
    labels = connected_components(graph, directed=False)[1][:size]
    return torch.from_numpy(labels).long()


def nearest_to_centres(points: Tensor, centres: Tensor) -> Tensor:
    """For each of ``centres`` (k, D) in turn the nearest of ``points`` (N, D): k distinct positions, int64.

    A point that an earlier centre took is out, the next nearest follows; the smaller position wins ties.
    Time O(k N D), memory O(N). Raises ValueError if there are more centres than points, and for NaN.
    """
    if len(centres) > len(points):
        raise ValueError(f"{len(centres)} centres cannot have distinct members among {len(points)} points")
    members = Points.of(points)
    taken = torch.empty(0, dtype=torch.int64, device=points.device)
    for some in centres.to(members.factors[0]).split(max(1, _BLOCK // len(points))):
        distances = squared_distances(Points.of(some), members)
        distances.index_fill_(1, taken, torch.inf)
        for row in distances:
            nearest = row.argmin().view(1)
            distances.index_fill_(1, nearest, torch.inf)
            taken = torch.cat([taken, nearest])
    return taken


def nearest_centre(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """For each of ``points`` (N, D) the nearest of ``centres`` (k, D), int64, and its squared distance: (N,) each.

    The smaller position wins ties. Time O(N k D), memory O(N). Raises ValueError for points that are not finite.
    """
    x = Points.of(points)
    y = Points.of(centres.to(x.factors[0]))
    step = max(1, _BLOCK // len(y))
    blocks = [squared_distances(x[start : start + step], y).min(dim=1) for start in range(0, len(x), step)]
    return torch.cat([block.indices for block in blocks]), torch.cat([block.values for block in blocks])


def _condensed(x: Points) -> np.ndarray:
    """The distances of all pairs i < j, row by row, as SciPy takes them: (N (N − 1) / 2,)."""
    size = len(x)
    pairs = np.empty(size * (size - 1) // 2)
    filled = 0
    step = max(1, _BLOCK // size)
    for start in range(0, size, step):
        block = squared_distances(x[start : start + step], x[start:])
        upper = block[torch.ones_like(block, dtype=torch.bool).triu(1)].sqrt_()
        pairs[filled : filled + len(upper)] = upper.numpy()
        filled += len(upper)
    return pairs


def _check_count(k: int, size: int) -> None:
    if not 1 <= k <= size:
        raise ValueError(f"cannot make {k} clusters of {size} points: use between 1 and {size}")
