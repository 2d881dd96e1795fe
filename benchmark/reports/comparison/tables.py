"""The tables of a comparison of two experiments."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.comparison.settings import in_words
from benchmark.reports.rendering.tables.compared import (
    difference_cells,
    differences_explained,
    interval_cells,
    interval_title,
    p_cells,
    rows_of,
    verdict_cells,
)
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.statistics import agreement
from benchmark.reports.statistics.inference import Inference
from benchmark.reports.verdicts import explained
from benchmark.reports.words import name, ranges

_CALLED = {
    "area": "area under the budget curve",
    "early": "its early part",
    "late": "its late part",
    "last": "accuracy at the last label count",
}


def differences_table(
    differences: pd.DataFrame, inference: Inference, titles: tuple[str, str], counts: list[int]
) -> Table:
    """A row per strategy and learner: the differences at all endpoints in points, and the verdict."""
    first, second = titles
    order = list(dict.fromkeys(zip(differences["strategy"], differences["learner"], strict=True)))
    several = differences["learner"].nunique() > 1
    rows = rows_of(inference, first, order)
    columns = {
        "strategy": [Cell(name(*key, several)) for key in order],
        "seeds": [Cell(f"{n:.0f}") for n in rows["n"]],
        measure(counts): difference_cells(rows, 2),
        interval_title(inference): interval_cells(rows, 2),
        "p": p_cells(rows),
        **{
            endpoint: difference_cells(rows_of(inference, first, order, endpoint), 2)
            for endpoint in inference.endpoints[1:]
        },
        "verdict": verdict_cells(inference, first, order),
    }
    *others, last = (_CALLED[endpoint] for endpoint in inference.endpoints)
    what = f": {', '.join(others)} and {last}" if others else ""  # of a single label count its accuracy
    caption = (
        f"{second} minus {first} in points of test accuracy at {in_words(counts)} labels{what}. "
        f"{differences_explained(inference)} p is corrected. {explained(inference, [first])}"
    )
    return Table.of_columns(columns, differences, caption)


def measure(counts: list[int]) -> str:
    """What the first endpoint over these label counts is called."""
    return "area" if len(counts) > 1 else "accuracy"


def rankings_table(
    found: agreement.Comparison, titles: tuple[str, str], counts: list[int], learner: str | None
) -> Table:
    """How well the two agree in ranking the strategies, and each with itself: see ``agreement``.

    ``learner`` is that of both, None where two learners are compared.
    """
    first, second = titles
    means = {
        f"{first} with {second}": found.between,
        f"{first} with itself": found.first,
        f"{second} with itself": found.second,
    }
    half, by = len(found.seeds) // 2, "" if learner is None else f" (learner {learner})"
    return Table(
        data=pd.DataFrame([agreed._asdict() for agreed in means.values()], index=list(means)),
        header=["rankings", "Spearman ρ", "Kendall τ", "gains: r", "gains: difference"],
        rows=[
            [Cell(who), *(Cell(f"{value:.2f}") if math.isfinite(value) else MISSING for value in agreed)]
            for who, agreed in means.items()
        ],
        caption=(
            f"Agreement of {half} seeds with {half} others of {ranges(found.seeds)}, mean over {found.splits} splits, "
            f"on {len(found.areas)} strategies by {measure(counts)}{by}; gains are over random, in "
            "points. No two can be expected to agree better than each does with itself."
        ),
    )
