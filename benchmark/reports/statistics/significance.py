"""Tests by seed: is a strategy better than random, or than a baseline, and who beats whom?

The primary test is Student's paired t-test on the area under the budget curve, paired by seed, two-sided, over all
seeds that the two share. Its family is each strategy against random and against one named baseline; Holm's step-down
correction (Holm, Scandinavian Journal of Statistics 1979) keeps the probability of any false claim in that family at
the level. Nothing else is corrected by it. Wilcoxon's signed-rank test stands beside it from 9 seeds on: with fewer
its smallest p-value, 2/2ⁿ, does not survive a correction for ten comparisons.

Pairwise: the penalty matrix of Ash et al. (Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds,
ICLR 2020, arXiv:1906.03671). At each label count, i beats j where the two-sided paired t-test over n seeds says so at
p < 0.05, that is where the t-score exceeds the 97.5 % quantile of n − 1 degrees of freedom (2.776 for their 5 seeds).
A win of i over j adds 1/(number of label counts) to the entry (i, j); the sum of column j is the penalty of j. Ours:
all label counts of the run are used, not an exponential grid, and it is one experiment at a time.

Ranks: Friedman's test over blocks, then Nemenyi's (Demšar, JMLR 2006). A block is a seed of an independent
experiment. Label counts of one run are no blocks: they depend on one another.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import (
    BASELINE,
    keys,
    mean_and_sd,
    mean_interval,
    paired,
    t_quantile,
)

LEVEL = 0.05
FEWEST_SEEDS_WILCOXON = 9
FEWEST_BLOCKS, MOST_RANKED = 10, 10  # for Friedman's and Nemenyi's tests: blocks, strategies


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; NaN stays NaN and does not count."""
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), math.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.arange(len(order), 0, -1) * p[order]))
    return adjusted.tolist()


def paired_t(differences: Sequence[float]) -> tuple[float, float]:
    """The t-score and two-sided p-value of the differences' mean being 0; NaN for fewer than 3 of them.

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


def signed_rank(differences: Sequence[float]) -> float:
    """Wilcoxon's two-sided p-value; NaN for fewer than 9 differences. Zeros are dropped; if all are 0, p = 1."""
    if len(differences) < FEWEST_SEEDS_WILCOXON:
        return math.nan
    array = np.asarray(differences, dtype=float)
    return float(stats.wilcoxon(array).pvalue) if array.any() else 1.0


def primary_tests(runs: pd.DataFrame, baseline: str = BASELINE, apart: Collection[Key] = ()) -> pd.DataFrame:
    """The primary tests on ``runs`` (see ``summary.run_areas``), one row per strategy and reference.

    Columns: strategy, learner, reference, n (the seeds that both have), gain (mean difference in area), low, high (its
    95 % t-interval), t, p, p_holm (over all rows; but ``apart``, strategies with few seeds, are a family of their own
    and do not weaken the others), wilcoxon (p-value, not corrected). The reference is random, then
    ``baseline`` where it ran; random against the baseline is the same test as the other way round and stands once.
    """
    rows = []
    for reference in dict.fromkeys((REFERENCE, baseline)):
        pairs = paired(runs, "area", ["learner", "seed"], reference)
        for key, pair in groups(pairs[pairs["strategy"] != REFERENCE], GROUP).items():
            gains = pair["gain"].tolist()
            gain, low, high, n = mean_interval(gains)
            rows.append((*key, reference, n, gain, low, high, *paired_t(gains), signed_rank(gains)))
    columns = [*GROUP, "reference", "n", "gain", "low", "high", "t", "p", "wilcoxon"]
    tests = pd.DataFrame(rows, columns=columns)
    family = [key in apart for key in zip(tests["strategy"], tests["learner"], strict=True)]
    corrected = tests["p"].groupby(family).transform(lambda p: holm(p.tolist())) if len(tests) else tests["p"]
    tests.insert(9, "p_holm", corrected.astype("float64"))
    return tests


def records(rows: pd.DataFrame, reference: str = REFERENCE) -> dict[Key, tuple[int, int, int]]:
    """Label counts won, tied and lost against ``reference`` (see ``beats``), over the seeds that the two share.

    ``rows`` are of ``seeds.reaching``. Strategies that share fewer than 3 seeds with the reference are left out.
    """
    runs = {
        key: own.pivot(index="seed", columns="labels", values="accuracy") for key, own in groups(rows, GROUP).items()
    }
    found = {}
    for key, own in runs.items():
        other = runs.get((reference, key[1]))
        if other is None or key[0] == reference:
            continue
        differences = (own - other).dropna().to_numpy()
        if len(differences) >= FEWEST_SEEDS:
            won, lost = int(beats(differences).sum()), int(beats(-differences).sum())
            found[key] = (won, differences.shape[1] - won - lost, lost)
    return found


def beats(differences: np.ndarray) -> np.ndarray:
    """(…, n, L) differences of n ≥ 2 seeds: (…, L), where the two-sided paired t-test says p < 0.05 and above 0."""
    n = differences.shape[-2]
    margin = t_quantile(1 - LEVEL / 2, n - 1) / math.sqrt(n) * differences.std(axis=-2, ddof=1)
    return differences.mean(axis=-2) > margin


class Pairwise(NamedTuple):
    """``wins[i, j]``: at how many of the ``labels`` the strategy ``keys[i]`` beats ``keys[j]``, over ``n`` seeds."""

    keys: list[Key]
    wins: np.ndarray
    labels: list[int]
    n: int

    @property
    def penalties(self) -> np.ndarray:
        """(K, K): the share of label counts at which row beats column; NaN where the seeds are too few."""
        return self.wins / len(self.labels) if self.n >= FEWEST_SEEDS else np.full(self.wins.shape, math.nan)


def accuracies(rows: pd.DataFrame) -> tuple[list[Key], list[int], list[int], np.ndarray]:
    """The accuracies of ``seeds.compared`` rows as an array (strategies, seeds, labels), with its axes.

    Label counts and seeds at which a run is missing are left out.
    """
    table = rows.pivot(index=[*GROUP, "seed"], columns="labels", values="accuracy").dropna(axis=1)
    order = keys(rows)
    seeds = sorted(set.intersection(*(set(group["seed"]) for group in groups(rows, GROUP).values())))
    wanted = pd.MultiIndex.from_tuples([(*key, seed) for key in order for seed in seeds])
    array = table.reindex(wanted).to_numpy().reshape(len(order), len(seeds), len(table.columns))
    return order, seeds, [int(labels) for labels in table.columns], array


def pairwise(rows: pd.DataFrame, ranking: Sequence[Key]) -> Pairwise:
    """Who beats whom at which label counts, among ``seeds.compared`` rows, in the order of ``ranking``."""
    present, seeds, labels, accuracy = accuracies(rows)
    order = [key for key in ranking if key in set(present)]
    accuracy = accuracy[[present.index(key) for key in order]]
    n = len(seeds)
    wins = np.zeros((len(order), len(order)), dtype=int)
    if n >= FEWEST_SEEDS:
        for i, own in enumerate(accuracy):
            wins[i] = beats(own - accuracy).sum(axis=1)
    return Pairwise(order, wins, labels, n)


def blocks(*runs: pd.DataFrame) -> pd.DataFrame:
    """Areas, a row per (experiment, seed) and a column per (strategy, learner), for tests by rank.

    ``runs`` are tables of ``summary.areas``, one per independent experiment. Strategies that are not in all of
    them and seeds that some strategy lacks are left out.
    """
    tables = {number: table.pivot(index="seed", columns=GROUP, values="area") for number, table in enumerate(runs)}
    order = [key for key in keys(runs[0]) if all(key in table.columns for table in tables.values())]
    return pd.concat({number: table[order].dropna() for number, table in tables.items()}, names=["experiment"])


def mean_ranks(table: pd.DataFrame) -> pd.Series:
    """The mean over ``blocks`` of each column's rank, 1 the largest area; ties share their ranks."""
    return table.rank(axis=1, ascending=False).mean()


def ranks_allowed(table: pd.DataFrame) -> bool:
    """Whether ``blocks`` are enough, and strategies few enough, for Friedman's test and a diagram of ranks."""
    return len(table) >= FEWEST_BLOCKS and 3 <= table.shape[1] <= MOST_RANKED


def tested_ranks(table: pd.DataFrame) -> Ranks | None:
    """``rank_tests`` where ``blocks`` allow it and scikit-posthocs is installed."""
    if not ranks_allowed(table) or find_spec("scikit_posthocs") is None:
        return None
    return rank_tests(table)


class Ranks(NamedTuple):
    """Mean ranks with Friedman's p-value, Nemenyi's p-values of pairs, and the critical difference at 5 %."""

    mean: pd.Series
    friedman: float
    nemenyi: pd.DataFrame
    critical_difference: float
    blocks: int


def rank_tests(table: pd.DataFrame) -> Ranks:
    """Friedman's and Nemenyi's tests over ``blocks``. Raises ImportError where scikit-posthocs is not installed."""
    from scikit_posthocs import posthoc_nemenyi_friedman  # here: only such a report needs it

    n, k = table.shape
    nemenyi = posthoc_nemenyi_friedman(table.to_numpy())
    nemenyi.index = nemenyi.columns = table.columns
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, k, math.inf)) / math.sqrt(2)
    return Ranks(
        mean_ranks(table),
        float(stats.friedmanchisquare(*table.to_numpy().T).pvalue),
        nemenyi,
        quantile * math.sqrt(k * (k + 1) / (6 * n)),
        n,
    )
