"""Ranks of strategies over independent blocks: Friedman's test, then Nemenyi's (Demšar, JMLR 2006).

A block is an independent data set. Seeds and label counts of one data set are not blocks: they are dependent.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import NamedTuple

import pandas as pd
from scipy import stats

from benchmark.reports.statistics.inference import LEVEL
from benchmark.reports.statistics.seeds import GROUP
from benchmark.reports.statistics.summary import keys

FEWEST_BLOCKS, MOST_RANKED = 10, 10  # for Friedman's and Nemenyi's tests: blocks, strategies


class Ranks(NamedTuple):
    """Mean ranks with Friedman's p-value, Nemenyi's p-values of pairs, and the critical difference at 5 %."""

    mean: pd.Series
    friedman: float
    nemenyi: pd.DataFrame
    critical_difference: float
    blocks: int


def blocks(*runs: pd.DataFrame) -> pd.DataFrame:
    """Mean areas, a row per data set and a column per (strategy, learner), for tests by rank.

    ``runs`` are tables from ``summary.areas``, one per data set. Strategies that are missing from one of them, and
    seeds that some strategy lacks, are left out.
    """
    tables = [table.pivot(index="seed", columns=GROUP, values="area") for table in runs]
    order = [key for key in keys(runs[0]) if all(key in table.columns for table in tables)]
    return pd.DataFrame([table[order].dropna().mean() for table in tables]).dropna()


def mean_ranks(table: pd.DataFrame) -> pd.Series:
    """Each column's mean rank over ``blocks``; rank 1 is the largest area, ties get their average rank."""
    return table.rank(axis=1, ascending=False).mean()


def ranks_allowed(table: pd.DataFrame) -> bool:
    """Whether there are enough ``blocks``, and few enough strategies, for Friedman's test and a diagram of ranks."""
    return len(table) >= FEWEST_BLOCKS and 3 <= table.shape[1] <= MOST_RANKED


def rank_tests_if_allowed(table: pd.DataFrame) -> Ranks | None:
    """``rank_tests`` where ``blocks`` allow it and scikit-posthocs is installed."""
    return rank_tests(table) if ranks_allowed(table) and can_test_ranks() else None


def can_test_ranks() -> bool:
    """Whether scikit-posthocs is installed."""
    return find_spec("scikit_posthocs") is not None


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
