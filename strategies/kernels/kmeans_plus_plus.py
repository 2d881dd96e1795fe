"""k-means++ seeding: each next centre is drawn ∝ D², its squared distance to the nearest centre so far.

Arthur & Vassilvitskii, *k-means++: The Advantages of Careful Seeding*, SODA 2007. One sweep over all N
points for each centre is a matrix-vector product, bound by memory. Here many centres share a sweep,
exactly:

1. Draw m candidates independently ∝ D² as it was after the last sweep.
2. Take them in order and accept candidate c with probability D²_now(c) / D²_sweep(c), where D²_now also knows
   the centres accepted since; among the candidates it is kept up to date by their m × m distances.
3. Sweep once with all accepted centres.

This is rejection sampling: a candidate is proposed ∝ D²_sweep ≥ D²_now and kept with the ratio, so each
accepted centre is distributed ∝ D²_now given all before it, which is the law of k-means++.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from strategies.kernels.distances import Points, lower, squared_distances

_MOST_DRAWN = 4  # candidates drawn, at most, for each centre wanted


def kmeans_plus_plus(
    points: Points | Tensor,
    n: int,
    generator: torch.Generator,
    *,
    first: int | None = None,
    block: int = 256,
) -> Tensor:
    """``n`` distinct positions among the N ``points`` (N, d), int64, in the order they were drawn.

    ``first`` is the first pick; None draws it uniformly. Once all that is left lies at distance 0 from the
    picks, the rest is drawn uniformly. At most ``block`` picks share a sweep; the law does not depend on
    it. ``generator`` is a CPU generator and the only source of chance. Time O(n N d) as matrix products,
    memory O(N + block²) beyond the points. Raises ValueError unless 1 ≤ n ≤ N, and for points that are not
    finite.
    """
    points = points if isinstance(points, Points) else Points.of(points)
    if not 1 <= n <= len(points):
        raise ValueError(f"cannot pick {n} of {len(points)} points: n must be between 1 and {len(points)}")
    if first is None:
        first = int(torch.randint(len(points), (1,), generator=generator))
    nearest = torch.full_like(points.squared_norms, torch.inf)  # D², and 0 for the picks
    picks = accepted = torch.tensor([first], device=nearest.device)
    acceptance = 1.0
    while len(picks) < n:
        lower(nearest, points, points[accepted], block)
        nearest[accepted] = 0
        wanted = min(block, n - len(picks))
        if not nearest.any():
            return torch.cat([picks, _uniformly(len(points), picks, n - len(picks), generator)])
        drawn = math.ceil(wanted * min(_MOST_DRAWN, 1 / acceptance))
        candidates = proportionally(nearest, drawn, generator)
        accepted, tried = _accepted(points, nearest, candidates, wanted, generator)
        acceptance = len(accepted) / tried
        picks = torch.cat([picks, accepted])
    return picks


def proportionally(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` independent positions, each drawn with probability ∝ ``weights`` (N,).

    The weights are added up in fixed point of 62 bits: finer than float64, and a sum of integers does not
    depend on the order in which a device adds.
    """
    weights = weights.double()
    cumulative = (weights / weights.max() * (2.0**62 / len(weights))).long().cumsum(dim=0)
    total = cumulative[-1]
    uniform = torch.rand(count, dtype=torch.float64, generator=generator).to(weights.device)
    targets = torch.minimum((uniform * total).long(), total - 1)
    return torch.searchsorted(cumulative, targets, right=True)


def _accepted(
    points: Points, nearest: Tensor, candidates: Tensor, wanted: int, generator: torch.Generator
) -> tuple[Tensor, int]:
    """The accepted ``candidates``, in order and at most ``wanted``, and how many were tried for them."""
    among = points[candidates]
    between = squared_distances(among, among)
    between.masked_fill_(candidates[:, None] == candidates, 0)  # the same point, drawn twice
    distances = between.double().cpu().numpy()
    now = nearest[candidates].double().cpu().numpy()
    thresholds = now * torch.rand(len(now), dtype=torch.float64, generator=generator).numpy()
    accepted: list[int] = []
    tried = 0
    while tried < len(now) and len(accepted) < wanted:
        if now[tried] > thresholds[tried]:
            np.minimum(now, distances[tried], out=now)
            accepted.append(tried)
        tried += 1
    return candidates[accepted], tried


def _uniformly(size: int, taken: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` distinct positions below ``size`` that are not in ``taken``, uniformly."""
    free = torch.ones(size, dtype=torch.bool, device=taken.device)
    free[taken] = False
    order = torch.randperm(size - len(taken), generator=generator)
    return free.nonzero().squeeze(1)[order[:count].to(taken.device)]
