"""How fast the machine was: seconds scaled by a fixed computation that every round times beside its own work.

A run's seconds depend on its machine and on what else that computed at the time. Divided by the seconds of the fixed
computation in the same round they do not, as far as the two slow down alike. They are given as seconds of a machine on
which the fixed computation takes ``UNIT`` seconds.
"""

from __future__ import annotations

import math
import statistics
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.reports.statistics.tidy import RUN, key_of
from benchmark.results.records import RoundRecord, RunRecord

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


def calibrations(runs: Iterable[RunRecord]) -> Callable[[RunRecord], Iterator[tuple[float, float]]]:
    """Of a run, for each round: what the fixed computation took beside the training, and beside the query.

    NaN where it was not timed. A run that takes over a training did not compute beside it. The run that trained did,
    and its timing counts; where it is not among ``runs``, the median of those that took the same training over.
    """
    trained: dict[tuple[str, int, float], float] = {}
    taken_over: dict[tuple[str, int, float], list[float]] = defaultdict(list)
    for run in runs:
        for record in run.rounds:
            if record.num_labelled == run.rounds[0].num_labelled and record.calibration_seconds:
                key = _training(run, record)
                if record.shared_training:
                    taken_over[key].append(record.calibration_seconds)
                else:
                    trained[key] = record.calibration_seconds
    shared = {key: statistics.median(values) for key, values in taken_over.items()} | trained

    def of_run(run: RunRecord) -> Iterator[tuple[float, float]]:
        for record in run.rounds:
            own = record.calibration_seconds or math.nan
            yield (shared.get(_training(run, record), math.nan) if record.shared_training else own), own

    return of_run


def _training(run: RunRecord, record: RoundRecord) -> tuple[str, int, float]:
    """What tells a training that runs of a seed share: no two take equally long."""
    return run.key.learner, run.key.seed, record.seconds.train


def calibrated(runs: Collection[RunRecord], last: int) -> pd.DataFrame:
    """Calibrated seconds of training and queries of each run up to ``last`` labels; NaN where a round has no timing.

    Columns: strategy, learner, seed, calibrated.
    """
    of_run, rows = calibrations(runs), []
    for run in runs:
        total = math.fsum(
            record.seconds.train * UNIT / training
            + (record.seconds.query * UNIT / query if record.num_labelled < last else 0)
            for record, (training, query) in zip(run.rounds, of_run(run), strict=True)
            if record.num_labelled <= last
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
