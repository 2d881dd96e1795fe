"""The figures of reports: legible with few and many strategies, seeds and label counts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from benchmark.reports.figures.budget import NAMED, balance_figure, budget_figure, calibration_figure, seconds_figure
from benchmark.reports.figures.lines import Panel, line_figure, remark, style_lines
from benchmark.reports.figures.matrices import PRINTED, pairwise_figure, rank_figure
from benchmark.reports.figures.ranking import ranking_figure, savings_figure
from benchmark.reports.figures.style import BOTH_COLUMNS, look, save
from benchmark.reports.statistics.summary import summarise
from benchmark.reports.statistics.views import View


def curves_of(strategies: int, seeds: int, labels: int, learners: int = 1) -> pd.DataFrame:
    """Rising curves that lie close together at the end; some names are long."""
    rng = np.random.default_rng(0)
    names = ["random", *(f"strategy-{i}[with=a,long=name]" if i % 5 == 0 else f"method{i}" for i in range(1, 40))]
    axes = itertools.product(names[:strategies], ("supervised", "fixmatch")[:learners], range(seeds), range(labels))
    frame = pd.DataFrame(axes, columns=["strategy", "learner", "seed", "labels"])
    speed = frame["strategy"].map({name: 0.2 + 0.01 * i for i, name in enumerate(names)})
    accuracy = 0.95 - 0.35 * np.exp(-speed * frame["labels"]) + rng.normal(0, 0.003, len(frame))
    return frame.assign(labels=20 * frame["labels"] + 20, accuracy=accuracy, train_seconds=1.0, query_seconds=0.1)


def texts_of(figure: Figure) -> list[Any]:
    """All that is written beside the lines, once drawn, with its extent."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [t for axes in figure.axes for t in axes.texts if isinstance(t, Annotation)]


@pytest.mark.parametrize(
    ("strategies", "seeds", "labels", "learners"),
    [(1, 1, 5, 1), (1, 3, 5, 1), (2, 3, 15, 1), (9, 1, 15, 1), (9, 10, 15, 1), (30, 3, 15, 1), (4, 3, 5, 2)],
)
def test_names_in_the_figure_do_not_overlap_and_are_not_cut(
    strategies: int, seeds: int, labels: int, learners: int
) -> None:
    figure = budget_figure(View(curves_of(strategies, seeds, labels, learners)))
    names = texts_of(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    extents = [super(Annotation, name).get_window_extent(renderer) for name in names]
    assert len(names) == strategies * learners if strategies * learners <= NAMED else len(names) >= 6
    assert any(name.get_text().startswith("random") for name in names)
    for a, b in itertools.combinations(extents, 2):
        assert min(a.y1, b.y1) - max(a.y0, b.y0) < 0.25 * a.height
    assert all(e.x0 >= 0 and e.x1 <= figure.bbox.width and e.y0 >= 0 and e.y1 <= figure.bbox.height for e in extents)
    assert len(figure.axes) == (1 if strategies == 1 else 2)


def test_bands_need_two_seeds() -> None:
    def drawn(seeds: int) -> int:
        bands = budget_figure(View(curves_of(4, seeds, 4))).axes[0].collections
        return sum(any(np.isfinite(path.vertices).any() for path in band.get_paths()) for band in bands)

    assert drawn(3) == 3  # random and the best two
    assert drawn(1) == 0


@pytest.mark.parametrize(("strategies", "seeds", "labels"), [(1, 1, 1), (2, 3, 1), (9, 5, 1), (30, 3, 15), (9, 1, 15)])
def test_the_ranking_names_everyone(strategies: int, seeds: int, labels: int) -> None:
    frame = curves_of(strategies, seeds, labels)
    figure = ranking_figure(View(frame))
    FigureCanvasAgg(figure).draw()
    named = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert named == [s if len(s) <= 30 else s[:20] + "…" + s[-9:] for s in summarise(frame)["strategy"]]
    assert all(t.get_window_extent().x0 >= 0 for t in figure.axes[0].get_yticklabels())


def test_a_strategy_keeps_its_colour() -> None:
    assert look("margin") == look("margin")
    assert look("typiclust[neighbours=5]").colour == look("typiclust").colour
    core = ["random", "margin", "badge", "coreset", "learning-loss", "entropy", "bald", "typiclust"]
    assert len({look(name).colour for name in core}) == len(core)


def test_figures_do_not_touch_pyplot(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    save(budget_figure(View(curves_of(3, 2, 4))), tmp_path / "figure")
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before
    assert b"CreationDate" not in (tmp_path / "figure.pdf").read_bytes()
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def written(figure: Figure) -> list[Any]:
    """All texts with something in them, once drawn."""
    FigureCanvasAgg(figure).draw()
    return [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text().strip()]


@pytest.mark.parametrize("strategies", [9, 35])
def test_the_heat_map_fits_the_page_and_numbers_its_cells_where_they_are_few(strategies: int) -> None:
    found = View(curves_of(strategies, 3, 5)).pairwise
    figure = pairwise_figure(found, cheating=["method3"])
    assert figure.get_figwidth() <= BOTH_COLUMNS + 0.01
    texts = written(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(text.get_window_extent(renderer).x0 >= 0 for text in texts)
    assert all(text.get_window_extent(renderer).x1 <= figure.bbox.width for text in texts)
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [int(label.split()[-1]) for label in ticks] == list(range(1, strategies + 1))
    assert sum("‡" in label for label in ticks) == 1
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert len(cells) == (np.count_nonzero(found.penalties) if strategies <= PRINTED else 0)


def test_the_diagram_of_ranks_joins_what_cannot_be_told_apart() -> None:
    ranks = View(curves_of(9, 10, 5)).ranks
    assert ranks is not None
    figure = rank_figure(ranks)
    texts = written(figure)
    assert sum(text.get_text().startswith("random") or text.get_text().endswith("random") for text in texts) == 1
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(
        t.get_window_extent(renderer).x0 >= 0 and t.get_window_extent(renderer).x1 <= figure.bbox.width for t in texts
    )
    assert figure.get_figwidth() <= BOTH_COLUMNS
    assert figure.axes[0].get_position().width * figure.get_figwidth() > 2  # inches: the numbers do not touch
    mean = ranks.mean.sort_values().to_numpy()
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() > 2]
    for low, high in bars:
        assert high - low - 0.12 < ranks.critical_difference
    for i, j in itertools.combinations(range(9), 2):
        joined = any(low <= mean[i] and mean[j] <= high for low, high in bars)
        assert joined == (mean[j] - mean[i] < ranks.critical_difference)


def test_bars_of_labels_saved_say_where_random_is_not_reached() -> None:
    frame = curves_of(4, 6, 8)
    frame.loc[frame["strategy"] == "method2", "accuracy"] -= 0.3
    view = View(frame)
    figure = savings_figure(view)
    assert figure is not None
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [" not reached"]
    widths = sorted(bar.get_width() for bar in axes.patches)
    assert widths == pytest.approx(sorted(value for value in view.saved["saved"] if np.isfinite(value)))
    assert savings_figure(View(frame[frame["strategy"] == "random"])) is None
    assert savings_figure(View(frame[frame["strategy"].isin(["random", "method2"])])) is None  # no scale for its words


def test_lines_without_a_measure_are_no_figure() -> None:
    frame = curves_of(4, 3, 5).assign(nll=0.5, ece=np.nan)
    calibration = calibration_figure(View(frame))
    assert calibration is not None
    assert [axes.get_title(loc="left") for axes in calibration.axes] == ["NLL (nats)"]
    assert calibration_figure(View(frame.assign(nll=np.nan))) is None
    columns = ["strategy", "learner", "seed", "labels", "batch", "labelled"]
    assert balance_figure(pd.DataFrame(columns=columns), View(frame)) is None
    balance = frame.assign(batch=0.9, labelled=0.95)[columns]
    assert balance_figure(balance, View(frame)) is not None
    assert balance_figure(balance[balance["labels"] == 20], View(frame)) is None
    seconds = seconds_figure(View(frame))
    assert seconds is not None
    assert max(line.get_xdata()[-1] for line in seconds.axes[0].lines) == pytest.approx(5 + 4 * 0.1)
    assert seconds_figure(View(frame.assign(train_seconds=np.nan))) is None


def test_the_remark_counts_seeds_in_each_panel() -> None:
    one, many, mixed = pd.Series([1, 1]), pd.Series([3, 3]), pd.Series([1, 10])
    assert remark([one, one], {}) == "one seed"
    assert remark([many, many], {}) == "mean over 3 seeds"
    assert remark([one, mixed], {}) == "mean over one seed (on the right 1 to 10)"


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


@pytest.mark.parametrize(
    ("counts", "scale"), [([250, 1000], "linear"), ([100, 200, 400], "linear"), ([10, 20, 50, 100], "log")]
)
def test_few_or_uneven_label_counts_have_ticks(counts: list[int], scale: str) -> None:
    curves = curves_of(2, 2, len(counts))
    places = dict(zip(sorted(set(curves["labels"])), counts, strict=True))
    figure = budget_figure(View(curves.assign(labels=curves["labels"].map(places))))
    for axes in figure.axes:
        assert axes.get_xscale() == scale
        assert axes.get_xticks().tolist() == counts
