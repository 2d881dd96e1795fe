"""Corrections of many tests, against statsmodels, by hand, and by a loop over all patterns of signs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.reports.statistics import correction, resampling
from benchmark.reports.statistics.correction import FEWEST_FLIPS, flipped_statistics, holm, max_t, sign_patterns


def test_holm_by_hand() -> None:
    # sorted 0.01 0.02 0.03 0.04 times 4 3 2 1: 0.04 0.06 0.06 0.04, made monotone from the smallest on
    adjusted = holm(np.array([0.04, 0.01, math.nan, 0.03, 0.02]))
    assert adjusted.tolist() == pytest.approx([0.06, 0.04, math.nan, 0.06, 0.06], nan_ok=True)
    assert holm(np.array([0.5, 0.6])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_holm_is_that_of_statsmodels_row_by_row() -> None:
    p = np.random.default_rng(0).beta(0.3, 2, (50, 31))
    p[:, 3] = p[:, 7]  # ties
    for row, adjusted in zip(p, holm(p), strict=True):
        np.testing.assert_allclose(adjusted, multipletests(row, method="holm")[1])


def by_loops(differences: np.ndarray) -> list[float]:
    """Step-down max-T as Westfall and Young write it, a pattern at a time, with SciPy's t."""
    n, m = differences.shape
    observed = np.abs(stats.ttest_1samp(differences, 0).statistic)
    order = sorted(range(m), key=lambda j: -observed[j])
    counts, patterns = [0] * m, list(itertools.product((1, -1), repeat=n))
    for signs in patterns:
        t = np.abs(stats.ttest_1samp(differences * np.array(signs)[:, None], 0).statistic)
        for place, j in enumerate(order):
            counts[place] += max(t[i] for i in order[place:]) >= observed[j] - 1e-9
    p, largest = [0.0] * m, 0.0
    for place, j in enumerate(order):
        largest = max(largest, counts[place] / len(patterns))
        p[j] = largest
    return p


@pytest.mark.parametrize("at_once", [1, 40, 2**20])
def test_max_t_is_that_of_all_flips_one_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "AT_ONCE", at_once)
    draw = np.random.default_rng(1)
    differences = draw.normal(0, 1, (7, 1)) + draw.normal(0, 1, (7, 5)) * [1, 1, 3, 0.1, 1]
    differences[:, 1] += 4
    found, _ = max_t(differences, 0.0, 0.05)
    assert found.tolist() == pytest.approx(by_loops(differences))
    assert min(found) >= 1 / 64


def test_the_critical_value_is_exceeded_by_at_most_the_level_of_patterns() -> None:
    differences = np.random.default_rng(2).normal(0, 1, (10, 8))
    _, value = max_t(differences, 0.0, 0.05)
    largest = flipped_statistics(differences, 0.0, patterns(10, 8)).max(axis=1)
    assert (largest > value + 1e-12).mean() <= 0.05 < (largest >= value - 1e-12).mean()


def patterns(seeds: int, tests: int) -> np.ndarray:
    """All parts together."""
    return np.concatenate([*sign_patterns(seeds, tests)])


def test_patterns_are_all_that_differ_or_a_fixed_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    for seeds in (10, 15):
        every = patterns(seeds, 100)
        assert len({tuple(row) for row in every}) == len(every) == 2 ** (seeds - 1)
        assert (every[:, 0] == 1).all()  # so that no pattern is another with all signs changed
        assert (every[0] == 1).all()
    monkeypatch.setattr(correction, "MOST_STATISTICS", 10**6)
    many = patterns(30, 200)
    assert many.shape == (5000, 30)
    assert set(np.unique(many)) == {-1, 1}
    assert (many[0] == 1).all()
    assert (many == patterns(30, 200)).all()
    assert abs(many[1:].mean()) < 0.01
    assert len(patterns(30, 1000)) == FEWEST_FLIPS


def test_drawn_flips_are_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(2).normal(0.1, 1, (31, 4))
    monkeypatch.setattr(correction, "MOST_STATISTICS", 10**5)
    whole, expected = patterns(31, 4), max_t(differences, 0.0, 0.05)
    monkeypatch.setattr(resampling, "AT_ONCE", 1030)  # 33 rows of 31 signs, an odd number
    assert len([*sign_patterns(31, 4)]) > 10
    assert (patterns(31, 4) == whole).all()
    found = max_t(differences, 0.0, 0.05)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    assert found[1] == pytest.approx(expected[1])


def test_twenty_seeds_are_decided_by_all_their_flips() -> None:
    """A p-value of one test by its exact law: the share of all sums of ±d that are as far from 0 as that observed."""
    d = np.random.default_rng(5).normal(0.7, 1, 20)
    sums = np.zeros(1)
    for each in d:
        sums = np.concatenate([sums + each, sums - each])
    exact = (np.abs(sums) >= abs(d.sum()) - 1e-9).mean()
    assert 0.001 < exact < 0.2
    assert max_t(d[:, None], 0.0, 0.05)[0].tolist() == pytest.approx([exact], rel=1e-9)
