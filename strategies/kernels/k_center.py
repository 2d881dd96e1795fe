"""Greedy k-center (farthest-first traversal): always pick the point farthest from all centres so far.

Gonzalez, *Clustering to minimize the maximum intercluster distance*, Theoretical Computer Science 1985:
within a factor 2 of the smallest possible radius. One sweep over all N points for each pick is a
matrix-vector product, bound by memory. Here many picks share a sweep, and are the same picks:

1. Put the m farthest points into a block; τ is the largest distance outside.
2. Run the greedy inside the block, by its m × m distances, while its maximum is above τ. Distances outside
   only fall meanwhile, so nobody there can win.
3. Sweep once with all picks of the block.

Ties go to the smaller position, as in the plain greedy. What is equal in exact arithmetic (duplicates,
points of a grid) differs in the last bits after a matrix product, so distances closer than their rounding
error are ties.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from strategies.kernels.distances import Points, lower, squared_distances


def k_center(
    points: Tensor,
    n: int,
    *,
    centres: Tensor | None = None,
    first: int | None = None,
    block: int | None = None,
) -> Tensor:
    """``n`` distinct positions among the N ``points`` (N, D), int64, in the order of picking.

    ``centres`` (L, D) are there from the start. ``first`` is the first pick; by default the point farthest
    from the centres or, without any, from the mean of the points. The smaller position wins ties; once all
    distances are 0, that is the smallest unpicked one. ``block`` points are looked at between two sweeps, by
    default √(4 N), when their distances cost as much as four picks in a sweep; the picks do not depend on it
    but for rounding. Time O((L + n) N D) as matrix products, memory O(N + block²) beyond the points.
    Raises ValueError unless 1 ≤ n ≤ N, and for points or centres that are not finite.
    """
    x = Points.of(points)
    if not 1 <= n <= len(x):
        raise ValueError(f"cannot pick {n} of {len(x)} points: n must be between 1 and {len(x)}")
    block = block or math.isqrt(4 * len(x))
    nearest = torch.full_like(x.squared_norms, torch.inf)  # squared distance to the nearest centre
    picks = torch.tensor([] if first is None else [first], dtype=torch.int64, device=nearest.device)
    if centres is not None and len(centres):
        lower(nearest, x, Points.of(centres.to(x.factors[0])))
    elif first is None:
        mean = Points.of(x.factors[0].mean(dim=0, keepdim=True))
        picks = _farthest(x, squared_distances(x, mean).squeeze(1), 1, block)
    accepted = picks
    while len(picks) < n:
        lower(nearest, x, x[accepted])
        nearest[accepted] = -torch.inf  # never again, not even among duplicates at distance 0
        accepted = _farthest(x, nearest, n - len(picks), block)
        picks = torch.cat([picks, accepted])
    return picks


def _farthest(x: Points, nearest: Tensor, wanted: int, block: int) -> Tensor:
    """The next picks of the greedy, at least one and at most ``wanted``, that need no sweep in between."""
    size = min(block, len(x) - 1)
    tau = torch.topk(nearest, size + 1).values[-1]
    above = nearest > tau + x.rounding
    ties = (~above & (nearest >= tau - x.rounding)).nonzero().squeeze(1)
    room = size - int(above.sum())
    members = torch.cat([above.nonzero().squeeze(1), ties[:room]]).sort().values
    outside = ties[room]  # the smallest position at distance τ outside the block

    among = x[members]
    distances = squared_distances(among, among).cpu().numpy()
    now, noise = nearest[members].cpu().numpy(), among.rounding.cpu().numpy()
    ahead = (members < outside).cpu().numpy()
    limit = tau.item()
    accepted: list[int] = []
    while len(accepted) < min(wanted, size):
        best = int((now >= now.max() - noise).argmax())  # the first of equals
        if now[best] < limit - noise[best] or (now[best] <= limit + noise[best] and not ahead[best]):
            break
        np.minimum(now, distances[best], out=now)
        now[best] = -np.inf
        accepted.append(best)
    return members[accepted] if accepted else outside.view(1)
