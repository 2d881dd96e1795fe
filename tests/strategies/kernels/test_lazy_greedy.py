"""Lazy greedy coverage and nearest neighbours against the plain forms."""

from typing import Any

import pytest
import torch
from support.grouped_pools import brute_greedy, grouped_pool, unit
from support.made_up import seeded
from torch import Tensor
from torch.nn import functional as F

from strategies.kernels import lazy_greedy as kernel
from strategies.kernels.distances import Points
from strategies.kernels.lazy_greedy import ball, covered_by, gains, gaussian, lazy_greedy
from strategies.kernels.nearest_neighbours import nearest_neighbours


@pytest.mark.parametrize("similarity", [gaussian(0.7), ball(0.8)])
def test_gains_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, similarity: Any) -> None:
    monkeypatch.setattr(kernel, "_ROWS", 16)
    monkeypatch.setattr(kernel, "_COLUMNS", 40)
    x = F.normalize(torch.randn(131, 5, dtype=torch.float64, generator=seeded()), dim=1)
    u, m = torch.rand(2, 131, dtype=torch.float64, generator=seeded(1))
    s = similarity(torch.cdist(x, x).square())
    expected = (u[:, None] * (s - m[:, None]).clamp(min=0)).sum(dim=0)
    torch.testing.assert_close(gains(Points.of(x), similarity, u, m), expected)


@pytest.mark.parametrize("kept", [(256, 64), (12, 5)])
@pytest.mark.parametrize("warm", [0, 20])
@pytest.mark.parametrize("similarity", [gaussian(1.0), gaussian(0.2), ball(0.3)])
def test_lazy_greedy_is_the_plain_greedy(
    monkeypatch: pytest.MonkeyPatch, similarity: Any, warm: int, kept: tuple[int, int]
) -> None:
    monkeypatch.setattr(kernel, "_KEPT", kept[0])
    monkeypatch.setattr(kernel, "_BLOCK", kept[1])
    x = F.normalize(torch.randn(300 + warm, 6, dtype=torch.float64, generator=seeded()), dim=1)
    x, centres = x[warm:], x[:warm]
    x[200:240] = x[:40]
    u = torch.rand(300, dtype=torch.float64, generator=seeded(1))
    u[::7] = 0
    m = covered_by(Points.of(x), Points.of(centres), similarity)
    squared = torch.cdist(x, torch.cat([x, centres]), compute_mode="donot_use_mm_for_euclid_dist").square()
    s = similarity(squared)
    if warm:
        torch.testing.assert_close(m, s[:, 300:].amax(dim=1))
    for weights in (None, u):
        expected = brute_greedy(s[:, :300], 300, torch.ones_like(u) if weights is None else weights, m)
        found = lazy_greedy(x, 300, similarity, weights=weights, covered=m)
        assert found[:100].tolist() == expected[:100]
        assert abs(len(found) - len(expected)) <= 2  # what is left to gain at the end is rounding


def test_lazy_greedy_breaks_ties_by_position_and_stops_when_all_is_covered() -> None:
    grid = torch.eye(9).repeat(4, 1)
    assert lazy_greedy(grid, 36, ball(0.5)).tolist() == list(range(9))
    assert lazy_greedy(grid, 36, gaussian(1.0)).tolist() == list(range(9))
    heavier = torch.ones(36).index_fill(0, torch.tensor([5, 7]), 3.0)
    assert lazy_greedy(grid, 4, ball(0.5), weights=heavier).tolist() == [5, 7, 0, 1]


def test_lazy_greedy_in_float32_finds_as_much_coverage() -> None:
    images = grouped_pool(900, 30)
    x, known = unit(images)
    s = gaussian(0.5)(torch.cdist(x, x).square())
    m = gaussian(0.5)(torch.cdist(x, known).square()).amax(dim=1)

    def coverage(picks: Tensor) -> float:
        return float(torch.maximum(m, s[:, picks].amax(dim=1)).mean())

    exact = coverage(lazy_greedy(x, 50, gaussian(0.5), covered=m))
    assert coverage(lazy_greedy(x.float(), 50, gaussian(0.5), covered=m.float())) == pytest.approx(exact, rel=1e-6)


def test_lazy_greedy_looks_at_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    met = []
    keep = kernel._Greedy._keep
    monkeypatch.setattr(kernel._Greedy, "_keep", lambda self, points: (met.append(len(points)), keep(self, points))[1])
    x, known = unit(grouped_pool(1500, 100, spread=0.6))
    covered = covered_by(Points.of(x), Points.of(known), gaussian(0.5))
    lazy_greedy(x, 100, gaussian(0.5), covered=covered)
    assert sum(met) < 0.2 * 100 * 1500


def test_lazy_greedy_refuses() -> None:
    x = torch.eye(3)
    for weights in (torch.tensor([1, torch.nan, 1]), torch.tensor([1.0, -1, 1])):
        with pytest.raises(ValueError, match="weights"):
            lazy_greedy(x, 1, ball(1), weights=weights)
    with pytest.raises(ValueError, match="between 1 and 3"):
        lazy_greedy(x, 4, ball(1))
    with pytest.raises(ValueError, match="NaN"):
        lazy_greedy(x * torch.nan, 1, ball(1))


def test_nearest_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.kernels.nearest_neighbours._BLOCK", 700)
    x = torch.randn(100, 4, dtype=torch.float64, generator=seeded())
    squared, positions = nearest_neighbours(x, 6)
    expected = torch.cdist(x, x).square().fill_diagonal_(torch.inf).sort(dim=1)
    torch.testing.assert_close(squared, expected.values[:, :6])
    assert positions.equal(expected.indices[:, :6])
    assert nearest_neighbours(x[[0, 0]], 1)[0].tolist() == [[0], [0]]
    with pytest.raises(ValueError, match="between 1 and 99"):
        nearest_neighbours(x, 100)
