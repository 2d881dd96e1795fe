"""Areas under the budget curve, intervals over seeds, and differences to a reference, paired by seed.

Means that are compared are taken over the same seeds (``seeds.comparable``); a difference to a reference is over the
seeds that the two share. Sums are exact (``math.fsum``), so that the same records give the same digits on every
machine.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key, compared, only
from benchmark.reports.statistics.tidy import RUN, groups, pieces, places, table_of

SECONDS = ("train_seconds", "query_seconds")


class Interval(NamedTuple):
    """A mean of ``n`` values with its t-interval; ``low`` and ``high`` are NaN for n < 2."""

    mean: float
    low: float
    high: float
    n: int


def area_under_budget_curve(labels: Sequence[float], accuracy: Sequence[float]) -> float:
    """The area under ``accuracy`` over ``labels`` by trapezoids, divided by the range of labels: a mean accuracy.

    For a single label count, the accuracy there. Raises ValueError unless the label counts increase strictly.
    """
    x, y = np.asarray(labels, dtype=float), np.asarray(accuracy, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"labels and accuracy must be equally long and not empty, not {x.shape} and {y.shape}")
    steps = np.diff(x)
    if (steps <= 0).any():
        raise ValueError("label counts must increase strictly from round to round")
    if len(x) == 1:
        return float(y[0])
    return math.fsum(steps * (y[1:] + y[:-1]) / 2) / float(x[-1] - x[0])


def mean_and_sd(values: Iterable[float]) -> tuple[float, float]:
    """The mean and the sample standard deviation (n − 1); NaN for too few values."""
    array = [float(v) for v in values]
    if not array:
        return math.nan, math.nan
    mean = math.fsum(array) / len(array)
    if len(array) < 2:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in array) / (len(array) - 1))


def mean_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """The mean ± Student's t-interval of the mean at ``level``, over independent values such as seeds."""
    array = list(values)
    mean, sd = mean_and_sd(array)
    n = len(array)
    half = t_quantile((1 + level) / 2, n - 1) * sd / math.sqrt(n) if n > 1 else math.nan
    return Interval(mean, mean - half, mean + half, n)


@lru_cache
def t_quantile(probability: float, degrees: int) -> float:
    """A quantile of Student's t distribution, cached: a report needs the same few thousands of times."""
    return float(stats.t.ppf(probability, degrees))


def intervals(frame: pd.DataFrame, value: str, by: Sequence[str] = ("labels",)) -> pd.DataFrame:
    """Columns mean, sd, low, high (95 % t-interval of the mean) and n of ``value`` by strategy, learner and ``by``."""
    return _table_of_intervals(_intervals(frame, value, by), by)


def _intervals(frame: pd.DataFrame, value: str, by: Sequence[str] = ("labels",)) -> Iterator[tuple[Any, ...]]:
    for key, own in pieces(frame, GROUP):
        for where, group in own.groupby(list(by), sort=False)[value] if by else [((), own[value])]:
            values = group.tolist()
            mean, low, high, n = mean_interval(values)
            yield (*key, *where, mean, mean_and_sd(values)[1], low, high, n)


def _table_of_intervals(rows: Iterable[tuple[Any, ...]], by: Sequence[str] = ("labels",)) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=[*GROUP, *by, "mean", "sd", "low", "high", "n"])


def paired(
    frame: pd.DataFrame, value: str, on: Sequence[str], reference: str = REFERENCE, of: str = "strategy"
) -> pd.DataFrame:
    """``value`` minus the reference's with the same ``on`` (learner, seed, …), as the column ``gain``.

    The reference is a value of the column ``of``, by default a strategy. Its own rows, and rows without a partner, are
    dropped.
    """
    partner = frame.loc[frame[of] == reference, [*on, value]].rename(columns={value: "reference"})
    joined = frame[frame[of] != reference].merge(partner, on=list(on))
    return joined.assign(gain=joined[value] - joined["reference"])


def gains(frame: pd.DataFrame, value: str, reference: str = REFERENCE) -> pd.DataFrame:
    """``intervals`` of ``value`` minus the reference's with the same learner, seed and labels: see ``paired``."""
    on = ["learner", "seed", "labels"]
    columns = [*RUN, "labels", value]
    base = only(frame, [key for key in keys(frame) if key[0] == reference])[columns]
    both = (pd.concat([base, own[columns]]) for key, own in pieces(frame, GROUP) if key[0] != reference)
    return _table_of_intervals(row for rows in both for row in _intervals(paired(rows, value, on, reference), "gain"))


def by_run(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[str, str, int], list[tuple[Any, ...]]]]:
    """Labels and ``columns`` of each run in ``rows``: a tuple of values, round by round, for each column."""
    values = [rows[field].to_numpy() for field in ("labels", *columns)]
    for key, where in places(rows, RUN):
        yield key, [tuple(column[where].tolist()) for column in values]


def known(values: Iterable[float]) -> list[float]:
    """The values that are not NaN."""
    return [value for value in values if not math.isnan(value)]


def areas(curves: pd.DataFrame, end: int | None = None, unfinished: Collection[Key] = ()) -> pd.DataFrame:
    """One row per run of ``seeds.compared``: see ``run_areas``."""
    return run_areas(compared(curves, end, unfinished))


def run_areas(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per run in ``rows``, which all end at one label count: its areas, final accuracy and seconds.

    Columns: strategy, learner, seed, labels (the last), area (over labels), log_area (over the logarithm of
    labels), final, train_seconds (of the run up to there), query_seconds (of a query before that).
    """
    columns = ["labels", "area", "log_area", "final", "train_seconds", "query_seconds"]
    return table_of(_run_areas(rows), [*RUN, *columns])


def _run_areas(rows: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for key, (labels, accuracy, train, query) in by_run(rows, "accuracy", *SECONDS):
        area = area_under_budget_curve(labels, accuracy)
        log_area = area_under_budget_curve([math.log(count) for count in labels], accuracy)
        queries = known(value for count, value in zip(labels, query, strict=True) if count < labels[-1])
        spent, each = math.fsum(known(train)), mean_and_sd(queries)[0]
        yield (*key, labels[-1], area, log_area, accuracy[-1], spent, each)


def summarise(curves: pd.DataFrame, end: int | None = None, unfinished: Collection[Key] = ()) -> pd.DataFrame:
    """One row per strategy and learner, the largest area first; accuracies are 0–1.

    Columns: strategy, learner, n (seeds), labels (where the comparison ends, see ``seeds.reaching``), area, log_area
    and final accuracy (``_mean``, ``_sd``), train_seconds of a run and query_seconds of a round, all over the seeds
    that all strategies share. Strategies that do not reach the end have n = 0 and NaN.
    """
    runs = areas(curves, end, unfinished)
    mine = groups(runs, GROUP)
    rows = []
    for key in keys(curves):
        own = mine.get(key, runs.iloc[:0])
        rows.append(
            (
                *key,
                len(own),
                runs["labels"].iloc[0],
                *mean_and_sd(own["area"]),
                *mean_and_sd(own["log_area"]),
                *mean_and_sd(own["final"]),
                mean_and_sd(own["train_seconds"])[0],
                mean_and_sd(own["query_seconds"].dropna())[0],
            )
        )
    columns = ["n", "labels", "area_mean", "area_sd", "log_area_mean", "log_area_sd", "final_mean", "final_sd"]
    table = pd.DataFrame(rows, columns=[*GROUP, *columns, "train_seconds", "query_seconds"])
    return table.sort_values("area_mean", ascending=False, kind="stable").reset_index(drop=True)


def accuracies(rows: pd.DataFrame) -> tuple[list[Key], list[int], list[int], np.ndarray]:
    """The accuracies of ``seeds.compared`` rows: strategies, seeds, label counts, and the array over these axes.

    Label counts and seeds at which a run is missing are left out.
    """
    tables, labels = accuracy_tables(rows)
    seeds = sorted(set.intersection(*(set(table.index.tolist()) for table in tables.values())))
    array = np.array([table.reindex(seeds).to_numpy() for table in tables.values()])
    return list(tables), seeds, labels, array


def accuracy_tables(rows: pd.DataFrame) -> tuple[dict[Key, pd.DataFrame], list[int]]:
    """For each strategy (with learner) its accuracies, a row per seed and a column per label count; and these counts.

    Label counts at which a run is missing are left out.
    """
    tables = {
        key: own.pivot(index="seed", columns="labels", values="accuracy").dropna(axis=1)
        for key, own in pieces(rows, GROUP)
    }
    labels: list[int] = sorted(set.intersection(*(set(table.columns.tolist()) for table in tables.values())))  # type: ignore[arg-type]
    return {key: table[labels] for key, table in tables.items()}, labels


def keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs of strategy and learner in ``frame``, in the order in which they appear."""
    return [key for key, _ in places(frame, GROUP)]
