"""Figures of lines: legible with few and many strategies, seeds and label counts."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from support.made_reports import report_of, rising_curves

from benchmark.reports.rendering.figures.lines import NAMED, Panel, line_figure, remark, style_lines
from benchmark.reports.sections import accuracy
from benchmark.reports.unranked import Unranked


def accuracy_figure(curves: pd.DataFrame) -> Figure:
    report = report_of(curves)
    figure = accuracy.figure(report, report.views[0])
    assert figure is not None
    return figure


def texts_of(figure: Figure) -> list[Any]:
    """The names beside or below the lines, once drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    *below, _ = figure.texts  # and the remark
    return [t for axes in figure.axes for t in axes.texts if isinstance(t, Annotation)] + below


@pytest.mark.parametrize(
    ("strategies", "seeds", "labels", "learners"),
    [(1, 1, 5, 1), (1, 3, 5, 1), (2, 3, 15, 1), (9, 1, 15, 1), (9, 10, 15, 1), (30, 3, 15, 1), (4, 3, 5, 2)],
)
def test_names_in_the_figure_do_not_overlap_and_are_not_cut(
    strategies: int, seeds: int, labels: int, learners: int
) -> None:
    figure = accuracy_figure(rising_curves(strategies, seeds, labels, learners))
    names = texts_of(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    extents = [Text.get_window_extent(name, renderer) for name in names]
    assert len(names) == strategies * learners if strategies * learners <= NAMED else len(names) >= 6
    assert any(name.get_text().startswith("random") for name in names)
    for a, b in itertools.combinations(extents, 2):
        beside = min(a.x1, b.x1) < max(a.x0, b.x0)
        assert beside or min(a.y1, b.y1) - max(a.y0, b.y0) < 0.25 * a.height
    assert all(e.x0 >= 0 and e.x1 <= figure.bbox.width and e.y0 >= 0 and e.y1 <= figure.bbox.height for e in extents)
    assert len(figure.axes) == (1 if strategies == 1 else 2)


def test_bands_need_two_seeds() -> None:
    def drawn(seeds: int) -> int:
        bands = accuracy_figure(rising_curves(4, seeds, 4)).axes[0].collections
        return sum(any(np.isfinite(path.vertices).any() for path in band.get_paths()) for band in bands)

    assert drawn(3) == 3  # random and the best two
    assert drawn(1) == 0


def test_the_remark_counts_seeds_in_each_panel() -> None:
    one, many, mixed = pd.Series([1, 1]), pd.Series([3, 3]), pd.Series([1, 10])
    assert remark([one, one]) == "one seed"
    assert remark([many, many]) == "mean over 3 seeds"
    assert remark([one, mixed]) == "mean over one seed (1 to 10 for differences)"


def test_the_remark_says_whose_the_bands_are() -> None:
    figure = accuracy_figure(rising_curves(9, 10, 15))
    assert "bands: 95 % interval of " in figure.texts[-1].get_text()
    (said,) = re.findall("interval of (.*?)(?:;|$)", figure.texts[-1].get_text().replace("\n", " "))
    bands = [c for c in figure.axes[0].collections if np.isfinite(c.get_paths()[0].vertices).any()]
    assert len(said.split(", ")) == len(bands) == 3
    assert "random" in said


@pytest.mark.parametrize("width", [0.001, 0.02, 0.5])
@pytest.mark.parametrize("names", [["margin", "random"], ["margin", "badge", "random", "entropy"]])
def test_wide_bands_are_cut_off_or_left_out(names: list[str], width: float) -> None:
    """Where there are few lines, they are cut off and never left out; the means keep half of the height."""
    rows = [
        (name, "supervised", labels, y, y - width, y + width)
        for name, shift in zip(names, (0.01, 0.008, 0.0, -0.01), strict=False)
        for labels, y in ((10, 0.9 + shift), (20, 0.95 + shift))
    ]
    table = pd.DataFrame(rows, columns=["strategy", "learner", "labels", "mean", "low", "high"])
    lines = style_lines([(name, "supervised") for name in names])
    figure = line_figure([Panel("accuracy", table, 100, (0, 100))], lines, "")
    (axes,) = figure.axes
    bottom, top = axes.get_ylim()
    ends = [path.vertices[:, 1] for band in axes.collections for path in band.get_paths()]
    assert len(ends) == (2 if len(names) == 2 else 0 if width == 0.5 else 3)
    cut = any(y.min() < bottom or y.max() > top for y in ends)
    assert cut == (len(names) == 2 and width == 0.5)
    assert ("bands" in figure.texts[-1].get_text()) == bool(ends)
    assert ("cut off where it is wide" in figure.texts[-1].get_text()) == cut
    means = 100 * table["mean"]
    assert means.max() - means.min() > 0.45 * (top - bottom)


def test_nothing_but_the_lines_is_drawn_in_their_colours_within_the_axes() -> None:
    curves = rising_curves(9, 3, 15)
    short = (curves["strategy"] == "method3") & (curves["labels"] > 200)  # ends before the others
    figure = accuracy_figure(curves[~short])
    FigureCanvasAgg(figure).draw()
    names = {text.get_text() for text in texts_of(figure)}
    assert "method3" in names
    for axes in figure.axes:
        assert all(len(line.get_xdata()) in (15, 10, 2) for line in axes.lines)  # curves, and the line at 0
        assert all(annotation.arrow_patch is None for annotation in axes.texts)
    box = figure.axes[-1].get_window_extent()
    outside = [line for line in figure.artists if isinstance(line, Line2D)]
    assert outside
    for line in outside:
        assert line.get_transform().transform(line.get_xydata())[:, 0].min() >= box.x1


def test_long_tick_labels_are_within_the_figure() -> None:
    rows = [("random", "supervised", labels, y, y, y) for labels, y in ((10, 0.9971), (20, 0.9988))]
    table = pd.DataFrame(rows, columns=["strategy", "learner", "labels", "mean", "low", "high"])
    lines = style_lines([("random", "supervised")])
    figure = line_figure([Panel("balance", table), Panel("balance", table)], lines, "")
    first, second = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert max(len(label.get_text()) for label in first.get_yticklabels()) >= 6
    for axes, edge in ((first, 0), (second, first.get_window_extent(renderer).x1)):
        assert all(label.get_window_extent(renderer).x0 >= edge for label in axes.get_yticklabels())


def test_a_label_at_the_end_of_an_axis_is_within_the_figure() -> None:
    seconds = np.geomspace(5, 870, 15)
    rows = [("random", "supervised", x, 0.5, 0.4, 0.6) for x in seconds]
    table = pd.DataFrame(rows, columns=["strategy", "learner", "seconds", "mean", "low", "high"])
    figure = line_figure([Panel("accuracy", table, 100, x="seconds")], style_lines([("random", "supervised")]), "")
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    labels = [label.get_window_extent(renderer) for label in axes.get_xticklabels() if label.get_text() == "1000"]
    assert labels
    assert all(label.x1 <= figure.bbox.width for label in labels)


@pytest.mark.parametrize(
    ("counts", "scale"), [([250, 1000], "linear"), ([100, 200, 400], "linear"), ([10, 20, 50, 100], "log")]
)
def test_few_or_uneven_label_counts_have_ticks(counts: list[int], scale: str) -> None:
    curves = rising_curves(2, 2, len(counts))
    places = dict(zip(sorted(set(curves["labels"])), counts, strict=True))
    figure = accuracy_figure(curves.assign(labels=curves["labels"].map(places)))
    for axes in figure.axes:
        assert axes.get_xscale() == scale
        assert axes.get_xticks().tolist() == counts


def test_of_many_the_best_that_are_ranked_are_in_colour_and_have_bands() -> None:
    ranking = [(f"s{i}", "supervised") for i in range(NAMED)] + [("random", "supervised")]
    lines = style_lines(ranking, unranked=Unranked(degenerate={ranking[1]: ("few classes",)}))
    assert [key[0] for key, line in lines.items() if line.strong] == ["s0", "s2", "s3", "s4", "s5", "random"]
    assert [key[0] for key, line in lines.items() if line.band] == ["s0", "s2", "random"]


def test_of_a_single_strategy_learners_differ_in_colour() -> None:
    names = [
        "supervised",
        "fixmatch",
        "noisy-student",
        "flexmatch",
        "freematch",
        "softmatch",
        "pseudo-label",
        "self-training",
    ]
    lines = style_lines([("random", name) for name in names])
    assert len({line.colour for line in lines.values()}) == len(names)
    both = style_lines([(strategy, name) for strategy in ("random", "margin") for name in names[:2]])
    assert both["random", "fixmatch"].colour == both["random", "supervised"].colour


@pytest.mark.parametrize(("fall", "is_cut"), [(0.08, False), (0.3, True)])
@pytest.mark.parametrize("is_ranked", [False, True])
def test_what_is_not_ranked_does_not_squeeze_the_others(fall: float, is_cut: bool, is_ranked: bool) -> None:
    names = ["random", *(f"s{i}" for i in range(NAMED)), "fails"]
    level = {name: 0.70 + 0.015 * i for i, name in enumerate(reversed(names[:-1]))} | {"fails": 0.70 - fall}
    rows = [(name, "supervised", labels, y, y, y) for name, y in level.items() for labels in (10, 20)]
    table = pd.DataFrame(rows, columns=["strategy", "learner", "labels", "mean", "low", "high"])
    ranking = [(name, "supervised") for name in names]
    unranked = Unranked() if is_ranked else Unranked(degenerate={ranking[-1]: ("few classes",)})
    figure = line_figure([Panel("accuracy", table, 100)], style_lines(ranking, unranked=unranked), "", unranked)
    bottom, top = figure.axes[0].get_ylim()
    cut = is_cut and not is_ranked
    assert (bottom > 100 * level["fails"]) == cut
    assert bottom < 70
    assert top > 100 * level["random"]
    said = " ".join(figure.texts[-1].get_text().split())
    assert ("cut off: fails§" in said) == cut
    assert ("§ not ranked" in said) == cut  # where it is one of the grey lines, no mark is seen


@pytest.mark.parametrize(("hidden", "words"), [(1, "in grey: 1 other"), (2, "in grey: 2 others")])
def test_grey_lines_are_counted_in_words(hidden: int, words: str) -> None:
    rows = [(f"s{i}", "supervised", labels, 0.5, 0.5, 0.5) for i in range(4) for labels in (10, 20)]
    table = pd.DataFrame(rows, columns=["strategy", "learner", "labels", "mean", "low", "high"])
    lines = style_lines([(f"s{i}", "supervised") for i in range(4)])
    grey = dict(list(lines.items())[:hidden])
    figure = line_figure(
        [Panel("accuracy", table, 100)],
        {key: line._replace(label="" if key in grey else line.label) for key, line in lines.items()},
        "one seed",
    )
    assert figure.texts[-1].get_text().endswith(words)
