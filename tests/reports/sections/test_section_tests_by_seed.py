"""Paired tests, against SciPy called directly and against enumeration."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.made_reports import area_of, curves_with_effects
from support.report_lines import write_grid

from benchmark.reports import read_report
from benchmark.reports.report import tables_of
from benchmark.reports.sections.tests_by_seed import compute, primary_tests, signed_rank
from benchmark.reports.statistics.summary import areas


def test_the_family_is_every_strategy_against_random_and_the_baseline() -> None:
    curves = curves_with_effects(["random", "margin", "badge", "bald"], 9)
    tests = primary_tests(areas(curves), "margin")
    pairs = list(zip(tests["strategy"], tests["reference"], strict=True))
    assert pairs == [(s, "random") for s in ("margin", "badge", "bald")] + [(s, "margin") for s in ("badge", "bald")]
    raw = []
    for row in tests.itertuples():
        own, other = area_of(curves, row.strategy), area_of(curves, row.reference)
        expected = stats.ttest_rel(own, other)
        assert (row.t, row.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert (row.low, row.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert row.wilcoxon == pytest.approx(stats.wilcoxon(own - other, method="exact").pvalue)
        raw.append(expected.pvalue)
    order = np.argsort(raw)
    by_hand, largest = [0.0] * 5, 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (5 - place) * raw[i]))
        by_hand[i] = largest
    assert tests["p_holm"].tolist() == pytest.approx(by_hand)


def test_wilcoxon_by_enumeration_of_all_signs() -> None:
    values = [0.3, -0.1, 0.55, 0.2, -0.05, 0.7, 0.41, 0.62, 0.13]
    ranks = stats.rankdata(np.abs(values))
    observed = sum(r for r, v in zip(ranks, values, strict=True) if v > 0)
    sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=9)]
    middle = ranks.sum() / 2
    extreme = sum(abs(s - middle) >= abs(observed - middle) for s in sums)
    assert signed_rank(values) == pytest.approx(extreme / 2**9)


def test_marks_are_those_of_holm_and_the_baseline_can_be_chosen(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=5)
    report = read_report(root, baseline="entropy")
    (table,) = [made.content for made in tables_of(report) if made.name == "tests"]
    assert table.header.count("95 % interval") == 2
    assert "vs. entropy" in table.header
    tests = compute(report).set_index(["strategy", "reference"])
    for row in table.rows:
        for reference in ("random", "entropy"):
            if (row[0].text, reference) in tests.index:
                marked = row[table.header.index(f"vs. {reference}")].text.endswith("*")
                assert marked == (tests.loc[(row[0].text, reference), "p_holm"] < 0.05)
    assert tests["p_holm"].lt(0.05).any()
    assert "Holm's correction over the 3 tests" in table.caption
    for part in ("Protocol e", "seeds 0–4", "cpu (X)", "torch 2.15.0", "SHA-256 0123456789ab", "abcdef0", "ffffffff"):
        assert part in table.source
    assert read_report(root, target=0.6).target == 0.6
