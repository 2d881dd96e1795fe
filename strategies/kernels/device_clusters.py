"""k-means and agglomerative clustering on a GPU, where the host would take most of a query's time.

k-means draws what scikit-learn's ``KMeans`` draws from the same seed and takes the same steps, so that it ends in the
same clusters but for rounding: greedy k-means++ seeding (Arthur & Vassilvitskii, SODA 2007, with 2 + log k trials a
centre), then Lloyd's iterations. Seeding is without a wait of the host; an iteration waits once, to know whether it was
the last.

Agglomerative clustering merges, in each sweep over the matrix of distances, all pairs of clusters that are nearest
neighbours of each other. For complete, average and single linkage a merge brings no third cluster nearer to the result
than to the nearer of its parts, so these pairs are merged in every order of merges (Murtagh, *A Survey of Recent
Advances in Hierarchical Clustering Algorithms*, The Computer Journal 1983); sorted by height they are the merges one by
one. Equal heights are cut in the order of sweeps.

Sums are products of matrices or sums of integers: a GPU takes them in the same order every time.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from strategies.kernels.distances import Points, squared_distances

Linkage = Literal["complete", "average", "single"]

_ITERATIONS, _TOLERANCE = 300, 1e-4  # scikit-learn's defaults
_BLOCK = 2**24  # distances kept at once


def lloyd(points: Points, k: int, weights: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
    """Labels (N,), int64, and centres (k, D) of N ``points`` (N, D); ``weights`` (N,) ≥ 0 are 1 by default.

    Time O(k N D) for the seeding and each of up to 300 iterations, memory O(N) beyond the points.
    """
    (rows,) = points.factors
    w = torch.ones_like(rows[:, 0]) if weights is None else weights.to(rows)
    origin = rows.mean(dim=0)
    x = _points(rows - origin)
    least = rows.var(dim=0, correction=0).mean() * _TOLERANCE
    centres = x.factors[0][_seeding(x, k, w, np.random.RandomState(seed))]
    labels = torch.full_like(w, -1, dtype=torch.int64)
    for _ in range(_ITERATIONS):
        before, (labels, distances) = labels, _assigned(x, centres)
        sums, counts = _sums(x.factors[0], labels, w, k)
        shift = ((sums / counts[:, None] - centres) ** 2).sum()
        same, few, empty = torch.stack([(labels == before).all(), shift <= least, (counts == 0).any()]).tolist()
        if empty:
            _fill_empty(sums, counts, x.factors[0], labels, distances, w)
            few = bool(((sums / counts[:, None] - centres) ** 2).sum() <= least)
        centres = sums / counts[:, None]
        if same or few:
            break
    if not same:
        labels, _ = _assigned(x, centres)
    return labels, centres + origin


def linked(points: Points, k: int, linkage: Linkage) -> Tensor:
    """Labels (N,), int64, in 0…k−1, by the order of the clusters' first points; ``points`` in float64.

    Time O(N²) for each sweep and memory 16 N² bytes, twice that for moments.
    """
    size = len(points)
    distances = squared_distances(points, points).sqrt_().triu_(1)
    distances = (distances + distances.T).fill_diagonal_(torch.inf)
    names = torch.arange(size, device=distances.device)  # the first point of each cluster that is left
    counts, heights = torch.ones_like(distances[0]), torch.zeros_like(distances[0])
    merged: list[Tensor] = []  # (3, …): height, the cluster that stays, the one that joins it
    while len(names) > 1:
        nearest = distances.min(dim=1)
        positions = torch.arange(len(names), device=names.device)
        first = ((nearest.indices[nearest.indices] == positions) & (positions < nearest.indices)).nonzero().squeeze(1)
        second = nearest.indices[first]
        # No lower than the merges below it, which rounding of averages could make it.
        height = torch.stack([nearest.values[first], heights[first], heights[second]]).amax(dim=0)
        merged.append(torch.stack([height, names[first].double(), names[second].double()]))
        _merge(distances, first, second, counts, linkage)
        counts[first] += counts[second]
        heights[first] = height
        stays = torch.ones_like(names, dtype=torch.bool)
        stays[second] = False
        left = stays.nonzero().squeeze(1)
        distances = distances[left][:, left].fill_diagonal_(torch.inf)
        names, counts, heights = names[left], counts[left], heights[left]
    parents = torch.arange(size, device=names.device)
    if merged:
        height, stay, join = torch.cat(merged, dim=1)
        lowest = height.sort(stable=True).indices[: size - k]
        parents[join[lowest].long()] = stay[lowest].long()
    for _ in range(size.bit_length()):
        parents = parents[parents]
    is_root = parents == torch.arange(size, device=parents.device)
    return (is_root.long().cumsum(dim=0) - 1)[parents]


def _points(rows: Tensor) -> Points:
    """Points that are known to be finite, without a wait to check it."""
    return Points((rows,), rows.square().sum(dim=1))


def _seeding(x: Points, k: int, w: Tensor, draws: np.random.RandomState) -> Tensor:
    """The positions (k,) of the first centres."""
    uniform = torch.tensor([draws.random_sample()], dtype=torch.float64).to(w.device)
    chosen = [_drawn(w, uniform, right=True)]
    nearest = squared_distances(x[chosen[0]], x).squeeze(0)
    trials = torch.from_numpy(draws.uniform(size=(k - 1, 2 + int(math.log(k))))).to(w.device)
    for some in trials:
        candidates = _drawn(w * nearest, some, right=False)
        lowered = torch.minimum(squared_distances(x[candidates], x), nearest)
        best = (lowered @ w).argmin().view(1)
        nearest = lowered[best].squeeze(0)
        chosen.append(candidates[best])
    return torch.cat(chosen)


def _drawn(mass: Tensor, uniform: Tensor, *, right: bool) -> Tensor:
    """Positions drawn ∝ ``mass`` (N,) by numbers ``uniform`` in [0, 1), in fixed point as in ``proportionally``."""
    mass = mass.double()
    scale = (2.0**62 / len(mass)) / mass.max().clamp(min=torch.finfo(torch.float64).tiny)
    cumulative = (mass * scale).long().cumsum(dim=0)
    targets = (uniform * cumulative[-1]).long()
    return torch.searchsorted(cumulative, targets, right=right).clamp_(max=len(mass) - 1)


def _assigned(x: Points, centres: Tensor) -> tuple[Tensor, Tensor]:
    """For each point the nearest of ``centres`` (k, D) and its squared distance, (N,) each."""
    y, step = _points(centres), max(1, _BLOCK // len(centres))
    blocks = [squared_distances(x[top : top + step], y).min(dim=1) for top in range(0, len(x), step)]
    return torch.cat([block.indices for block in blocks]), torch.cat([block.values for block in blocks])


def _sums(rows: Tensor, labels: Tensor, w: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Σ w x (k, D) and Σ w (k,) of each cluster."""
    sums, counts = rows.new_zeros(k, rows.shape[1]), rows.new_zeros(k)
    clusters = torch.arange(k, device=rows.device)[:, None]
    step = max(1, _BLOCK // k)
    for some, of, weight in zip(rows.split(step), labels.split(step), w.split(step), strict=True):
        members = (clusters == of) * weight
        sums.addmm_(members, some)
        counts += members.sum(dim=1)
    return sums, counts


def _fill_empty(sums: Tensor, counts: Tensor, rows: Tensor, labels: Tensor, distances: Tensor, w: Tensor) -> None:
    """Give each empty cluster the point farthest from its centre; where none is away from it, the largest's centre."""
    empty = (counts == 0).nonzero().squeeze(1)
    if distances.max() > 0:
        for cluster, point in zip(empty.tolist(), distances.topk(len(empty)).indices.tolist(), strict=True):
            share = rows[point] * w[point]
            for of, sign in ((int(labels[point]), -1.0), (cluster, 1.0)):
                sums[of] += sign * share
                counts[of] += sign * w[point]
        empty = (counts <= 0).nonzero().squeeze(1)
    largest = counts.argmax().view(1)
    sums[empty], counts[empty] = sums[largest], counts[largest]


def _merge(distances: Tensor, first: Tensor, second: Tensor, counts: Tensor, linkage: Linkage) -> None:
    """Let rows and columns ``first`` be the distances from the unions of ``first`` and ``second``."""
    share = (counts[first] / (counts[first] + counts[second]))[:, None]
    for by_row in (distances, distances.T):
        one, other = by_row[first], by_row[second]
        if linkage == "complete":
            by_row[first] = torch.maximum(one, other)
        elif linkage == "single":
            by_row[first] = torch.minimum(one, other)
        else:
            by_row[first] = share * one + (1 - share) * other
