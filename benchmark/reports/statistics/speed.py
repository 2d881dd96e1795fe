"""How fast the machine was: seconds scaled by a fixed computation that every round times beside its own work.

A run's seconds depend on its machine and on what else that computed at the time. Divided by the seconds of the fixed
computation in the same round they do not, as far as the two slow down alike. They are given as seconds of a machine on
which the fixed computation takes ``UNIT`` seconds.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.reports.statistics.tidy import RUN, key_of
from benchmark.results.records import RunRecord

UNIT = 0.005  # seconds of the fixed computation, to which calibrated seconds are scaled
ALIKE = 1.1  # two runs have equal calibration up to this ratio of their medians
STEADY = 1.25  # a run's machine was under steady load up to this ratio of the quartiles of its calibrations


class Speed(NamedTuple):
    """A run's calibration: seconds of the fixed computation in its rounds, and what they were timed on."""

    seconds: Sequence[float]
    device: str

    @property
    def median(self) -> float:
        return float(np.median(self.seconds)) if self.seconds else math.nan

    @property
    def is_steady(self) -> bool:
        low, high = np.quantile(self.seconds, (0.25, 0.75))
        return bool(high <= STEADY * low)


UNTIMED = Speed((), "")


def speeds(runs: Iterable[RunRecord], last: int) -> dict[tuple[str, str, int], Speed]:
    """The speed of each run over its rounds up to ``last`` labels; without seconds where a round has none."""
    found = {}
    for run in runs:
        seconds = [r.calibration_seconds or math.nan for r in run.rounds if r.num_labelled <= last]
        complete = all(map(math.isfinite, seconds))
        found[key_of(run)] = Speed(array("d", seconds if complete else ()), run.header.environment.device)
    return found


def calibrated(runs: Iterable[RunRecord], last: int) -> pd.DataFrame:
    """Calibrated seconds of training and queries of each run up to ``last`` labels; NaN where a round has no timing.

    Columns: strategy, learner, seed, calibrated.
    """
    rows = []
    for run in runs:
        total = math.fsum(
            (r.seconds.train + (r.seconds.query if r.num_labelled < last else 0)) * UNIT / r.calibration_seconds
            if r.calibration_seconds
            else math.nan
            for r in run.rounds
            if r.num_labelled <= last
        )
        rows.append((*key_of(run), total))
    return pd.DataFrame(rows, columns=[*RUN, "calibrated"])


def apart(one: Speed, other: Speed) -> str:
    """Why the seconds of two runs cannot be divided by one another; empty where their calibrations are equal."""
    if not one.seconds or not other.seconds:
        return "no calibration was timed"
    if one.device != other.device:
        return "they ran on different devices"
    if not (one.is_steady and other.is_steady):
        return "the load of the machine changed during a run"
    ratio = max(one.median, other.median) / min(one.median, other.median)
    return "" if ratio <= ALIKE else "their calibrations differ"


def told(reasons: Sequence[str]) -> str:
    """The distinct reasons as part of a sentence, the most frequent first; equally frequent ones by the alphabet."""
    return "; ".join(sorted(set(reasons), key=lambda reason: (-reasons.count(reason), reason)))
