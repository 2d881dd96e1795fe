"""What strategies save and cost: labels to reach an accuracy, and seconds.

The labels that an accuracy takes are where the mean curve over seeds, linear between label counts, first reaches it:
the first crossing, with no smoothing. A mean curve that dips later is not punished for it, and one that never gets
there has none (infinity). Intervals are percentile intervals of a bootstrap over seeds (Efron & Tibshirani 1993):
seeds are drawn with replacement, the same for all strategies, and curves and crossings computed anew.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from benchmark.reports.statistics.curves import RUN, groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE
from benchmark.reports.statistics.significance import accuracies
from benchmark.reports.statistics.summary import SECONDS, by_run, known, mean_and_sd

RESAMPLES = 2000
FEWEST_SEEDS_BOOTSTRAP = 5  # fewer have too few different resamples for a percentile to mean anything


def first_crossing(labels: np.ndarray, curves: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where ``curves`` (…, L) over ``labels`` (L,), linear in between, first reach ``target`` (…,); else infinity.

    A curve that is there from the start takes the first label count.
    """
    reached = curves >= target[..., None]
    at = reached.argmax(axis=-1)
    before = np.maximum(at - 1, 0)
    high, low = (np.take_along_axis(curves, where[..., None], axis=-1)[..., 0] for where in (at, before))
    rise = np.where(at > 0, high - low, 1)
    share = np.where(at > 0, (target - low) / np.where(rise > 0, rise, 1), 0)
    where = labels[before] + share * (labels[at] - labels[before])
    return np.where(reached.any(axis=-1), where, math.inf)


def labels_saved(rows: pd.DataFrame, target: float | None = None, reference: str = REFERENCE) -> pd.DataFrame:
    """Labels to reach the accuracy ``target`` (0–1), and those saved against ``reference``, per strategy and learner.

    ``rows`` are of ``seeds.compared``. The default target is the reference's mean final accuracy with the same
    learner, drawn anew in each bootstrap resample. Columns: strategy, learner, n (seeds), target, needed (infinity:
    not reached), saved (of the reference's; minus infinity where only the strategy does not get there), low, high
    (95 % percentile interval over seeds, order statistics of 2,000 resamples; NaN for fewer than 5 seeds).
    """
    order, seeds, counts, accuracy = accuracies(rows)
    labels, n = np.asarray(counts, dtype=float), len(seeds)
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    draws = np.concatenate([np.arange(n)[None], drawn])  # the first is the seeds as they are

    def resampled(curves: np.ndarray) -> np.ndarray:
        return curves[draws].mean(axis=1)

    found = []
    for learner in dict.fromkeys(learner for _, learner in order):
        base = resampled(accuracy[order.index((reference, learner))]) if (reference, learner) in order else None
        if base is None and target is None:
            goal = np.full(len(draws), math.nan)
        else:
            goal = base[:, -1] if base is not None and target is None else np.full(len(draws), target, dtype=float)
        spent = np.full(len(draws), math.nan) if base is None else first_crossing(labels, base, goal)
        for key, curves in zip(order, accuracy, strict=True):
            if key[1] != learner:
                continue
            needed = first_crossing(labels, resampled(curves), goal)
            with np.errstate(invalid="ignore"):  # neither gets there: inf − inf, of which nothing can be said
                saved = spent - needed
            bounds = (math.nan, math.nan)
            if n >= FEWEST_SEEDS_BOOTSTRAP and key[0] != reference and not np.isnan(saved).any():
                bounds = tuple(np.quantile(saved[1:], (0.025, 0.975), method="inverted_cdf"))
            mine = math.nan if math.isnan(goal[0]) else needed[0]
            found.append((*key, n, goal[0], mine, math.nan if key[0] == reference else saved[0], *bounds))
    table = pd.DataFrame(found, columns=[*GROUP, "n", "target", "needed", "saved", "low", "high"])
    return table.set_index(GROUP).reindex(pd.MultiIndex.from_tuples(order, names=GROUP)).reset_index()


def costs(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Seconds of ``seeds.reaching`` rows, per strategy and learner; means over its runs.

    Columns: strategy, learner, n (runs), query_mean, query_sd (of a round: mean of a run's rounds, then over runs),
    query (all rounds of a run that buy towards the last label count), train (of a run, a shared first round counted
    for each), total (both), factor (of the reference's total with the same learner, over the seeds that both have).
    """
    last = rows["labels"].max()
    runs = []
    for key, (labels, train, query) in by_run(rows, *SECONDS).items():
        bought = known(value for count, value in zip(labels, query, strict=True) if count < last)
        runs.append((*key, mean_and_sd(bought)[0], math.fsum(bought), math.fsum(known(train))))
    table = pd.DataFrame(runs, columns=[*RUN, "round", "query", "train"])
    table["total"] = table["query"] + table["train"]
    others = table.loc[table["strategy"] == reference, ["learner", "seed", "total"]]
    table = table.merge(others.rename(columns={"total": "base"}), on=["learner", "seed"], how="left")
    found = []
    for key, own in groups(table, GROUP).items():
        both = own.dropna(subset=["base"])
        spent, base = math.fsum(both["total"]), math.fsum(both["base"])
        means = (mean_and_sd(own[column])[0] for column in ("query", "train", "total"))
        found.append((*key, len(own), *mean_and_sd(own["round"].dropna()), *means, spent / base if base else math.nan))
    columns = [*GROUP, "n", "query_mean", "query_sd", "query", "train", "total", "factor"]
    return pd.DataFrame(found, columns=columns)


def elapsed(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` (see ``curves.curves``) with the column seconds: what a run took until that accuracy was there.

    All training so far, and all queries before.
    """
    ordered = rows.sort_values([*RUN, "labels"], kind="stable")
    each = ordered.groupby(RUN, sort=False)
    train = each["train_seconds"].cumsum()
    query = ordered["query_seconds"].fillna(0).groupby([ordered[field] for field in RUN], sort=False).cumsum()
    before = query - ordered["query_seconds"].fillna(0)
    return ordered.assign(seconds=train + before).loc[rows.index]
