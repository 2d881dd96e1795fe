"""Ranks and tests of ranks, against SciPy called directly."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_reports import area_of, curves_with_effects

from benchmark.reports.statistics.ranks import blocks, mean_ranks, rank_tests, ranks_allowed
from benchmark.reports.statistics.summary import areas


def test_ranks_and_tests_of_ranks_are_over_data_sets() -> None:
    names = ["random", "margin", "badge", "bald"]
    sets = [curves_with_effects(names if k else [*names, "more"], 2 + k % 3, rng=k) for k in range(11)]
    table = blocks(*map(areas, sets))
    assert table.shape == (11, 4)
    assert ranks_allowed(table)
    assert not ranks_allowed(table[:9])
    assert not ranks_allowed(pd.concat([table] * 3, axis=1))
    values = np.array([[area_of(c, s).mean() for s in names] for c in sets])
    ranks = stats.rankdata(-values, axis=1).mean(axis=0)
    assert mean_ranks(table)[[(s, "supervised") for s in names]].tolist() == pytest.approx(ranks.tolist())
    found = rank_tests(table)
    assert found.friedman == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    assert found.critical_difference == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 11)), rel=1e-3)  # Demšar, table 5
    for i, j in itertools.combinations(range(4), 2):
        apart = abs(ranks[i] - ranks[j]) > found.critical_difference
        assert (found.nemenyi.iloc[i, j] < 0.05) == apart


def test_ranks_need_the_library_only_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scikit_posthocs", None)
    table = blocks(areas(curves_with_effects(["random", "margin", "badge"], 10)))
    assert mean_ranks(table).sum() == pytest.approx(6)
    with pytest.raises(ImportError):
        rank_tests(table)
