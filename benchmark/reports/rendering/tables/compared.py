"""The columns of tables that compare: differences, their intervals, and what the inference makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.rendering.tables.cells import MARK, interval, p_value, points
from benchmark.reports.rendering.tables.table import MISSING, Cell
from benchmark.reports.statistics.inference import Inference
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.verdicts import confidence, in_words


def differences_explained(inference: Inference) -> str:
    """The sentence of a caption on the columns of differences and intervals."""
    return (
        f"Differences are in points, paired by seed; {MARK} marks those that are better or worse after correction, and "
        f"the {interval_title(inference)} is that of one difference on its own."
    )


def rows_of(inference: Inference, against: str, order: Sequence[Key], endpoint: str = "area") -> pd.DataFrame:
    """The findings against a reference in the ``order`` of the table; NaN for strategies that are not compared."""
    return inference.of(against, endpoint).drop(columns=GROUP).reindex(pd.MultiIndex.from_tuples(order, names=GROUP))


def difference_cells(rows: pd.DataFrame, places: int) -> list[Cell]:
    """Mean differences in points, marked where they are better or worse."""
    return [
        Cell(points(value, places) + MARK * (verdict in ("better", "worse"))) if math.isfinite(value) else MISSING
        for value, verdict in zip(rows["difference"], rows["verdict"], strict=True)
    ]


def interval_cells(rows: pd.DataFrame, places: int) -> list[Cell]:
    """Intervals in points."""
    return [interval(low, high, places) for low, high in zip(rows["low"], rows["high"], strict=True)]


def interval_title(inference: Inference) -> str:
    """The head of a column of intervals."""
    return f"{confidence(inference)} interval"


def p_cells(rows: pd.DataFrame) -> list[Cell]:
    """Corrected p-values."""
    return [Cell(p_value(p)) for p in rows["p_corrected"]]


def verdict_cells(inference: Inference, against: str, order: Sequence[Key], unranked: Unranked = RANKED) -> list[Cell]:
    """What all endpoints together say of each strategy; nothing where there are too few seeds for a test.

    ``unranked`` strategies are none to be ranked by it: where two trainings of one strategy are compared, all are.
    """
    low = inference.of(against)["low"]
    found = [inference.verdicts(key, against) if math.isfinite(low.get(key, math.nan)) else {} for key in order]
    return [
        Cell(unranked.cited(key, in_words(verdicts))) if verdicts else MISSING
        for key, verdicts in zip(order, found, strict=True)
    ]


def findings_data(inference: Inference, references: Sequence[str], order: Sequence[Key]) -> pd.DataFrame:
    """The findings against the references as bare numbers, for a table's CSV, strategies in the ``order``."""
    rows = inference.findings
    place = {key: i for i, key in enumerate(order)}
    rank = [place.get(key, len(place)) for key in zip(rows["strategy"], rows["learner"], strict=True)]
    ranked = rows.assign(_rank=rank)
    chosen = ranked[ranked["against"].isin(references) & (ranked["_rank"] < len(place))]
    return chosen.sort_values("_rank", kind="stable").drop(columns="_rank").reset_index(drop=True)
