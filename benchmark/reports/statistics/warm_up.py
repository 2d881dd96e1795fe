"""Warm-up labels: from how many labels on a strategy is not behind random.

An estimate, not a verdict: the first label count from which on the mean difference over seeds stays above −0.5 points,
the margin within which reports call two strategies equivalent. The interval is the percentile interval of a bootstrap
over seeds, as that of the labels saved. Where the difference is close to −0.5 points, or to 0 and noisy, the count is
late: noise at one label count is enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmark.reports.statistics.inference import MARGIN
from benchmark.reports.statistics.resampling import FEWEST_SEEDS_BOOTSTRAP, resampled_means


class WarmUp(NamedTuple):
    """A label count with its 95 % interval; infinity where the strategy is behind at the last one."""

    labels: float
    low: float
    high: float


def warm_up(labels: Sequence[int], differences: np.ndarray, margin: float = MARGIN) -> WarmUp:
    """From ``differences`` (seeds, label counts) to random in accuracy (0–1); no interval (NaN) below five seeds."""
    n = len(differences)
    found = float(_first(labels, differences.mean(axis=0)[None], margin)[0])
    if n < FEWEST_SEEDS_BOOTSTRAP:
        return WarmUp(found, math.nan, math.nan)
    resampled = _first(labels, resampled_means(differences)[1:], margin)
    low, high = np.quantile(resampled, (0.025, 0.975), method="inverted_cdf")
    return WarmUp(found, float(low), float(high))


def _first(labels: Sequence[int], means: np.ndarray, margin: float) -> np.ndarray:
    """(B,) the label count after the last one at which the mean difference (B, L) is at or below −margin."""
    behind = means <= -margin
    after = np.where(behind.any(axis=1), means.shape[1] - np.argmax(behind[:, ::-1], axis=1), 0)
    return np.append(np.asarray(labels, dtype=float), math.inf)[after]
