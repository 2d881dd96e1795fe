"""What is compared, declared in advance: four numbers of a learning curve, each a mean accuracy.

- ``area``: the mean over the label counts, by trapezoids (``summary.area_under_budget_curve``).
- ``early`` and ``late``: the means over the first and the second half of the budget schedule on a logarithmic axis,
  between whose label counts the curve is a straight line.
- ``last``: the accuracy at the last label count.

With two label counts the halves say nothing that the others do not, and are left out; with a single one the area is the
accuracy there, and the only endpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmark.reports.statistics.summary import area_under_budget_curve, by_run
from benchmark.reports.statistics.tidy import RUN, table_of

ENDPOINTS = ("area", "early", "late", "last")


def declared(label_counts: int) -> tuple[str, ...]:
    """The endpoints of curves with so many label counts."""
    return ENDPOINTS if label_counts > 2 else ("area", "last") if label_counts == 2 else ("area",)


def halves(labels: Sequence[float]) -> float:
    """The label count at which the early part ends and the late part begins: the geometric mean of the ends."""
    return math.sqrt(labels[0] * labels[-1])


@lru_cache
def _half_weights(labels: tuple[float, ...], late: bool) -> np.ndarray:
    """(L,) weights of the accuracies in the mean over half of the logarithmic axis; they sum to 1."""
    x = np.log(np.asarray(labels, dtype=float))
    middle = (x[0] + x[-1]) / 2
    knots = np.unique(np.concatenate([x, [middle]]))
    knots = knots[knots >= middle] if late else knots[knots <= middle]
    # hat functions at the knots, integrated by trapezoids: exact for straight lines between label counts
    hats = np.array([np.interp(knots, x, row) for row in np.eye(len(x))])
    weights = ((hats[:, 1:] + hats[:, :-1]) / 2 * np.diff(knots)).sum(axis=1)
    return np.asarray(weights / weights.sum())


def endpoint(name: str, labels: Sequence[float], accuracy: Sequence[float]) -> float:
    """An endpoint of the curve ``accuracy`` (0–1) over strictly increasing ``labels``."""
    if name == "area":
        return area_under_budget_curve(labels, accuracy)
    if name == "last":
        return float(accuracy[-1])
    weights = _half_weights(tuple(labels), name == "late")
    return math.fsum(weights * np.asarray(accuracy, dtype=float))


def run_endpoints(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per run in ``rows``, which all end at one label count: strategy, learner, seed and its endpoints."""
    names = declared(rows["labels"].nunique())

    def of_run(labels: Sequence[float], accuracy: Sequence[float]) -> Iterator[float]:
        fits = names if len(labels) > 1 else ("area",)
        return (endpoint(name, labels, accuracy) if name in fits else accuracy[-1] for name in names)

    return table_of(((*key, *of_run(*curve)) for key, curve in by_run(rows, "accuracy")), [*RUN, *names])
