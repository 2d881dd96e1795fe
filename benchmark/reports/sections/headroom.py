"""How much of what the choice of images can give each strategy gets: random is 0, the oracle's area is 1.

With ā_s the mean area over the seeds that s, the reference and the oracle share, the share is
(ā_s − ā_random) / (ā_oracle − ā_random), a ratio of mean differences, paired by seed. Its interval is Fieller's: all
shares r at which a t-test on (a_s − a_random) − r (a_oracle − a_random) does not reject at 5 %. There is one only where
the oracle is above random beyond seed noise; elsewhere there is no scale, and no table.

The verdicts are those of the areas: a share is a change of unit, and decides nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import row_name, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.summary import areas, keys, t_quantile
from benchmark.reports.statistics.views import View
from benchmark.results.editions import base_name

# What each does, by name; their parameters may be any. The first of those that ran is the scale.
ORACLES = {
    "boss": "selects the best of many candidate batches by their true gain on the test set",
    "greedy-oracle": "selects, one by one, the label among those of random candidates that lowers the test loss of the "
    "head most",
}


class Share(NamedTuple):
    """A share of the oracle's gain with its 95 % interval, over n seeds; NaN where it is not defined."""

    value: float
    low: float
    high: float
    n: int


def share(gains: np.ndarray, oracle: np.ndarray) -> Share:
    """The mean of ``gains`` (n,) over that of the ``oracle``'s (n,), both differences to the reference by seed."""
    n = len(gains)
    undefined = Share(math.nan, math.nan, math.nan, n)
    if n < 2:
        return undefined
    x, y = float(oracle.mean()), float(gains.mean())
    (vx, c), (_, vy) = np.cov(oracle, gains) / n
    squared = t_quantile(0.975, n - 1) ** 2
    a = x * x - squared * vx
    if x <= 0 or a <= 0:  # the oracle is not above the reference beyond noise
        return undefined
    b = x * y - squared * c
    root = math.sqrt(max(0.0, b * b - a * (y * y - squared * vy)))
    return Share(y / x, (b - root) / a, (b + root) / a, n)


def headroom(curves: pd.DataFrame, reference: str, end: int | None = None) -> pd.DataFrame:
    """A row per strategy and learner other than the two of the scale, the largest share first.

    Columns: strategy, learner, oracle, share, low, high, n. Empty without an oracle.
    """
    runs = areas(curves, end)
    rows = []
    for learner, own in runs.groupby("learner", sort=False, observed=True):
        table = own.pivot(index="seed", columns="strategy", values="area")
        ran = [(known, name) for known in ORACLES for name in table if base_name(str(name)).partition("[")[0] == known]
        kind, oracle = ran[0] if ran else ("", None)
        if oracle is None or reference not in table:
            continue
        for strategy in table.columns.drop([oracle, reference]):
            three = table[[strategy, oracle, reference]].dropna()
            gained = three[strategy] - three[reference], three[oracle] - three[reference]
            rows.append((strategy, learner, kind, *share(*(each.to_numpy() for each in gained))))
    found = pd.DataFrame(rows, columns=["strategy", "learner", "oracle", "share", "low", "high", "n"])
    return found.dropna().sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


def table(report: Report, _: View) -> Table | None:
    """A row per strategy; None without an oracle that is above the reference beyond seed noise."""
    source, found = report.source, headroom(report.curves, report.reference, report.end)
    if not len(found):
        return None
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(found)],
        "seeds": [Cell(str(n)) for n in found["n"]],
        "share of headroom": [_cell(value) for value in found["share"]],
        "95 % interval": [
            Cell(f"[{_words(low)}, {_words(high)}]") for low, high in zip(found["low"], found["high"], strict=True)
        ],
    }
    oracles = [name for name in ORACLES if name in set(found["oracle"])]
    what = "; ".join(f"{name} {ORACLES[name]}" for name in oracles)
    caption = (
        f"Area under the budget curve, scaled so that {report.reference} is 0 and {' or '.join(oracles)} is 1. "
        f"{what[0].upper()}{what[1:]}: it is no upper bound, and a strategy may exceed 1. Intervals are Fieller's, "
        "paired by seed, and descriptive."
    )
    return Table.of_columns(columns, found, sentences(caption, source.unranked.note))


def _cell(value: float) -> Cell:
    return Cell(_words(value)) if math.isfinite(value) else MISSING


def _words(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


SECTION = Section("Share of the headroom", table=Part("headroom", table))
