"""Strategies across data sets and protocols: what they gain over random, how reliably, and how they rank.

A *setting* is an experiment with one of its learners. In each, a strategy's score is its mean area under the budget
curve. A number across settings is the mean over data sets of the mean over a data set's settings, so that a data set
with many protocols counts once.

- **Relative error reduction** (A_s − A_r) / (1 − A_r), of the mean areas A of the strategy and of random: the share of
  random's errors that the strategy avoids.
- **Probability of improvement** (Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical
  Precipice*, NeurIPS 2021, as in their rliable): that a run of the strategy has a larger area than a run of random, the
  Mann-Whitney U statistic over the number of pairs of runs; ties count half.
- **Mean rank** by mean area among the strategies that all data sets have, 1 is best; ties get their average rank.

Intervals are percentile intervals of a stratified bootstrap over seeds. Settings are the strata, those of a data set
with the same seeds one together: the interval is about other seeds on these data, and says nothing of other data sets.
Of n seeds n − 1 are drawn with replacement (McCarthy & Snowden 1985): drawing n makes the variance of a stratum's mean
too small by (n − 1)/n, a third with three seeds. All strategies and settings of a stratum have the same draws, since
these share initial labels: two settings with three seeds have no more degrees of freedom than one. The two sides of a
probability of improvement alone are drawn independently, as in rliable: drawn alike, pairs of the same seed, in which
the two share initial labels, would be too frequent.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.seeds import SUPERVISED

RESAMPLES = 2000
FEWEST_DEGREES = 4  # Σ (n − 1) over strata: with less, fewer than 85 % of the intervals hold the truth
COLUMNS = ["strategy", "settings", "datasets"]
MEASURES = ("reduction", "improvement", "rank")


@dataclass(frozen=True, eq=False)
class Setting:
    """An experiment with one learner, on ``dataset``: what its ranked strategies reach over the same ``seeds``.

    ``areas`` maps each strategy to its areas (0–1), one per seed; ``verdicts`` those that are compared with the
    ``reference`` to their verdict in words (``verdicts.in_words``); ``warm_up`` to their ``warm_up.WarmUp``.
    ``first`` and ``last`` are the ends of the label counts.
    """

    experiment: str
    dataset: str
    learner: str
    reference: str
    first: int
    last: int
    seeds: tuple[int, ...]
    areas: Mapping[str, np.ndarray]
    verdicts: Mapping[str, str]
    warm_up: Mapping[str, tuple[float, float, float]]


class Across(NamedTuple):
    """``table`` has a row per strategy: strategy, settings and datasets (how many), and of each measure in ``MEASURES``
    its value and the ends of its 95 % interval (reduction, reduction_low, …); NaN where it is not defined, and for
    intervals where a setting has a single seed or all seeds together are too few (see ``FEWEST_DEGREES``).

    ``ranks`` (strategies, data sets) holds the mean ranks within each data set.
    """

    table: pd.DataFrame
    ranks: pd.DataFrame


def main_settings(settings: Sequence[Setting]) -> dict[str, Setting]:
    """The setting that stands for each data set where only one may: of the experiment of the same name, or else of that
    with the most runs; with supervised learning, where it is there."""
    chosen: dict[str, Setting] = {}

    def place(one: Setting) -> tuple[bool, int, bool, str]:
        runs = sum(len(values) for values in one.areas.values())
        return one.experiment != one.dataset, -runs, one.learner != SUPERVISED, one.experiment

    for one in sorted(settings, key=place):
        chosen.setdefault(one.dataset, one)
    return dict(sorted(chosen.items()))


def common(settings: Sequence[Setting]) -> list[str]:
    """The strategies that all settings have, in the order of the first."""
    first, *others = settings
    return [name for name in first.areas if all(name in other.areas for other in others)]


def across(settings: Sequence[Setting]) -> Across:
    """All measures of all strategies in at least one of ``settings``, those with the most data sets first.

    Ranks are among the strategies that the main settings of all data sets have, over all settings with all of them.
    """
    drawn = {id(one): _draws(one) for one in settings}
    ranked = common(list(main_settings(settings).values())) if settings else []
    ranking = [one for one in settings if set(ranked) <= set(one.areas)] if len(ranked) > 1 else []
    ranks = {id(one): _ranks(one, ranked, drawn[id(one)]) for one in ranking}
    rows = []
    for name in dict.fromkeys(name for one in settings for name in one.areas):
        mine = [one for one in settings if name in one.areas]
        against = [one for one in mine if name != one.reference and one.reference in one.areas]
        shown = against or mine
        row: dict[str, object] = {
            "strategy": name,
            "settings": len(shown),
            "datasets": len({one.dataset for one in shown}),
        }
        values = {
            "reduction": [(one, _reduction(one, name, drawn[id(one)])) for one in against],
            "improvement": [(one, _improvement(one, name, drawn[id(one)])) for one in against],
            "rank": [(one, ranks[id(one)][ranked.index(name)]) for one in ranking if name in ranked],
        }
        for measure, found in values.items():
            row |= _summary(measure, found)
        rows.append(row)
    columns = [*COLUMNS, *(measure + end for measure in MEASURES for end in ("", "_low", "_high"))]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values(["datasets", "reduction"], ascending=False, kind="stable", na_position="last")
    of_datasets = {
        dataset: np.mean([ranks[id(one)][:, 0] for one in ranking if one.dataset == dataset], axis=0)
        for dataset in sorted({one.dataset for one in ranking})
    }
    return Across(table.reset_index(drop=True), pd.DataFrame(of_datasets, index=pd.Index(ranked, name="strategy")))


def relative_error_reduction(areas: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(…) of mean areas (…) in 0–1; NaN where the reference makes no errors."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (areas - reference) / (1 - reference)
    return np.where(reference < 1, found, np.nan)


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(…) the share of pairs of the runs (…, n) and (…, m) in which ours is larger; ties count half."""
    greater = ours[..., :, None] > theirs[..., None, :]
    equal = ours[..., :, None] == theirs[..., None, :]
    return np.asarray((greater + 0.5 * equal).mean(axis=(-2, -1)))


def _draws(setting: Setting, side: str = "") -> np.ndarray:
    """(RESAMPLES, n − 1) positions among the n seeds, by data set, seeds and ``side`` alone; (RESAMPLES, 1) for one."""
    n = len(setting.seeds)
    name = f"{setting.dataset} {setting.seeds} {side}"
    return np.random.default_rng(zlib.crc32(name.encode())).integers(0, n, (RESAMPLES, max(n - 1, 1)))


def _means(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES,) the mean of the values, then those of the draws."""
    return np.concatenate([[values.mean()], values[drawn].mean(axis=1)])


def _reduction(setting: Setting, name: str, drawn: np.ndarray) -> np.ndarray:
    own, other = (_means(setting.areas[who], drawn) for who in (name, setting.reference))
    return relative_error_reduction(own, other)


def _improvement(setting: Setting, name: str, drawn: np.ndarray) -> np.ndarray:
    own, other = setting.areas[name], setting.areas[setting.reference]
    given = probability_of_improvement(own, other)
    theirs = _draws(setting, setting.reference)
    return np.concatenate([[given], probability_of_improvement(own[drawn], other[theirs])])


def _ranks(setting: Setting, ranked: Sequence[str], drawn: np.ndarray) -> np.ndarray:
    """(strategies, 1 + RESAMPLES)"""
    means = np.stack([_means(setting.areas[name], drawn) for name in ranked])
    return np.asarray(stats.rankdata(-means, axis=0))


def _summary(measure: str, found: Sequence[tuple[Setting, np.ndarray]]) -> dict[str, float]:
    """The mean over data sets of the mean over settings, and its percentile interval."""
    if not found:
        return dict.fromkeys([measure, f"{measure}_low", f"{measure}_high"], np.nan)
    datasets = dict.fromkeys(one.dataset for one, _ in found)
    means = [np.mean([values for one, values in found if one.dataset == dataset], axis=0) for dataset in datasets]
    drawn = np.mean(means, axis=0)
    low = high = np.nan
    strata = {(one.dataset, one.seeds) for one, _ in found}
    degrees = [len(seeds) - 1 for _, seeds in strata]
    if min(degrees) > 0 and sum(degrees) >= FEWEST_DEGREES and not np.isnan(drawn).any():
        low, high = np.quantile(drawn[1:], (0.025, 0.975), method="inverted_cdf")
    return {measure: float(drawn[0]), f"{measure}_low": float(low), f"{measure}_high": float(high)}
