"""The figure and the tables across data sets: what a page has room for, and the numbers in their captions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.across import TITLES, across_figure
from benchmark.reports.rendering.tables.across import across_table, warm_up_table
from benchmark.reports.statistics.across import Setting, across


def setting(dataset: str, strategies: list[str], first: int = 20, last: int = 100) -> Setting:
    draw = np.random.default_rng(len(dataset))
    areas = {name: draw.normal(0.8, 0.02, 5) for name in ["random", *strategies]}
    known = dict.fromkeys(strategies, (20.0, 20.0, 40.0))
    return Setting(dataset, dataset, "supervised", "random", first, last, tuple(range(5)), areas, {}, known)


def many(strategies: int) -> list[Setting]:
    return [setting(name, [f"method{i}" for i in range(strategies - 1)]) for name in ("mnist", "cifar10")]


@pytest.mark.parametrize("columns", [None, 1, 2])
@pytest.mark.parametrize(("strategies", "stacked"), [(3, 3), (13, 3), (14, 2), (21, 2), (22, 1), (42, 1), (60, 1)])
def test_the_figure_fits_a_page(strategies: int, stacked: int, columns: style.Columns | None) -> None:
    """With a caption of a line, on a page of nine inches."""
    with style.page(columns):
        figure = across_figure(across(many(strategies)), "random")
    assert figure is not None
    assert figure.get_figheight() <= 8.7
    assert len(figure.axes) == (stacked if columns == 1 else 3)
    FigureCanvasAgg(figure).draw()
    drawn = [axes.get_title("right" if columns == 1 else "left") for axes in figure.axes]
    assert drawn == list(TITLES.values())[: len(drawn)]
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    shown = strategies - ("Mean rank" not in drawn)  # random has nothing but a rank
    assert len(rows) == min(shown, 45)
    assert ("random" in rows) == ("Mean rank" in drawn and strategies <= 45)
    said = figure.texts[-1].get_text().replace("\n", " ")
    assert ("not shown" in said) == (shown > 45)
    assert shown <= 45 or f"not shown: {shown - 45} more, which are in the table" in said


@pytest.mark.parametrize(
    ("strategies", "said"),
    [
        (["margin"], "The mean rank is among the 2 strategies that all data sets have, 1 is best."),
        ([], "Ranks take at least two strategies that all data sets have."),
    ],
)
def test_the_caption_says_which_strategies_are_ranked(strategies: list[str], said: str) -> None:
    settings = [setting("mnist", ["margin", "entropy"]), setting("cifar10", [*strategies, "badge"])]
    table = across_table(across(settings), settings)
    assert said in table.caption
    assert "settings of a data set with the same seeds count as one there. Not worse" in table.caption
    ranks = {row[0].text: row[table.header.index("mean rank")].text for row in table.rows}
    assert (ranks["random"] == "–") == (not strategies)


def test_a_single_label_count_is_no_range() -> None:
    settings = [setting("mnist", ["margin"], 2000, 2000), setting("cifar10", ["margin"], 1000, 4000)]
    assert warm_up_table(settings, ["margin"]).caption.endswith("are 2,000 in mnist, 1,000–4,000 in cifar10.")
