"""Replicates: how much of what a strategy acquired with one seed it acquired with the others, too.

Seeds that share a pool and its embeddings may lead a deterministic strategy to nearly the same images. An interval over
such seeds tells of the first labels, and of the noise in training, but not of the choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from benchmark.reports.statistics.seeds import Key
from benchmark.results.records import RunRecord


def shared_by_seeds(runs: Iterable[RunRecord]) -> dict[Key, float]:
    """Of each strategy and learner, the share of a run's acquired images that the run of another seed acquired.

    The mean over ordered pairs of seeds, weighted by the images of the first; initial labels do not count, nor labels
    acquired beyond those of the seed that got least far. Strategies of one seed, and without a query, are left out.
    """
    acquired = defaultdict[Key, list[list[int]]](list)
    for run in runs:
        images = [index for record in run.rounds for index in record.acquired_indices]
        if images:
            acquired[run.key.strategy, run.key.learner].append(images)
    found = {}
    for key, seeds in acquired.items():
        if len(seeds) < 2:
            continue
        fewest = min(map(len, seeds))
        times = np.unique(np.concatenate([seed[:fewest] for seed in seeds]), return_counts=True)[1]
        found[key] = float((times * (times - 1)).sum() / (times.sum() * (len(seeds) - 1)))
    return found
