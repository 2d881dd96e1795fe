"""Replicates: how much of what a strategy acquired with one seed it acquired with the others, too.

Seeds that share a pool and its embeddings may lead a deterministic strategy to nearly the same images. An interval over
such seeds tells of the first labels, and of the noise in training, but not of the choice.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from benchmark.reports.statistics.seeds import Key
from benchmark.results.records import RunRecord


def shared_by_seeds(runs: Iterable[RunRecord], before: float = math.inf) -> dict[Key, float]:
    """Of each strategy and learner, the share of a run's acquired images that the run of another seed acquired.

    The mean over pairs of seeds, of queries ``before`` so many labels and as far as all seeds got; initial labels do
    not count. What has one seed alone, or no query, is left out.
    """
    acquired = defaultdict[Key, list[np.ndarray]](list)
    for run in runs:
        batches = [record.acquired_indices for record in run.rounds if record.num_labelled < before]
        if any(batches):
            images = np.fromiter((index for batch in batches for index in batch), dtype=np.int64)
            acquired[run.key.strategy, run.key.learner].append(images)
    found = {}
    for key, seeds in acquired.items():
        if len(seeds) < 2:
            continue
        fewest = min(map(len, seeds))
        times = np.unique(np.concatenate([seed[:fewest] for seed in seeds]), return_counts=True)[1]
        found[key] = float((times * (times - 1)).sum() / (times.sum() * (len(seeds) - 1)))
    return found
