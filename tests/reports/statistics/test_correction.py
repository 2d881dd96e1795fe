"""Corrections of many tests, against statsmodels, by hand, and by a loop over all patterns of signs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.reports.statistics.correction import (
    MOST_FLIPS,
    critical_value,
    flipped_statistics,
    holm,
    max_t,
    sign_patterns,
)


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


def test_max_t_is_that_of_all_flips_one_at_a_time() -> None:
    draw = np.random.default_rng(1)
    differences = draw.normal(0, 1, (7, 1)) + draw.normal(0, 1, (7, 5)) * [1, 1, 3, 0.1, 1]
    differences[:, 1] += 4
    found = flipped_statistics(differences, 0.0, sign_patterns(7))
    assert max_t(found).tolist() == pytest.approx(by_loops(differences))
    assert min(max_t(found)) >= 1 / 64


def test_the_critical_value_is_exceeded_by_at_most_the_level_of_patterns() -> None:
    found = flipped_statistics(np.random.default_rng(2).normal(0, 1, (10, 8)), 0.0, sign_patterns(10))
    largest, value = found.max(axis=1), critical_value(found, 0.05)
    assert (largest > value + 1e-12).mean() <= 0.05 < (largest >= value - 1e-12).mean()


def patterns(seeds: int) -> np.ndarray:
    """All parts together."""
    return np.concatenate([*sign_patterns(seeds)])


def test_patterns_are_all_that_differ_or_a_fixed_draw() -> None:
    assert len({tuple(row) for row in patterns(10)}) == 512
    assert not any((patterns(4) == -row).all(axis=1).any() for row in patterns(4))
    many = patterns(30)
    assert many.shape == (MOST_FLIPS, 30)
    assert (many[0] == 1).all()
    assert (many == patterns(30)).all()
    assert abs(many[1:].mean()) < 0.01
