"""When ranks are tested and drawn, and what is said where they cannot be."""

from __future__ import annotations

import pytest
from support.made_reports import report_of, rising_curves

from benchmark.reports.sections.ranks import figure, notes
from benchmark.reports.statistics import ranks


def test_the_diagram_takes_ten_seeds_and_at_most_ten_strategies() -> None:
    for strategies, seeds, drawn in ((4, 10, True), (4, 9, False), (11, 10, False), (2, 10, False)):
        report = report_of(rising_curves(strategies, seeds, 3))
        assert (figure(report, report.views[0]) is not None) == drawn
        assert notes(report) == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "find_spec", lambda name: None)
    report = report_of(rising_curves(4, 10, 3))
    assert figure(report, report.views[0]) is None
    assert notes(report) == ["No critical-difference diagram: scikit-posthocs is not installed."]
    assert notes(report_of(rising_curves(4, 9, 3))) == []
