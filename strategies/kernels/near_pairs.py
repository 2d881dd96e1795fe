"""All pairs of points within a radius, found once: balls around points without another product.

A ball that holds a hundredth of the points is a short list. Where the points stay and what is covered or the radius
changes, from round to round and from run to run, counting what balls hold is a pass over these lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from torch import Tensor

from strategies.kernels.distances import Points
from strategies.kernels.lazy_greedy import similarities

_ROWS, _COLUMNS = 512, 2048  # of a block of distances
_PASS = 1024  # rows whose lists are read at once


@dataclass(frozen=True)
class NearPairs:
    """Row i's neighbours, itself among them: ``others[starts[i] : starts[i + 1]]`` at those ``squared`` distances.

    For M points and P pairs: ``starts`` (M + 1,) int64, ``others`` (P,) int32, ascending in each row, ``squared`` (P,).
    """

    starts: Tensor
    others: Tensor
    squared: Tensor

    def counts(self, which: Tensor, squared_radius: float) -> Tensor:
        """How many of the points in ``which`` (M,), bool, each point has within the radius: (M,), int64. O(P)."""
        found = torch.empty_like(self.starts[1:])
        for first in range(0, len(found), _PASS):
            bounds = self.starts[first : first + _PASS + 1]
            part = slice(int(bounds[0]), int(bounds[-1]))
            inside = which[self.others[part]] & (self.squared[part] <= squared_radius)
            so_far = torch.cat([bounds.new_zeros(1), inside.cumsum(dim=0)])[bounds - bounds[0]]
            found[first : first + _PASS] = so_far.diff()
        return found

    def around(self, row: int, squared_radius: float) -> Tensor:
        """The points within the radius of one, itself among them: (B,), int64."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return self.others[part][self.squared[part] <= squared_radius].long()


def near_pairs(points: Points, squared_radius: float, most: int) -> NearPairs | None:
    """The pairs of M ``points`` (M, D), vectors of length 1 or 0 on the CPU, within the radius; both orders count.

    None where there are more than ``most``. Time O(M² D); memory 24 bytes a pair, of which 8 are kept.
    """
    size = len(points)
    if size > most:
        return None
    room = (most - size) // 2  # one order of each pair; memory that is not written to is none
    rows, columns = (torch.empty(room, dtype=torch.int32) for _ in range(2))
    distances = torch.empty(room, dtype=points.squared_norms.dtype)
    end = 0
    for top in range(0, size, _ROWS):
        for left in range(top, size, _COLUMNS):
            row, column = slice(top, top + _ROWS), slice(left, left + _COLUMNS)
            squared = similarities(points[row], points[column], lambda squared: squared)
            i, j = (squared <= squared_radius).triu_(top - left + 1).nonzero().unbind(dim=1)
            new = slice(end, end + len(i))
            if new.stop > room:
                return None
            rows[new], columns[new], distances[new] = i + top, j + left, squared[i, j]
            end = new.stop
    itself = torch.arange(size, dtype=torch.int32)
    rows, columns, distances = rows[:end], columns[:end], distances[:end]
    values = torch.cat([distances, distances, torch.zeros(size, dtype=distances.dtype)]).numpy()
    places = (torch.cat([rows, columns, itself]).numpy(), torch.cat([columns, rows, itself]).numpy())
    del rows, columns, distances  # before as much is needed again
    lists = coo_array((values, places), shape=(size, size)).tocsr()
    del values, places
    lists.sort_indices()
    return NearPairs(*(torch.from_numpy(part) for part in (lists.indptr.astype(np.int64), lists.indices, lists.data)))
