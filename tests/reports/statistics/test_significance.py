"""Paired tests over seeds, against SciPy called directly."""

from __future__ import annotations

import math

import pytest
from scipy import stats
from support.made_reports import LABELS, curves_with_effects

from benchmark.reports.sections.tests_by_seed import primary_tests, signed_rank
from benchmark.reports.statistics.seeds import compared
from benchmark.reports.statistics.significance import accuracies, holm, paired_t
from benchmark.reports.statistics.summary import areas


def test_holm_by_hand() -> None:
    # sorted 0.01 0.02 0.03 0.04 times 4 3 2 1: 0.04 0.06 0.06 0.04, made monotone from the smallest on
    assert holm([0.04, 0.01, math.nan, 0.03, 0.02]) == pytest.approx([0.06, 0.04, math.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_too_few_seeds_give_no_p_value() -> None:
    assert math.isnan(paired_t([0.1, 0.2])[1])
    assert paired_t([0.1, 0.2, 0.4])[1] == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.4], 0).pvalue)
    assert math.isnan(signed_rank([0.1 * i for i in range(1, 9)]))
    assert paired_t([0.0, 0.0, 0.0]) == (0.0, 1.0)
    assert paired_t([-0.5, -0.5, -0.5]) == (-math.inf, 0.0)
    assert signed_rank([0.0] * 9) == 1.0


def test_unequal_seeds_are_made_equal_before_anything_is_compared() -> None:
    curves = curves_with_effects(["random", "margin", "badge"], 5)
    short = curves[~((curves["strategy"] == "badge") & (curves["seed"] == 3))]
    order, seeds, labels, array = accuracies(compared(short))
    assert (seeds, labels, array.shape) == ([0, 1, 2, 4], LABELS, (3, 4, 4))
    expected = curves.set_index(["strategy", "seed", "labels"])["accuracy"]
    assert array[order.index(("margin", "supervised")), 3, 2] == expected["margin", 4, 50]
    assert primary_tests(areas(short))["n"].eq(4).all()
