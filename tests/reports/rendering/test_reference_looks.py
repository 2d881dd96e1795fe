"""The reference of a report is in colour and banded among many lines, whichever strategy it is."""

from __future__ import annotations

import pytest
from support.made_reports import report_of, rising_curves

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.traces import trace_figure
from benchmark.reports.rendering.web.chart import chart_data

REFERENCE = "method1"  # one of the worst, which would be grey


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(rising_curves(16, 5, 4), baseline=REFERENCE, reference=REFERENCE)


def test_on_the_page(report: Report) -> None:
    lines = {line["strategy"]: line for line in chart_data(report)["lines"]}
    assert lines[REFERENCE]["strong"]["accuracy"]
    assert lines[REFERENCE]["band"]["accuracy"]
    assert not lines["random"]["strong"]["accuracy"]


def test_over_the_steps_of_trainings(report: Report) -> None:
    traces = report.curves.rename(columns={"labels": "step"}).assign(labels=20)
    drawn = trace_figure(traces, {"accuracy": "Accuracy"}, report.ranking, report.source, report.reference)
    assert drawn is not None
    names = [text.get_text() for text in drawn.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert REFERENCE in names
    assert "random" not in names
