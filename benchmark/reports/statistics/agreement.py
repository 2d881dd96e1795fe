"""Do two recipes rank the strategies alike? Measured against how well each recipe agrees with itself.

Two sets of runs of the same recipe on different seeds do not rank strategies identically either. So the seeds are
split into halves in every possible way, and the areas of the strategies, averaged over a half, are compared: one
recipe's half with its own other half (the ceiling), and with the other recipe's other half. Both comparisons have
the same number of seeds on either side and share none.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.editions import shown_as
from benchmark.reports.statistics.seeds import REFERENCE
from benchmark.reports.statistics.summary import area_under_budget_curve


class Agreement(NamedTuple):
    """Means over all splits: Spearman's ρ and Kendall's τ_b of the strategies' areas; Pearson's r and the mean
    absolute difference (points) of their gains over random."""

    spearman: float
    kendall: float
    gains_pearson: float
    gains_difference: float


class Comparison(NamedTuple):
    """Agreement ``between`` the recipes, and of the ``first`` and ``second`` with itself, over splits of ``seeds``."""

    between: Agreement
    first: Agreement
    second: Agreement
    areas: pd.DataFrame  # strategy, first, second: mean areas in points
    seeds: tuple[int, ...]
    splits: int


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """The agreement of two sets of curves (see ``curves.curves``) on the strategies, seeds and labels that they share.

    Raises ValueError if they share fewer than 3 strategies with random among them, or fewer than 4 seeds.
    """
    tables = [_areas(curves, labels=set(first["labels"]) & set(second["labels"])) for curves in (first, second)]
    strategies = [s for s in tables[0].index if s in tables[1].index]
    a, b = (table.loc[strategies].dropna(axis=1) for table in tables)
    seeds = sorted(int(seed) for seed in set(a.columns) & set(b.columns))
    reference = shown_as(REFERENCE, strategies)
    if len(strategies) < 3 or reference not in strategies:
        raise ValueError(f"a ranking takes {REFERENCE} and at least two other strategies in both, not {strategies}")
    if len(seeds) < 4:
        raise ValueError(f"splitting seeds into halves takes at least 4 that all runs share; there are {len(seeds)}")
    halves = list(itertools.combinations(seeds, len(seeds) // 2))

    def mean(x: pd.DataFrame, y: pd.DataFrame) -> Agreement:
        found = []
        for half in halves:
            other = [s for s in seeds if s not in half][: len(half)]
            found.append(_agreement(x[list(half)].mean(axis=1), y[other].mean(axis=1), reference))
        return Agreement(*np.mean(found, axis=0).tolist())

    areas = pd.DataFrame({"first": a[seeds].mean(axis=1), "second": b[seeds].mean(axis=1)})
    return Comparison(mean(a, b), mean(a, a), mean(b, b), areas, tuple(seeds), len(halves))


def _areas(curves: pd.DataFrame, labels: set[int]) -> pd.DataFrame:
    """Areas in points, a row per strategy, a column per seed; NaN where a run lacks a label count."""
    curves = curves[curves["labels"].isin(labels)]
    rows = {
        (strategy, seed): 100 * area_under_budget_curve(run["labels"].tolist(), run["accuracy"].tolist())
        for (strategy, seed), run in curves.groupby(["strategy", "seed"], sort=False, observed=True)
        if len(run) == len(labels)
    }
    return pd.Series(rows).unstack(sort=False)


def _agreement(x: pd.Series, y: pd.Series, reference: str) -> Agreement:
    gains = [v.drop(reference) - v[reference] for v in (x, y)]
    return Agreement(
        float(stats.spearmanr(x, y).statistic),
        float(stats.kendalltau(x, y).statistic),
        float(stats.pearsonr(*gains).statistic),
        float((gains[0] - gains[1]).abs().mean()),
    )
