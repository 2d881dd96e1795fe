"""Balls from lists of near pairs against those from products of matrices."""

import pytest
import torch
from support.made_up import seeded

from strategies.components import equal_balls as module
from strategies.components.equal_balls import EqualBalls, ListedBalls, equal_balls
from strategies.components.feature_space import unit_points
from strategies.kernels.near_pairs import near_pairs


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


def test_lists_change_no_pick_and_are_made_when_images_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_last", module._Last())
    everything = torch.randn(400, 5, dtype=torch.float64, generator=seeded())
    for again, seed in enumerate(range(4)):
        order = torch.randperm(400, generator=seeded(seed))
        x, known = unit_points(everything[order[20:]]), unit_points(everything[order[:20]])
        indices = torch.cat([order[20:], order[:20]])
        found = equal_balls((x, known), indices, 0.5, 0.6)
        assert isinstance(found, ListedBalls) == bool(again)
        plain = EqualBalls(x, 0.5)
        covered = torch.rand(380, generator=seeded(seed)) < 0.3
        torch.testing.assert_close(found.degrees(covered), plain.degrees(covered))
        assert found.inside(7).sort().values.equal(plain.inside(7))
        torch.testing.assert_close(found.holding(torch.tensor([3, 9])), plain.holding(torch.tensor([3, 9])))
        assert found.cover(60, covered).equal(plain.cover(60, covered))
    assert not isinstance(equal_balls((x, known), indices, 0.7, 0.6), ListedBalls)
    moved = unit_points(everything[order[20:]] + 1)
    assert not isinstance(equal_balls((moved, known), indices, 0.5, 0.6), ListedBalls)
