"""Balls of one radius around the images of a pool: what each holds that is not covered yet.

By products of matrices, or from lists of all pairs within the radius (``kernels.near_pairs``). The lists follow from
the images alone: a process keeps those of one set of images, for all rounds and runs on it. Making them takes about as
long as the products of one query.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

from strategies.kernels.distances import Points
from strategies.kernels.lazy_greedy import ball, gains, lazy_greedy, similarities
from strategies.kernels.near_pairs import NearPairs, near_pairs

_MOST_PAIRS = 2**26  # 512 MiB; 1 % of those of 60,000 images are 36 million
_BLOCK = 2**22  # distances kept at once


class EqualBalls:
    """The balls of ``radius`` around ``points`` (N, D), by products of matrices."""

    def __init__(self, points: Points, radius: float) -> None:
        self._points, self._covers = points, ball(radius**2)

    def degrees(self, covered: Tensor) -> Tensor:
        """How many points that are not ``covered`` (N,), bool, are in each ball: (N,), float64."""
        x = self._points
        return gains(x, self._covers, torch.ones_like(x.squared_norms), covered.to(x.squared_norms))

    def inside(self, position: int, covered: Tensor) -> Tensor:
        """The positions in the ball around one point that are not ``covered`` (N,), bool: int64, in any order."""
        x = self._points
        within = similarities(x, x[position : position + 1], self._covers).squeeze(1).bool()
        return (within & ~covered).nonzero().squeeze(1)

    def holding(self, positions: Tensor) -> Tensor:
        """How many of ``positions`` are in each ball: (N,)."""
        x = self._points
        found = torch.zeros_like(x.squared_norms, dtype=torch.float64)
        for some in positions.split(max(1, _BLOCK // len(x))):
            found += similarities(x[some], x, self._covers).sum(dim=0)
        return found

    def cover(self, n: int, covered: Tensor, order: Tensor) -> Tensor:
        """The greedy cover: up to ``n`` positions, each with the most points in its ball that are not yet covered.

        Of balls with equally many the first in ``order`` (N,), a permutation, is taken: once nearly all is covered,
        they are many. There are fewer than ``n`` picks where all is covered.
        """
        order = order.to(covered.device)
        return order[lazy_greedy(self._points[order], n, self._covers, covered=covered[order])]


class ListedBalls(EqualBalls):
    """The same from the lists ``pairs`` of M images, of which the pool's N are the ``rows`` (N,)."""

    def __init__(self, points: Points, radius: float, pairs: NearPairs, rows: Tensor) -> None:
        super().__init__(points, radius)
        self._squared_radius = radius**2
        self._pairs, self._rows = pairs, rows
        self._places = torch.full_like(pairs.starts[1:], -1).index_copy_(0, rows, torch.arange(len(rows)))

    def degrees(self, covered: Tensor) -> Tensor:
        left = torch.zeros_like(self._places, dtype=torch.bool).index_copy_(0, self._rows, ~covered)
        return self._pairs.counts(left, self._squared_radius)[self._rows].double()

    def inside(self, position: int, covered: Tensor) -> Tensor:
        places = self._places[self._pairs.around(int(self._rows[position]), self._squared_radius)]
        places = places[places >= 0]
        return places[~covered[places]]

    def holding(self, positions: Tensor) -> Tensor:
        lists = [self._pairs.around(row, self._squared_radius) for row in self._rows[positions].tolist()]
        counts = torch.cat(lists).bincount(minlength=len(self._places)) if lists else torch.zeros_like(self._places)
        return counts[self._rows].double()

    def cover(self, n: int, covered: Tensor, order: Tensor) -> Tensor:
        covered = covered.clone()
        degrees = self.degrees(covered)
        picks: list[int] = []
        while len(picks) < n and degrees.any():
            picks.append(int(order[degrees[order].argmax()]))
            new = self.inside(picks[-1], covered)
            covered[new] = True
            degrees -= self.holding(new)
        return torch.tensor(picks, dtype=torch.int64)


class _Kept(NamedTuple):
    """Of the images of ``digest`` the ``pairs`` within ``reach``; None where there are too many."""

    digest: bytes
    reach: float
    pairs: NearPairs | None


_kept: list[_Kept] = []  # of the images that were met last


def equal_balls(points: tuple[Points, Points], indices: Tensor, radius: float, reach: float) -> EqualBalls:
    """The balls of ``radius`` around N unlabelled images, of ``points`` of these and of the L labelled ones.

    ``indices`` (N + L,) are the positions of all in the dataset, ``reach`` is the largest radius that is asked for in
    other rounds. Whether lists are used follows from the arguments alone: products may round a distance otherwise, and
    a run that is resumed has the same bits.
    """
    unlabelled, labelled = points
    if unlabelled.squared_norms.device.type != "cpu" or radius > reach:
        return EqualBalls(unlabelled, radius)
    order = indices.argsort()
    rows = torch.cat([*unlabelled.factors, *labelled.factors])[order]
    digest = hashlib.blake2b(indices[order].numpy().tobytes() + rows.numpy().tobytes()).digest()
    if not _kept or (_kept[0].digest, _kept[0].reach) != (digest, reach):
        _kept.clear()
        _kept.append(_Kept(digest, reach, near_pairs(Points.of(rows), reach**2, _MOST_PAIRS)))
    if (pairs := _kept[0].pairs) is None:
        return EqualBalls(unlabelled, radius)
    places = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order)))
    return ListedBalls(unlabelled, radius, pairs, places[: len(unlabelled)])
