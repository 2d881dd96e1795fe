"""Figures with a row per strategy."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.made_reports import report_of, rising_curves

from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.statistics.summary import summarise


@pytest.mark.parametrize(("strategies", "seeds", "labels"), [(1, 1, 1), (2, 3, 1), (9, 5, 1), (30, 3, 15), (9, 1, 15)])
def test_the_ranking_names_everyone(strategies: int, seeds: int, labels: int) -> None:
    frame = rising_curves(strategies, seeds, labels)
    report = report_of(frame)
    figure = area_figure(report.views[-1], report.inference)
    FigureCanvasAgg(figure).draw()
    named = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert named == [s if len(s) <= 30 else s[:20] + "…" + s[-9:] for s in summarise(frame)["strategy"]]
    assert all(t.get_window_extent().x0 >= 0 for t in figure.axes[0].get_yticklabels())
