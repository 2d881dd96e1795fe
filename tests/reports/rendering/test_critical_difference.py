"""The diagram of ranks."""

from __future__ import annotations

import itertools
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.made_reports import rising_curves

from benchmark.reports.rendering.figures.critical_difference import rank_figure
from benchmark.reports.rendering.figures.style import BOTH_COLUMNS
from benchmark.reports.statistics.ranks import blocks, rank_tests_if_allowed
from benchmark.reports.statistics.views import View


def written(figure: Figure) -> list[Any]:
    """All texts with something in them, once drawn."""
    FigureCanvasAgg(figure).draw()
    return [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text().strip()]


def test_the_diagram_of_ranks_joins_what_cannot_be_told_apart() -> None:
    areas = View(rising_curves(9, 10, 5)).areas
    sets = [areas[areas["seed"] == seed] for seed in range(10)]  # as if each were a data set
    ranks = rank_tests_if_allowed(blocks(*sets))
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
