"""Every figure as it is printed: as wide as one column or two, its text legible and whole, its colours the page's."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from support.made_reports import report_of, rising_curves
from support.report_lines import write_grid

from benchmark.reports import read_report
from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.style import BOTH_COLUMNS, ONE_COLUMN, SMALLEST
from benchmark.reports.report import figures_of, write_selection

KINDS = {
    "few": (4, 3, 5, 1),
    "ten seeds": (9, 10, 15, 1),
    "many": (37, 3, 15, 1),
    "learners": (5, 4, 5, 2),
    "one count": (9, 5, 1, 1),
    "one seed": (9, 1, 5, 1),
}


def measured(curves: pd.DataFrame) -> pd.DataFrame:
    return curves.assign(ece=(1 - curves["accuracy"]) / 2, nll=2 * (1 - curves["accuracy"]))


@pytest.fixture(scope="module", params=KINDS)
def report(request: pytest.FixtureRequest) -> Report:
    return report_of(measured(rising_curves(*KINDS[request.param])))


def written(figure: Figure) -> list[Any]:
    """All visible texts with something in them, once drawn."""
    FigureCanvasAgg(figure).draw()
    return [
        text
        for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
        if text.get_visible() and text.get_text().strip()
    ]


@pytest.mark.parametrize("columns", [None, 1, 2])
def test_figures_are_printed_as_they_are(report: Report, columns: style.Columns | None) -> None:
    made = figures_of(report, columns)
    assert {"accuracy"} <= {one.name for one in made}
    for one in made:
        wide = {None: (ONE_COLUMN, BOTH_COLUMNS), 1: (ONE_COLUMN,), 2: (BOTH_COLUMNS,)}[columns]
        assert any(one.content.get_figwidth() == pytest.approx(width) for width in wide), one.name
        assert one.content.get_figheight() <= 8.5, one.name
        for text in written(one.content):
            assert text.get_fontsize() >= SMALLEST, (one.name, text.get_text())


@pytest.mark.parametrize("columns", [None, 1])
def test_no_text_of_a_figure_is_cut(report: Report, columns: style.Columns | None) -> None:
    for one in figures_of(report, columns):
        written(one.content)
        renderer = FigureCanvasAgg(one.content).get_renderer()
        whole = one.content.bbox
        shown = [*one.content.texts, *(text for axes in one.content.axes for text in axes.texts)]
        shown += [axes.title for axes in one.content.axes] + [axes.xaxis.label for axes in one.content.axes]
        shown += [axes._left_title for axes in one.content.axes] + [axes._right_title for axes in one.content.axes]
        for axes in one.content.axes if one.name != "ranks" else ():  # whose axes are not drawn
            lowest, highest = sorted(axes.get_ylim())
            shown += [label for label in axes.get_yticklabels() if lowest <= label.get_position()[1] <= highest]
        for text in shown:
            if text.get_visible() and text.get_text().strip():
                box = text.get_window_extent(renderer)
                inside = box.x0 >= -1 and box.x1 <= whole.x1 + 1 and box.y0 >= -1 and box.y1 <= whole.y1 + 1
                assert inside, (one.name, text.get_text())


def test_a_strategy_keeps_its_colour_on_a_page() -> None:
    frame = measured(rising_curves(20, 10, 8))
    few = frame["strategy"].isin([f"method{i}" for i in range(11, 20)]) & (frame["seed"] > 1)
    report = report_of(frame[~few])
    assert len(report.views) == 2
    seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in figures_of(report):
        FigureCanvasAgg(one.content).draw()
        for line, name in labelled_lines(one.content):
            seen[name].add((to_hex(line.get_color()), str(line.get_marker())))
    assert {"random", "method19", "method8"} <= set(seen)
    differing = {name: looks for name, looks in seen.items() if len(looks) > 1}
    assert not differing


def labelled_lines(figure: Figure) -> list[tuple[Any, str]]:
    """The pieces of lines with the names that stand at their right, and the marks of rows with theirs."""
    pieces = [line for line in figure.artists if hasattr(line, "get_marker") and len(line.get_xdata()) == 3]
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = []
    for piece in pieces:
        x, y = piece.get_transform().transform(piece.get_xydata())[-1]
        near = min(texts, key=lambda text: np.hypot(*(_start(text, renderer) - (x, y))))
        found.append((piece, near.get_text()))
    for axes in figure.axes:
        labels = [label.get_text() for label in axes.get_yticklabels()]
        for line in axes.lines if any(labels) else ():
            x, y = line.get_xdata(), line.get_ydata()
            if len(x) == 1 and line.get_markersize() == 4 and to_hex(line.get_color()) != style.FAINT:
                found.append((_Mark(line.get_markeredgecolor(), line.get_marker()), labels[int(y[0])]))
    return found


class _Mark:
    def __init__(self, colour: str, marker: str) -> None:
        self.get_color, self.get_marker = lambda: colour, lambda: marker


def _start(text: Any, renderer: Any) -> np.ndarray:
    box = text.get_window_extent(renderer)
    return np.array([box.x0, (box.y0 + box.y1) / 2])


def test_a_selection_has_figures_in_both_widths(tmp_path: Path) -> None:
    report = read_report(write_grid(tmp_path / "e", ["random", "margin", "entropy"]))
    write_selection(report, tmp_path / "paper")
    names = {path.stem for path in (tmp_path / "paper" / "figures").glob("*.pdf")}
    assert {"accuracy", "accuracy-single", "areas", "areas-single", "seconds"} <= names
