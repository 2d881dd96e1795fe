"""Balls from lists of near pairs against those from products of matrices."""

import pytest
import torch
from support.made_up import seeded

from strategies.components import equal_balls as module
from strategies.components.equal_balls import EqualBalls, ListedBalls, equal_balls
from strategies.components.feature_space import unit_points
from strategies.kernels.distances import Points
from strategies.kernels.near_pairs import NearPairs, near_pairs


def test_the_lists_hold_all_pairs_within_the_radius() -> None:
    rows = torch.randn(700, 6, dtype=torch.float64, generator=seeded())
    rows[650:] = rows[:50]  # duplicates
    x = unit_points(rows)
    expected = torch.cdist(x.factors[0], x.factors[0], compute_mode="donot_use_mm_for_euclid_dist") <= 0.6
    pairs = near_pairs(x, 0.6**2, 700**2)
    assert pairs is not None
    which = torch.rand(700, generator=seeded(1)) < 0.5
    assert pairs.counts(which, 0.6**2).equal((expected & which).sum(dim=1))
    assert all(pairs.around(i, 0.6**2).equal(expected[i].nonzero().squeeze(1)) for i in range(700))
    assert near_pairs(x, 0.6**2, int(expected.sum()) - 1) is None


def test_lists_change_no_pick_and_are_made_once_for_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def watched(points: Points, squared_radius: float, most: int) -> NearPairs | None:
        made.append(squared_radius)
        return near_pairs(points, squared_radius, most)

    monkeypatch.setattr(module, "near_pairs", watched)
    monkeypatch.setattr(module, "_kept", [])
    everything = torch.randn(400, 5, dtype=torch.float64, generator=seeded())
    for seed in range(4):
        order = torch.randperm(400, generator=seeded(seed))
        x, known = unit_points(everything[order[20:]]), unit_points(everything[order[:20]])
        indices = torch.cat([order[20:], order[:20]])
        found = equal_balls((x, known), indices, 0.5, 0.6)
        assert isinstance(found, ListedBalls)
        plain = EqualBalls(x, 0.5)
        covered = torch.rand(380, generator=seeded(seed)) < 0.3
        torch.testing.assert_close(found.degrees(covered), plain.degrees(covered))
        assert found.inside(7, covered).sort().values.equal(plain.inside(7, covered))
        torch.testing.assert_close(found.holding(torch.tensor([3, 9])), plain.holding(torch.tensor([3, 9])))
        turn = torch.randperm(380, generator=seeded(seed + 4))
        assert found.cover(60, covered, turn).equal(plain.cover(60, covered, turn))
    assert not isinstance(equal_balls((x, known), indices, 0.7, 0.6), ListedBalls)
    assert made == [0.6**2]
    equal_balls((x, known), indices, 0.5, 0.5)
    equal_balls((unit_points(everything[order[20:]] + 1), known), indices, 0.5, 0.5)
    assert made == [0.6**2, 0.5**2, 0.5**2]


def test_the_kind_of_balls_follows_from_the_images_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_kept", [])
    monkeypatch.setattr(module, "_MOST_PAIRS", 2000)
    x = unit_points(torch.randn(400, 5, dtype=torch.float64, generator=seeded()))
    known, indices = x[:0], torch.arange(400)
    wide = [isinstance(equal_balls((x, known), indices, 0.2, 0.9), ListedBalls) for _ in range(2)]
    narrow = [isinstance(equal_balls((x, known), indices, 0.2, 0.3), ListedBalls) for _ in range(2)]
    wide += [isinstance(equal_balls((x, known), indices, 0.2, 0.9), ListedBalls)]
    assert wide == [False] * 3
    assert narrow == [True] * 2
