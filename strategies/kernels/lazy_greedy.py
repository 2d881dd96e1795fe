"""Lazy greedy maximisation of coverage: the next pick is always the point that covers most of what is left to cover.

With a similarity s(i, x) in [0, 1] that falls with the distance, u_i the weight of point i and m_i in [0, 1] how well
it is covered already, picking x gains

    g(x) = Σ_i u_i max(0, s(i, x) − m_i)    and then    m_i ← max(m_i, s(i, x)).

Gains only fall (coverage is submodular), so an old gain bounds the new one from above. The greedy is lazy: it brings up
to date only those points whose bound is not below the best gain known, and its picks are those of the plain greedy.
Minoux, *Accelerated Greedy Algorithms for Maximizing Submodular Set Functions*, Optimization Techniques 1978.

Ours is the work in blocks. The first gains meet all pairs, in blocks that stay in cache, and s(i, j) = s(j, i) saves
half of the products. Later, points are brought up to date some at a time, by one matrix product; their similarities are
kept while their gains are among the largest, so that a pick costs no product at all. Nothing of size N × N is kept.

Gains within rounding error of the largest are ties, and go to the smaller position.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from strategies.kernels.distances import Points, lower

# From squared distances to similarities, elementwise and in place: 1 at distance 0, never rising, never below 0.
Similarity = Callable[[Tensor], Tensor]

_ROWS, _COLUMNS = 512, 2048  # of a block of similarities
_KEPT, _BLOCK = 256, 128  # similarities of how many points are kept, and how many are computed together


def gaussian(width: float) -> Similarity:
    """s = exp(−d² / ``width``²), and 10⁻²⁶ where that is less: numbers too small for their format take far longer."""
    return lambda squared: squared.mul_(-(width**-2)).clamp_(min=-60).exp_()


def ball(squared_radius: float) -> Similarity:
    """s = 1 where d² ≤ ``squared_radius``, and 0 elsewhere."""
    return lambda squared: squared.le_(squared_radius)


def similarities(x: Points, y: Points, similarity: Similarity) -> Tensor:
    """s(i, j), (N, M), of N points ``x`` and M points ``y``, vectors of length 1 or 0. Duplicates are at distance 0."""
    (rows,), (columns,) = x.factors, y.factors
    squared = torch.addmm(y.squared_norms, rows, columns.T, alpha=-2).add_(x.squared_norms[:, None])
    return similarity(torch.threshold_(squared, float(y.rounding.max()), 0.0))


def covered_by(x: Points, centres: Points, similarity: Similarity) -> Tensor:
    """m (N,): how well the M ``centres`` cover each of the N points; 0 without centres."""
    if not len(centres):
        return torch.zeros_like(x.squared_norms)
    nearest = torch.full_like(x.squared_norms, torch.inf)
    lower(nearest, x, centres)
    return similarity(nearest)


def gains(x: Points, similarity: Similarity, weights: Tensor, covered: Tensor) -> Tensor:
    """g (N,), float64, of each of the N points; u = ``weights`` (N,), m = ``covered`` (N,). O(N² D), memory O(N)."""
    total = torch.zeros_like(weights, dtype=torch.float64)
    weights = weights.double()
    for top in range(0, len(x), _ROWS):
        row = slice(top, top + _ROWS)
        for left in range(top, len(x), _COLUMNS):
            column = slice(left, left + _COLUMNS)
            block = similarities(x[row], x[column], similarity)
            total[column] += weights[row] @ (block - covered[row, None]).clamp_(min=0).double()
            # Beyond the diagonal part, which holds both s(i, j) and s(j, i), the block stands for its mirror image too.
            start = left + max(0, top + _ROWS - left)
            mirror = slice(start, left + _COLUMNS)
            block = block[:, start - left :].sub_(covered[mirror]).clamp_(min=0)
            total[row] += block.double() @ weights[mirror]
    return total


def lazy_greedy(
    points: Points | Tensor,
    n: int,
    similarity: Similarity,
    *,
    weights: Tensor | None = None,
    covered: Tensor | None = None,
) -> Tensor:
    """Up to ``n`` distinct positions among the N ``points`` (N, D), int64, in the order of picking.

    The points are vectors of length 1 or 0. ``weights`` u (N,) ≥ 0 are 1 by default, ``covered`` m (N,) 0. There are
    fewer than ``n`` picks where nothing is left to gain. Time O(N² D) for the first gains, and O(N D) for each point
    that is brought up to date, few for each pick unless nothing is covered at first; memory O(N) beyond the points.
    Raises ValueError unless 1 ≤ n ≤ N, and for points or weights that are not finite.
    """
    x = points if isinstance(points, Points) else Points.of(points)
    if not 1 <= n <= len(x):
        raise ValueError(f"cannot pick {n} of {len(x)} points: n must be between 1 and {len(x)}")
    u = torch.ones_like(x.squared_norms) if weights is None else weights.to(x.squared_norms)
    if not u.isfinite().all() or (u < 0).any():
        raise ValueError("weights must be finite and at least 0")
    m = torch.zeros_like(u) if covered is None else covered.to(u, copy=True)
    greedy = _Greedy(x, similarity, u, m)
    nothing = torch.finfo(u.dtype).eps * float(u.double().sum())  # what a similarity's last digit makes of all points
    picks: list[int] = []
    while len(picks) < n:
        slot = greedy.best()
        if greedy.gains[slot] <= nothing:
            break
        picks.append(greedy.take(slot))
    return torch.tensor(picks, dtype=torch.int64, device=u.device)


class _Greedy:
    """Upper bounds on the gains, and the exact gains of the points whose similarities are kept.

    ``bounds`` (N,) float64 holds −∞ for picks; slot j keeps the similarities ``kept[j]`` (N,) of the point
    ``points[j]`` (−1 for none) and its gain ``gains[j]``.
    """

    def __init__(self, x: Points, similarity: Similarity, u: Tensor, m: Tensor) -> None:
        self.x, self.similarity, self.u, self.m = x, similarity, u, m
        self.rounding = 4 * torch.finfo(u.dtype).eps * float(torch.linalg.vector_norm(u.double()))
        self.bounds = gains(x, similarity, u, m)
        self.exact = True  # whether no point was covered better since all bounds were computed
        slots = min(_KEPT, len(x))
        self.kept = u.new_zeros(slots, len(x))
        self.points = torch.full((slots,), -1, device=u.device)
        self.gains = self.bounds.new_full((slots,), -torch.inf)

    def best(self) -> int:
        """The slot of the point with the largest gain, of equals the one with the smallest position."""
        updated = 0
        while True:
            largest = self.gains.max()
            equal = (self.gains >= largest - self.rounding) & (self.points >= 0)
            winner = int(self.points.where(equal, len(self.bounds)).min())
            rival = (self.bounds >= largest - self.rounding) & (self.bounds > -torch.inf)
            rival[self.points[self.points >= 0]] = False
            ahead = rival.nonzero().squeeze(1)
            ahead = ahead[(ahead < winner) | (self.bounds[ahead] > largest + self.rounding)]
            if not len(ahead):
                return int((self.points == winner).nonzero())
            if not self.exact and updated > len(self.bounds) // 8 and len(ahead) > len(self.bounds) // 2:
                picked = self.bounds == -torch.inf  # so many are left that all at half the price of each are cheaper
                self.bounds = gains(self.x, self.similarity, self.u, self.m).masked_fill_(picked, -torch.inf)
                self.exact = True
            else:
                order = torch.sort(self.bounds[ahead], descending=True, stable=True).indices
                self._keep(ahead[order[:_BLOCK]])
                updated += len(order[:_BLOCK])

    def take(self, slot: int) -> int:
        """Cover the points by the one in ``slot``; its position."""
        column = self.kept[slot]
        better = (column > self.m).nonzero().squeeze(1)
        for some in better.split(_COLUMNS):
            before, after = self.m[some], column[some]
            lost = self.kept[:, some].clamp_(before, after).sub_(before)
            self.gains -= lost.double() @ self.u[some].double()
        self.m[better] = column[better]
        self.exact = False
        pick = int(self.points[slot])
        self.bounds[pick], self.gains[slot], self.points[slot] = -torch.inf, -torch.inf, -1
        return pick

    def _keep(self, points: Tensor) -> None:
        """Keep the similarities of ``points``, in place of those with the smallest gains."""
        slots = self.gains.topk(len(points), largest=False).indices
        leaving = slots[self.points[slots] >= 0]
        self.bounds[self.points[leaving]] = self.gains[leaving]
        rows, gained = self.x[points], torch.zeros_like(points, dtype=torch.float64)
        for left in range(0, len(self.x), _COLUMNS):
            column = slice(left, left + _COLUMNS)
            block = similarities(rows, self.x[column], self.similarity)
            self.kept[slots, column] = block
            gained += block.sub_(self.m[column]).clamp_(min=0).double() @ self.u[column].double()
        self.points[slots], self.gains[slots] = points, gained
        self.bounds[points] = gained
