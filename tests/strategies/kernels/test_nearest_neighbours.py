"""Nearest neighbours of one set of points among another, against plain differences."""

import pytest
import torch
from support.made_up import normal, pairwise

from strategies.kernels.distances import Points
from strategies.kernels.nearest_neighbours import nearest_among


@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_nearest_come_in_order_whatever_the_block(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(25, 3), normal(9, 3, seed=1)
    expected = pairwise(x, y).argsort(dim=1)[:, :k]
    for block in (2**22, 27, 1):
        monkeypatch.setattr("strategies.kernels.nearest_neighbours._BLOCK", block)
        assert nearest_among(Points.of(x), Points.of(y), k).equal(expected)


@pytest.mark.parametrize("k", [0, 4])
def test_as_many_as_there_are_at_most(k: int) -> None:
    points = Points.of(torch.eye(3))
    with pytest.raises(ValueError, match=f"3 points have between 1 and 3 nearest, not {k}"):
        nearest_among(points, points, k)
