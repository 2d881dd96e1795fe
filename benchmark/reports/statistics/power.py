"""How large a difference so many seeds can show, and how many seeds would show a given one."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from benchmark.reports.statistics.inference import FEWEST_SEEDS_MAX_T, Inference
from benchmark.reports.statistics.seeds import FEWEST_SEEDS

POWER = 0.8
MOST_SEEDS = 100_000
QUANTILES = 1000


class Power(NamedTuple):
    """For comparisons of ``n`` seeds: the ``smallest`` difference (0–1) that is shown with 80 % power, and the number
    of ``seeds`` that would show one point."""

    n: int
    smallest: float
    seeds: int


def power(effect: float, sd: float, n: int, df: float, critical: float) -> float:
    """The probability that |t| exceeds ``critical`` where the mean of ``n`` differences is off 0 by ``effect``.

    That of the noncentral t distribution, as the mean over quantiles of its χ² (SciPy's gives NaN for large values).
    """
    shift = effect / sd * math.sqrt(n)
    ends = critical * _spreads(df)
    return float((stats.norm.sf(ends - shift) + stats.norm.cdf(-ends - shift)).mean())


@lru_cache
def _spreads(df: float) -> np.ndarray:
    """√(χ²/df) at equally likely quantiles."""
    return np.asarray(np.sqrt(stats.chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, df) / df))


def smallest_difference(sd: float, n: int, df: float, critical: float) -> float:
    """The effect with a power of 80 %."""
    error = sd / math.sqrt(n)
    high = error
    while power(high, sd, n, df, critical) <= POWER:
        high *= 2
    return float(optimize.brentq(lambda effect: power(effect, sd, n, df, critical) - POWER, 0, high, xtol=1e-9))


def seeds_needed(effect: float, sd: float, d0: float, tests: float, level: float) -> int:
    """The fewest seeds, at least 3, that show ``effect`` with a power of 80 % among so many ``tests``."""

    def enough(n: int) -> bool:
        df = n - 1 + (d0 if n < FEWEST_SEEDS_MAX_T else 0)
        return power(effect, sd, n, df, float(stats.t.isf(level / (2 * tests), df))) >= POWER

    most = FEWEST_SEEDS
    while not enough(most) and most < MOST_SEEDS:
        most *= 2
    fewest = max(most // 2, FEWEST_SEEDS)
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if enough(middle) else (middle + 1, most)
    return most


def powers(inference: Inference, against: str, endpoint: str = "area", effect: float = 0.01) -> list[Power]:
    """For each number of seeds that comparisons with a reference have, the most first; none where nothing varies.

    Of a strategy of median standard deviation, by single-step correction for all tests of the family: the step-down
    procedures show a little more.
    """
    rows = inference.family
    rows = rows[(rows["against"] == against) & (rows["endpoint"] == endpoint) & (rows["n"] >= FEWEST_SEEDS)]
    if not len(rows):
        return []
    priors = inference.priors
    d0 = float(priors.loc[(priors["against"] == against) & (priors["endpoint"] == endpoint), "d0"].iloc[0])
    sd, found = float(rows["sd"].median()), []
    for n in sorted({int(n) for n in rows["n"]}, reverse=True):
        some = rows[rows["n"] == n].iloc[0]
        df, error = float(some["df"]), float(some["sd"]) / math.sqrt(n)
        critical = float((some["band_high"] - some["difference"]) / error)
        if not critical > 0:
            continue  # all differences of these seeds are equal, as at one label count that all strategies share
        tests = inference.level / (2 * stats.t.sf(critical, df))  # as many independent ones as the value stands for
        needed = seeds_needed(effect, sd, d0, tests, inference.level)
        found.append(Power(n, smallest_difference(sd, n, df, critical), needed))
    return found
