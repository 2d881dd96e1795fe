"""Areas on the scale from random to the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.made_reports import curves_of

from benchmark.reports.sections.headroom import headroom, share


def test_a_share_is_a_ratio_of_means_with_fiellers_interval() -> None:
    rng = np.random.default_rng(0)
    oracle = 0.05 + 0.01 * rng.normal(size=12)
    gains = 0.4 * oracle + 0.01 * rng.normal(size=12)
    found = share(gains, oracle)
    assert found.value == pytest.approx(gains.mean() / oracle.mean())
    for end in (found.low, found.high):  # the t-test on the difference is just at its level there
        assert stats.ttest_1samp(gains - end * oracle, 0).pvalue == pytest.approx(0.05)
    assert found.low < found.value < found.high


def test_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        oracle = 0.04 + 0.02 * rng.normal(size=8)
        found = share(0.3 * oracle + 0.02 * rng.normal(size=8), oracle)
        covered += not found.low > 0.3 and not found.high < 0.3
    assert 0.93 < covered / 1000 < 0.98


def test_without_an_oracle_above_random_there_is_no_scale() -> None:
    noise = np.random.default_rng(2).normal(size=6)
    for oracle in (noise - noise.mean(), -1 - np.abs(noise), noise + 0.3):
        assert np.isnan(share(np.ones(6), oracle).value)
    assert np.isnan(share(np.ones(1), np.ones(1)).value)


def test_a_table_has_neither_end_of_the_scale() -> None:
    labels = [10, 20, 30]
    base = np.linspace(0.4, 0.6, 3) + 0.01 * np.random.default_rng(3).normal(size=(4, 1))
    named = {"random": base, "boss[batches=9]": base + 0.1, "margin": base + 0.04, "entropy": base - 0.02}
    found = headroom(curves_of(named, labels), "random")
    assert list(found["strategy"]) == ["margin", "entropy"]
    assert list(found["share"]) == pytest.approx([0.4, -0.2])
    assert set(found["oracle"]) == {"boss"}
    assert headroom(curves_of({"random": base, "margin": base}, labels), "random").empty


def test_the_greedy_oracle_is_the_scale_where_boss_did_not_run() -> None:
    base = np.linspace(0.4, 0.6, 3) + 0.01 * np.random.default_rng(4).normal(size=(4, 1))
    named = {"random": base, "margin": base + 0.04, "greedy-oracle": base + 0.1}
    found = headroom(curves_of(named, [10, 20, 30]), "random")
    assert found[["strategy", "oracle"]].to_numpy().tolist() == [["margin", "greedy-oracle"]]
    assert found["share"].tolist() == pytest.approx([0.4])
    both = headroom(curves_of({**named, "boss": base + 0.08}, [10, 20, 30]), "random").set_index("strategy")
    assert both["share"].to_dict() == pytest.approx({"margin": 0.5, "greedy-oracle": 1.25})
