"""The comparisons of a report that form its one family: which strategy with which learner is compared with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.reports.statistics.curves import RUN, key_of
from benchmark.reports.statistics.endpoints import declared, endpoint, run_endpoints
from benchmark.reports.statistics.inference import UNKNOWN_TEST_SET, Contrast
from benchmark.reports.statistics.seeds import REFERENCE, SUPERVISED, Key
from benchmark.results.records import RunRecord

GAIN = "gain with supervised learning"  # what the gain over random with another learner is compared with
REPLAYED = "this training on its labels"  # what a strategy's own training is compared with
SOURCE_ACCURACY = "replay.source_accuracy"  # the diagnostic that a replay's rounds have

Curves = Mapping[Key, Mapping[int, np.ndarray]]  # strategy and learner: seed: (E,) endpoints


def contrasts(rows: pd.DataFrame, baseline: str | None = None, first: str = REFERENCE) -> list[Contrast]:
    """All comparisons of runs in ``rows`` (see ``seeds.reaching``), each over the seeds that its sides share.

    Each strategy with ``first`` and, if one is named, with ``baseline``: by default there is none, since every further
    comparison makes the others harder to show. Where there are several learners, each learner with supervised
    learning, and each gain over random with that of supervised learning (unless ``first`` is another).
    ``first`` against the baseline would be the baseline against ``first`` again, and is left out.
    """
    runs = run_endpoints(rows)
    table: dict[Key, dict[int, np.ndarray]] = {}
    for (strategy, learner, seed), values in zip(
        runs[RUN].itertuples(index=False), runs[list(runs.columns[len(RUN) :])].to_numpy(), strict=True
    ):
        table.setdefault((strategy, learner), {})[seed] = values
    found = []
    for reference in dict.fromkeys(filter(None, (first, baseline))):
        for key in table:
            if key[0] not in (first, reference):
                found += _contrast(table, key, reference, (key, (reference, key[1])), lambda own, other: own - other)
    for key in table:
        if key[1] != SUPERVISED:
            found += _contrast(table, key, SUPERVISED, (key, (key[0], SUPERVISED)), lambda own, other: own - other)
    for key in table if first == REFERENCE else ():
        if key[0] != REFERENCE and key[1] != SUPERVISED:
            sides = (key, (REFERENCE, key[1]), (key[0], SUPERVISED), (REFERENCE, SUPERVISED))
            found += _contrast(table, key, GAIN, sides, lambda a, b, c, d: (a - b) - (c - d))
    return found


def _contrast(
    table: Curves, key: Key, against: str, sides: Sequence[Key], difference: Callable[..., np.ndarray]
) -> list[Contrast]:
    """The contrast of runs of the ``sides``, in a list; an empty one where they share no seed."""
    if not all(side in table for side in sides):
        return []
    seeds = sorted(set.intersection(*(set(table[side]) for side in sides)))
    if not seeds:
        return []
    values = np.array([difference(*(table[side][seed] for side in sides)) for seed in seeds])
    return [Contrast(key, against, tuple(seeds), values)]


def replay_contrasts(runs: Sequence[RunRecord], label_counts: Sequence[int]) -> list[Contrast]:
    """For replays among ``runs``: the accuracy of the run that acquired the labels minus that of the replay."""
    counts = sorted(label_counts)
    table: dict[Key, dict[int, np.ndarray]] = {}
    for run in runs:
        differences = {
            record.num_labelled: record.diagnostics[SOURCE_ACCURACY] - record.accuracy
            for record in run.rounds
            if SOURCE_ACCURACY in record.diagnostics
        }
        if set(counts) <= set(differences):
            strategy, learner, seed = key_of(run)
            values = [endpoint(name, counts, [differences[n] for n in counts]) for name in declared(len(counts))]
            table.setdefault((strategy, learner), {})[seed] = np.array(values)
    found = []
    for key in table:
        found += _contrast(table, key, REPLAYED, (key,), lambda own: own)
    return found


def resolution(runs: Sequence[RunRecord]) -> float:
    """One over the number of test images; of the smallest test set where the records disagree."""
    sizes = {sum(size for size, _, _ in record.bins) for run in runs for record in run.rounds} - {0}
    return 1 / min(sizes, default=UNKNOWN_TEST_SET)
