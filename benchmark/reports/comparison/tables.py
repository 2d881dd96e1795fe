"""The tables of a comparison of two experiments."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.comparison.settings import in_words
from benchmark.reports.rendering.tables.cells import interval, p_value, points
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.statistics import agreement
from benchmark.reports.words import name, ranges

MEASURES = ("area", "final")


def differences_table(differences: pd.DataFrame, titles: tuple[str, str], counts: list[int]) -> Table:
    """A row per strategy and learner: the differences in area and in final accuracy, in points."""
    several = differences["learner"].nunique() > 1
    rows = []
    for row in differences.to_dict("records"):
        cells = [Cell(name(row["strategy"], row["learner"], several)), Cell(str(row["n"]))]
        for measure in MEASURES:
            low, high = row[f"{measure}_low"], row[f"{measure}_high"]
            cells += [
                Cell(points(row[f"{measure}_mean"], 2)),
                interval(low, high, 2),
                Cell(p_value(row[f"{measure}_p_holm"])),
            ]
        rows.append(cells)
    first, second = titles
    caption = (
        f"{second} minus {first} in points of test accuracy, paired by seed, at {in_words(counts)} labels: area under "
        "the budget curve and final accuracy, mean difference with its 95 % t-interval, and p of the paired t-test "
    )
    caption += (
        f"after Holm's correction over {len(differences)} strategies." if len(differences) > 1 else "(one strategy)."
    )
    header = ["strategy", "seeds", *(title for m in MEASURES for title in (m, "95 % interval", "p"))]
    return Table(differences, header, rows, caption)


def rankings_table(found: agreement.Comparison, titles: tuple[str, str], learner: str) -> Table:
    """How well the two agree in ranking the strategies, and each with itself: see ``agreement``."""
    first, second = titles
    means = {
        f"{first} with {second}": found.between,
        f"{first} with itself": found.first,
        f"{second} with itself": found.second,
    }
    half = len(found.seeds) // 2
    return Table(
        data=pd.DataFrame([agreed._asdict() for agreed in means.values()], index=list(means)),
        header=["rankings", "Spearman ρ", "Kendall τ", "gains: r", "gains: difference"],
        rows=[
            [Cell(who), *(Cell(f"{value:.2f}") if math.isfinite(value) else MISSING for value in agreed)]
            for who, agreed in means.items()
        ],
        caption=(
            f"Agreement of {half} seeds with {half} others of {ranges(found.seeds)}, mean over {found.splits} splits, "
            f"on {len(found.areas)} strategies by area (learner {learner}); gains are over random, in points. No two "
            "can be expected to agree better than each does with itself."
        ),
    )
