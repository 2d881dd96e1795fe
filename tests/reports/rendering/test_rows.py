"""Figures with a row per strategy."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.made_reports import report_of, rising_curves

from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.statistics.summary import summarise
from benchmark.reports.unranked import Unranked


@pytest.mark.parametrize(("strategies", "seeds", "labels"), [(1, 1, 1), (2, 3, 1), (9, 5, 1), (30, 3, 15), (9, 1, 15)])
def test_the_ranking_names_everyone(strategies: int, seeds: int, labels: int) -> None:
    frame = rising_curves(strategies, seeds, labels)
    report = report_of(frame)
    figure = area_figure(report.views[-1], report.inference)
    FigureCanvasAgg(figure).draw()
    named = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert named == [s if len(s) <= 30 else s[:20] + "…" + s[-9:] for s in summarise(frame)["strategy"]]
    assert all(t.get_window_extent().x0 >= 0 for t in figure.axes[0].get_yticklabels())


@pytest.mark.parametrize(("fall", "is_cut"), [(0.01, False), (0.3, True)])
@pytest.mark.parametrize("is_ranked", [False, True])
def test_what_is_not_ranked_and_far_off_is_a_number(fall: float, is_cut: bool, is_ranked: bool) -> None:
    frame = rising_curves(9, 5, 4)
    frame.loc[frame["strategy"] == "method3", "accuracy"] -= fall
    report, key = report_of(frame), ("method3", "supervised")
    unranked = Unranked() if is_ranked else Unranked(degenerate={key: ("few classes",)})
    figure = area_figure(report.views[-1], report.inference, unranked)
    cut = is_cut and not is_ranked
    area = summarise(frame).set_index("strategy").loc["method3", "area_mean"]
    gain = report.inference.of("random").loc[key, "difference"]
    for axes, value in zip(figure.axes, (area, gain), strict=True):
        low, high = axes.get_xlim()
        assert (low <= 100 * value <= high) == (not cut)
        assert [t.get_text() for t in axes.texts] == ([f"{100 * value:.1f}".replace("-", "−")] if cut else [])
    assert ("arrows: beyond the axis" in figure.texts[-1].get_text().replace("\n", " ")) == cut
