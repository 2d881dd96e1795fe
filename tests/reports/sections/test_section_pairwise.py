"""Who beats whom, by the verdicts of the inference, and the heat map."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.made_reports import curves_with_effects, report_of, rising_curves

from benchmark.reports.rendering.figures.style import BOTH_COLUMNS
from benchmark.reports.sections.pairwise import PRINTED, heat_map, table, wins
from benchmark.reports.statistics.endpoints import ENDPOINTS, run_endpoints
from benchmark.reports.statistics.inference import Contrast, infer
from benchmark.reports.unranked import Unranked


def test_wins_are_verdicts_of_the_inference() -> None:
    report = report_of(curves_with_effects(["random", "margin", "badge", "bald", "coreset"], 5))
    found = wins(report, report.views[0])
    runs = run_endpoints(report.views[0].rows).set_index(["strategy", "seed"])
    place = {key: i for i, key in enumerate(found.keys)}
    assert (found.endpoints, found.n) == (4, 5)
    for key in report.inference.compared("random"):  # those of the experiment's own family
        words = list(report.inference.verdicts(key, "random").values())
        there = (place[key], place["random", "supervised"])
        assert (found.wins[there], found.wins[there[::-1]]) == (words.count("better"), words.count("worse"))
    others = [key for key in found.keys if key[0] != "random"]
    pairs = list(itertools.combinations(others, 2))
    assert found.tests == 4 * len(pairs)
    values = {key: runs.loc[key[0]][list(ENDPOINTS)].to_numpy() for key in others}
    apart = infer(
        [Contrast((a[0], b[0]), "", (0, 1, 2, 3, 4), values[a] - values[b]) for a, b in pairs], ENDPOINTS
    ).findings
    for a, b in pairs:
        words = apart[(apart["strategy"] == a[0]) & (apart["learner"] == b[0])]["verdict"].tolist()
        assert (found.wins[place[a], place[b]], found.wins[place[b], place[a]]) == (
            words.count("better"),
            words.count("worse"),
        )
    assert found.wins.max() >= 2  # the data tell some apart
    assert (found.penalties == found.wins / 4).all()
    few = report_of(curves_with_effects(["random", "margin"], 2))
    assert np.isnan(wins(few, few.views[0]).penalties).all()


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_pairs_of_a_learner_with_supervised_learning_have_the_verdicts_of_the_experiment(seeds: int) -> None:
    draw, alone = np.random.default_rng(0), curves_with_effects(["random", "margin", "badge"], seeds)
    frames = [alone]
    for learner, gain in {"fixmatch": 0.012, "pseudo-label": -0.04}.items():
        noise = draw.normal(0, 0.012, len(alone))
        frames.append(alone.assign(learner=learner, accuracy=alone["accuracy"] + gain + noise))
    report = report_of(pd.concat(frames))
    found, inference = wins(report, report.views[0]), report.inference
    place = {key: i for i, key in enumerate(found.keys)}
    said = []
    for key in inference.compared("supervised"):
        words = list(inference.verdicts(key, "supervised").values())
        there = place[key], place[key[0], "supervised"]
        assert (found.wins[there], found.wins[there[::-1]]) == (words.count("better"), words.count("worse"))
        said += words
    assert {"better", "worse", "undecided"} <= set(said)
    assert len(said) == 4 * 3 * 2
    assert found.tests + len(said) + 4 * len(inference.compared("random")) == 4 * math.comb(9, 2)
    made = table(report, report.views[0])
    assert made is not None
    shown = "Pairs with random by the same learner have the verdicts of the table of comparisons, pairs of a learner"
    assert shown in made.caption
    single = report_of(alone)
    made = table(single, single.views[0])
    assert made is not None
    assert "Pairs with random have the verdicts of the table of comparisons; the 4 tests" in made.caption


def written(figure: Figure) -> list[Any]:
    """All texts with something in them, once drawn."""
    FigureCanvasAgg(figure).draw()
    return [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text().strip()]


@pytest.mark.parametrize("strategies", [9, 35])
def test_the_heat_map_fits_the_page_and_numbers_its_cells_where_they_are_few(strategies: int) -> None:
    report = report_of(rising_curves(strategies, 3, 5))
    found = wins(report, report.views[0])
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


@pytest.mark.parametrize("strategies", [9, 39])
def test_the_numbers_of_columns_keep_apart(strategies: int) -> None:
    """Also where a long name leaves them little room."""
    curves = rising_curves(strategies, 3, 5)
    curves["strategy"] = curves["strategy"].replace("method3", "semi-supervised-learning-loss")
    report = report_of(curves)
    figure = heat_map(wins(report, report.views[0]))
    written(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for numbers in (figure.axes[0].get_xticklabels(), figure.axes[1].texts[:-1]):
        boxes = [text.get_window_extent(renderer) for text in numbers]
        assert len(boxes) == strategies
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_what_the_sums_are_fits_beside_short_names() -> None:
    curves = rising_curves(4, 3, 5)
    curves["strategy"] = curves["strategy"].str.replace("method", "m")
    report = report_of(curves)
    figure = heat_map(wins(report, report.views[0]))
    texts = written(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert "column sum" in [text.get_text() for text in texts]
    assert all(text.get_window_extent(renderer).x0 >= 0 for text in texts)
