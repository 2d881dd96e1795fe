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
_TRIES = 32  # picks that are tried, at most, before the host waits for a GPU


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
    if squared.device.type == "cpu":
        squared = torch.threshold_(squared, float(y.rounding.max()), 0.0)
    else:  # where a number for the host is a wait
        squared.masked_fill_(squared <= y.rounding.max(), 0.0)
    return similarity(squared)


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
    if u.device.type != "cpu":
        return _without_waiting(greedy, n, nothing)
    picks: list[int] = []
    while len(picks) < n:
        slot = greedy.best()
        if greedy.gains[slot] <= nothing:
            break
        picks.append(greedy.take(slot))
    return torch.tensor(picks, dtype=torch.int64, device=u.device)


def _without_waiting(greedy: _Greedy, n: int, nothing: float) -> Tensor:
    """The picks, found on the device: many are tried before the host asks how many there are.

    A try that would need bounds brought up to date changes nothing, and so do all after it. Then bounds are updated
    before every try, needed or not, until a round of tries needed none.
    """
    picks = torch.empty(n + 1, dtype=torch.int64, device=greedy.m.device)  # the last place takes what is no pick
    count = torch.zeros_like(picks[:1])
    done, updates = 0, True
    while done < n:
        behind = []
        for _ in range(min(n - done, _TRIES)):
            if updates:
                behind.append(greedy.update())
            pick, has_picked, is_behind = greedy.try_one(nothing)
            picks.index_copy_(0, count.where(has_picked, n), pick)
            count += has_picked
        behind.append(is_behind)
        done, needed, goes_on = torch.stack([count[0], torch.stack(behind).sum(), has_picked | is_behind]).tolist()
        if not goes_on:
            break  # nothing is left to gain
        updates = needed > 0
    return picks[:done]


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

    def try_one(self, nothing: float) -> tuple[Tensor, Tensor, Tensor]:
        """``best`` and ``take`` on the device: a position (1,), whether it was picked, and whether bounds forbid it.

        It is not picked, and nothing changes, where bounds need to be brought up to date or ``nothing`` is gained.
        """
        winner, ahead = self._ahead()
        slot = (self.points == winner).int().argmax().view(1)
        is_behind = ahead.any()
        going = ~is_behind & (self.gains[slot] > nothing).squeeze(0)

        # Where it is not picked, it covers nothing better than it was: all that follows leaves things as they are.
        after = torch.where(going, torch.maximum(self.m, self.kept[slot].squeeze(0)), self.m)
        for left in range(0, len(self.x), _COLUMNS):
            column = slice(left, left + _COLUMNS)
            lost = self.kept[:, column].clamp(self.m[column], after[column]).sub_(self.m[column])
            self.gains -= lost.double() @ self.u[column].double()
        self.m = after
        place = winner.clamp(max=len(self.bounds) - 1)  # no point is kept yet: nothing is going on
        self.bounds.index_copy_(0, place, self.bounds[place].masked_fill(going, -torch.inf))
        self.gains.index_copy_(0, slot, self.gains[slot].masked_fill(going, -torch.inf))
        self.points.index_copy_(0, slot, self.points[slot].masked_fill(going, -1))
        return winner, going, is_behind

    def update(self) -> Tensor:
        """Bring bounds that are ahead of the known gains up to date, as ``best`` does; whether there were any."""
        _, ahead = self._ahead()
        count = min(_BLOCK, len(self.points))
        order = torch.sort(self.bounds.masked_fill(~ahead, -torch.inf), descending=True, stable=True)
        bounds, points = order.values[:count], order.indices[:count]
        slots = self.gains.topk(count, largest=False).indices
        coming = bounds > -torch.inf  # those to the front, in place of the smallest gains
        leaving = self.points[slots].where(coming, -1)
        extended = torch.cat([self.bounds, self.bounds[:1]])
        self.bounds = extended.index_copy_(0, leaving.where(leaving >= 0, len(self.bounds)), self.gains[slots])[:-1]
        new = similarities(self.x[points], self.x, self.similarity)
        gained = (new - self.m).clamp_(min=0).double() @ self.u.double()
        self.kept[slots] = new.where(coming[:, None], self.kept[slots])
        self.points[slots] = points.where(coming, self.points[slots])
        self.gains[slots] = gained.where(coming, self.gains[slots])
        self.bounds[points] = gained.where(coming, self.bounds[points])
        return coming[0]

    def _ahead(self) -> tuple[Tensor, Tensor]:
        """The position (1,) of the largest known gain, N for none, and which points (N,) may come before it."""
        largest = self.gains.max()
        equal = (self.gains >= largest - self.rounding) & (self.points >= 0)
        winner = self.points.where(equal, len(self.bounds)).min().view(1)
        # Of a point that is kept the gain is known, and its bound does not count; the last place takes empty slots.
        unknown = torch.ones(len(self.bounds) + 1, dtype=torch.bool, device=self.points.device)
        unknown.index_fill_(0, self.points.where(self.points >= 0, len(self.bounds)), False)
        rival = (self.bounds >= largest - self.rounding) & (self.bounds > -torch.inf) & unknown[:-1]
        before = torch.arange(len(self.bounds), device=winner.device) < winner
        return winner, rival & (before | (self.bounds > largest + self.rounding))

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
