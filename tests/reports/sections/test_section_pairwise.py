"""Who beats whom, against a test at each label count, and the heat map."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats
from support.made_reports import LABELS, curves_with_effects, rising_curves

from benchmark.reports.rendering.figures.style import BOTH_COLUMNS
from benchmark.reports.sections.pairwise import PRINTED, heat_map, pairwise
from benchmark.reports.sections.tests_by_seed import records
from benchmark.reports.statistics.seeds import compared
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import Unranked


def test_pairwise_wins_are_those_of_a_t_test_at_each_label_count() -> None:
    curves = curves_with_effects(["random", "margin", "badge"], 5)
    found = pairwise(compared(curves), [(s, "supervised") for s in ("badge", "margin", "random", "absent")])
    assert ([s for s, _ in found.keys], found.labels, found.n) == (["badge", "margin", "random"], LABELS, 5)
    assert stats.t.ppf(0.975, 4) == pytest.approx(2.776, abs=1e-3)
    table = curves.pivot(index=["strategy", "labels"], columns="seed", values="accuracy")
    for (i, (own, _)), (j, (other, _)) in itertools.permutations(enumerate(found.keys), 2):
        scores = [stats.ttest_rel(table.loc[(own, b)], table.loc[(other, b)]).statistic for b in LABELS[1:]]
        won = sum(score > 2.7764451 for score in scores)  # where all start alike there is no test and no win
        assert found.wins[i, j] == won
        assert found.penalties[i, j] == won / 4
    assert found.wins[0].max() >= 2  # the data tell some apart
    badge, random = ("badge", "supervised"), ("random", "supervised")
    won, lost = found.wins[0, 2], found.wins[2, 0]
    assert records(curves)[badge] == (won, 4 - won - lost, lost)
    assert random not in records(curves)
    few = pairwise(compared(curves_with_effects(["random", "margin"], 2)), [random, ("margin", "supervised")])
    assert np.isnan(few.penalties).all()
    assert records(curves_with_effects(["random", "margin"], 2)) == {}


def written(figure: Figure) -> list[Any]:
    """All texts with something in them, once drawn."""
    FigureCanvasAgg(figure).draw()
    return [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text().strip()]


@pytest.mark.parametrize("strategies", [9, 35])
def test_the_heat_map_fits_the_page_and_numbers_its_cells_where_they_are_few(strategies: int) -> None:
    view = View(rising_curves(strategies, 3, 5))
    found = pairwise(view.rows, view.ranking)
    figure = heat_map(found, unranked=Unranked(("method3",)))
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
