"""Lazy greedy maximisation of coverage: the next pick is always the point that covers most of what is left to cover.

With a similarity s(i, x) in [0, 1] that falls with the distance, u_i the weight of point i and m_i in [0, 1] how well
it is covered already, picking x gains

    g(x) = Σ_i u_i max(0, s(i, x) − m_i)    and then    m_i ← max(m_i, s(i, x)).

Gains only fall (coverage is submodular), so an old gain bounds the new one from above. The greedy is lazy: it brings up
to date only those points whose bound is not below the best gain known, and its picks are those of the plain greedy.
Minoux, *Accelerated Greedy Algorithms for Maximizing Submodular Set Functions*, Optimization Techniques 1978.

Ours: the first gains meet all pairs in blocks that stay in cache, and s(i, j) = s(j, i) saves half of the products.
Later, a bound differs from the gain by the points that were covered better since it was computed, usually few of the
N; a log of them brings a block of bounds up to date by one matrix product. Nothing of size N × N is kept.

Gains within rounding error of the best are ties, and go to the smaller position.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.algorithms.distances import Points, lower

# From squared distances to similarities, elementwise and in place: 1 at distance 0, never rising, never below 0.
Similarity = Callable[[Tensor], Tensor]

_ROWS, _COLUMNS = 512, 2048  # of a block of similarities
_FIRST = 8  # bounds brought up to date together; twice as many each time they do not suffice


def gaussian(width: float) -> Similarity:
    """s = exp(−d² / ``width``²)."""
    return lambda squared: squared.mul_(-(width**-2)).exp_()


def ball(squared_radius: float) -> Similarity:
    """s = 1 where d² ≤ ``squared_radius``, and 0 elsewhere."""
    return lambda squared: squared.le_(squared_radius)


def similarities(x: Points, y: Points, similarity: Similarity) -> Tensor:
    """s(i, j) of N points ``x`` and M points ``y``, all vectors of length 1 or 0: (N, M). Duplicates are at distance 0."""
    (rows,), (columns,) = x.factors, y.factors
    squared = torch.addmm(y.squared_norms, rows, columns.T, alpha=-2).add_(x.squared_norms[:, None])
    return similarity(F.threshold_(squared, float(y.rounding.max()), 0.0))


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
    fewer than ``n`` picks where nothing is left to gain. Time O(N² D) for the first gains and O(N D) or more for each
    pick, memory O(N) beyond the points. Raises ValueError unless 1 ≤ n ≤ N, and for points or weights that are not
    finite.
    """
    x = points if isinstance(points, Points) else Points.of(points)
    if not 1 <= n <= len(x):
        raise ValueError(f"cannot pick {n} of {len(x)} points: n must be between 1 and {len(x)}")
    u = torch.ones_like(x.squared_norms) if weights is None else weights.to(x.squared_norms)
    if not u.isfinite().all() or (u < 0).any():
        raise ValueError("weights must be finite and at least 0")
    m = torch.zeros_like(u) if covered is None else covered.to(u, copy=True)
    bounds = _Bounds(x, similarity, u, m)
    picks: list[int] = []
    while len(picks) < n:
        pick, gain = bounds.largest()
        if gain <= bounds.rounding:
            break
        # Its gain once more, from its own column: a sum of differences may have kept what they should cancel.
        column = similarities(x, x[pick : pick + 1], similarity).squeeze(1)
        confirmed = float(u.double() @ (column - m).clamp_(min=0).double())
        if confirmed < gain - bounds.rounding:
            bounds.values[pick] = confirmed
            continue
        picks.append(pick)
        bounds.cover(column)
        bounds.values[pick] = -torch.inf
    return torch.tensor(picks, dtype=torch.int64, device=u.device)


class _Bounds:
    """Upper bounds on the gains, ``values`` (N,) float64, and what has to be taken off to bring them up to date.

    The log says which ``rows`` were covered how well ``before`` and ``after``, pick by pick; ``values[i]`` accounts
    for its first ``seen[i]`` entries.
    """

    def __init__(self, x: Points, similarity: Similarity, u: Tensor, m: Tensor) -> None:
        self.x, self.similarity, self.u, self.m = x, similarity, u, m
        self.rounding = 4 * torch.finfo(u.dtype).eps * float(torch.linalg.vector_norm(u.double()))
        self.values = gains(x, similarity, u, m)
        self._forget()

    def _forget(self) -> None:
        self.seen = torch.zeros_like(self.values, dtype=torch.int64)
        self.rows, self.before, self.after = self.seen[:0], self.m[:0], self.m[:0]

    def cover(self, column: Tensor) -> None:
        """Cover every point at least as well as ``column`` (N,) says."""
        better = (column > self.m).nonzero().squeeze(1)
        self.rows = torch.cat([self.rows, better])
        self.before = torch.cat([self.before, self.m[better]])
        self.after = torch.cat([self.after, column[better]])
        self.m[better] = column[better]

    def largest(self) -> tuple[int, float]:
        """The position of the largest gain, the smallest of equals, and the gain."""
        count = _FIRST
        while True:
            current = self.seen == len(self.rows)
            best = float(self.values.where(current, -torch.inf).max())
            rival = self.values >= best - self.rounding
            winners = (rival & current).nonzero()
            winner = int(winners[0]) if len(winners) else len(self.values)
            ahead = (rival & ~current).nonzero().squeeze(1)
            ahead = ahead[(ahead < winner) | (self.values[ahead] > best + self.rounding)]
            if not len(ahead):
                return winner, float(self.values[winner])
            if winner < len(self.values) and 2 * len(ahead) * len(self.rows) >= len(self.values) ** 2:
                picked = self.values == -torch.inf
                self.values = gains(self.x, self.similarity, self.u, self.m).masked_fill_(picked, -torch.inf)
                self._forget()
            else:
                order = torch.sort(self.values[ahead], descending=True, stable=True).indices
                self._update(ahead[order[:count]])
                count *= 2

    def _update(self, positions: Tensor) -> None:
        """Bring the bounds at ``positions`` up to date, from the log or, where that is longer than N, from scratch."""
        for some in positions.split(_COLUMNS):
            unseen = len(self.rows) - self.seen[some]
            scratch = unseen >= len(self.values)
            if scratch.any():
                self.values[some[scratch]] = self._from_scratch(some[scratch])
            if not scratch.all():
                self.values[some[~scratch]] -= self._lost(some[~scratch])
        self.seen[positions] = len(self.rows)

    def _from_scratch(self, positions: Tensor) -> Tensor:
        total = torch.zeros_like(positions, dtype=torch.float64)
        columns = self.x[positions]
        for top in range(0, len(self.x), _COLUMNS):
            row = slice(top, top + _COLUMNS)
            block = similarities(self.x[row], columns, self.similarity)
            total += self.u[row].double() @ block.sub_(self.m[row, None]).clamp_(min=0).double()
        return total

    def _lost(self, positions: Tensor) -> Tensor:
        """What the gains lost by the entries of the log that they have not seen."""
        total = torch.zeros_like(positions, dtype=torch.float64)
        columns, seen = self.x[positions], self.seen[positions]
        for top in range(int(seen.min()), len(self.rows), _COLUMNS):
            entry = slice(top, top + _COLUMNS)
            rows, before, after = self.rows[entry], self.before[entry, None], self.after[entry, None]
            block = similarities(self.x[rows], columns, self.similarity)
            lost = torch.clamp(block, before, after).sub_(before)
            lost *= torch.arange(top, top + len(rows), device=seen.device)[:, None] >= seen
            total += self.u[rows].double() @ lost.double()
        return total
