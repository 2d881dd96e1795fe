"""Paired tests over seeds, and Holm's correction of their p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, Key
from benchmark.reports.statistics.summary import keys, mean_and_sd, t_quantile

LEVEL = 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted by Holm's step-down procedure, in the order given; NaN stays NaN and does not count.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), math.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.arange(len(order), 0, -1) * p[order]))
    return adjusted.tolist()


def paired_t(differences: Sequence[float]) -> tuple[float, float]:
    """The t-score and two-sided p-value of Student's paired t-test; NaN for fewer than 3 differences.

    Differences that are all 0 give t = 0 and p = 1; all alike but not 0, an infinite t and p = 0.
    """
    n = len(differences)
    if n < FEWEST_SEEDS:
        return math.nan, math.nan
    mean, sd = mean_and_sd(differences)
    if sd == 0:
        return (0.0, 1.0) if mean == 0 else (math.copysign(math.inf, mean), 0.0)
    t = mean / sd * math.sqrt(n)
    return t, float(2 * stats.t.sf(abs(t), n - 1))


def beats(differences: np.ndarray) -> np.ndarray:
    """Where the mean of ``differences`` is above 0 with p < 0.05 in a two-sided paired t-test.

    ``differences`` are (…, n, L) over n ≥ 2 seeds; the result is (…, L).
    """
    n = differences.shape[-2]
    margin = t_quantile(1 - LEVEL / 2, n - 1) / math.sqrt(n) * differences.std(axis=-2, ddof=1)
    return differences.mean(axis=-2) > margin


def accuracies(rows: pd.DataFrame) -> tuple[list[Key], list[int], list[int], np.ndarray]:
    """The accuracies of ``seeds.compared`` rows: strategies, seeds, label counts, and the array over these axes.

    Label counts and seeds at which a run is missing are left out.
    """
    table = rows.pivot(index=[*GROUP, "seed"], columns="labels", values="accuracy").dropna(axis=1)
    order = keys(rows)
    seeds = sorted(set.intersection(*(set(group["seed"]) for group in groups(rows, GROUP).values())))
    wanted = pd.MultiIndex.from_tuples([(*key, seed) for key in order for seed in seeds])
    array = table.reindex(wanted).to_numpy().reshape(len(order), len(seeds), len(table.columns))
    return order, seeds, [int(labels) for labels in table.columns], array
