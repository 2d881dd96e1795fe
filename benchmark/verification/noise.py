"""How far two draws of a run may differ: the residuals of an experiment's runs after strategies and seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.summary import t_quantile


class Noise(NamedTuple):
    """The residual standard deviation of runs, and its degrees of freedom."""

    sd: float
    df: int

    def allows(self, old: float, new: float) -> bool:
        """Whether two draws differ by no more than their 95 % prediction interval."""
        return abs(new - old) <= t_quantile(0.975, self.df) * self.sd * math.sqrt(2)


def pooled_noise(values: Mapping[RunKey, float]) -> Noise | None:
    """The noise of runs by least squares on strategies (with learners) and seeds; None where no residual is left.

    Where there is a single strategy, its seeds differ by noise alone.
    """
    rows = sorted({(key.strategy, key.learner) for key in values})
    seeds = sorted({key.seed for key in values}) if len(rows) > 1 else []
    design = np.zeros((len(values), len(rows) + len(seeds)))
    for place, key in enumerate(values):
        design[place, rows.index((key.strategy, key.learner))] = 1
        if seeds:
            design[place, len(rows) + seeds.index(key.seed)] = 1
    y = np.array(list(values.values()))
    solution, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    df = len(y) - int(rank)
    return Noise(math.sqrt(float(np.square(y - design @ solution).sum()) / df), df) if df > 0 else None
