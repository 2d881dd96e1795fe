"""The comparisons of a report that form its one family: which strategy with which learner is compared with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.reports.statistics.endpoints import declared, endpoint, run_endpoints
from benchmark.reports.statistics.inference import LEVEL, UNKNOWN_TEST_SET, Contrast
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, SUPERVISED, Key
from benchmark.reports.statistics.tidy import RUN, key_of, pieces
from benchmark.results.editions import base_name
from benchmark.results.records import RunRecord

GAIN = "gain with supervised learning"  # what the gain over random with another learner is compared with
REPLAYED = "this training on its labels"  # what a strategy's own training is compared with
SOURCE_ACCURACY = "replay.source_accuracy"  # the diagnostic that a replay's rounds have

Curves = Mapping[Key, pd.DataFrame]  # strategy and learner: a row of endpoints for each seed


def contrasts(rows: pd.DataFrame, baseline: str | None = None, first: str = REFERENCE) -> list[Contrast]:
    """All comparisons of runs in ``rows`` (see ``seeds.reaching``), each over the seeds that its sides share.

    Each strategy with ``first`` and, if one is named, with ``baseline``: by default there is none, since every further
    comparison makes the others harder to show. Where there are several learners, each learner with supervised
    learning, and each gain over random with that of supervised learning (unless ``first`` is another).
    ``first`` against the baseline would be the baseline against ``first`` again, and is left out.
    """
    table = _by_strategy(run_endpoints(rows))
    found = []
    for reference in dict.fromkeys(filter(None, (first, baseline))):
        for key in table:
            if key[0] not in (first, reference):
                found += _contrast(table, key, reference, (key, (reference, key[1])), lambda own, other: own - other)
    for key in table:
        if key[1] != SUPERVISED:
            found += _contrast(table, key, SUPERVISED, (key, (key[0], SUPERVISED)), lambda own, other: own - other)
    for key in table if base_name(first) == REFERENCE else ():
        if key[0] != first and key[1] != SUPERVISED:
            sides = (key, (first, key[1]), (key[0], SUPERVISED), (first, SUPERVISED))
            found += _contrast(table, key, GAIN, sides, lambda a, b, c, d: (a - b) - (c - d))
    return found


def _by_strategy(runs: pd.DataFrame) -> Curves:
    """The endpoints of ``runs``, which has a row per run: ``RUN``, then the endpoints."""
    names = list(runs.columns[len(RUN) :])
    return {key: own.set_index("seed")[names] for key, own in pieces(runs, GROUP)}


def _contrast(
    table: Curves, key: Key, against: str, sides: Sequence[Key], difference: Callable[..., np.ndarray]
) -> list[Contrast]:
    """The contrast of runs of the ``sides``, in a list; an empty one where they share no seed."""
    if not all(side in table for side in sides):
        return []
    seeds = sorted(set.intersection(*(set(table[side].index.tolist()) for side in sides)))
    if not seeds:
        return []
    values = difference(*(table[side].loc[seeds].to_numpy() for side in sides))
    return [Contrast(key, against, tuple(seeds), values)]


def replay_contrasts(runs: Sequence[RunRecord], label_counts: Sequence[int]) -> list[Contrast]:
    """For replays among ``runs``: the accuracy of the run that acquired the labels minus that of the replay."""
    counts = sorted(label_counts)
    names = declared(len(counts))
    runs_there: list[tuple[Any, ...]] = []
    for run in runs:
        differences = {
            record.num_labelled: record.diagnostics[SOURCE_ACCURACY] - record.accuracy
            for record in run.rounds
            if SOURCE_ACCURACY in record.diagnostics
        }
        if set(counts) <= set(differences):
            values = (endpoint(name, counts, [differences[n] for n in counts]) for name in names)
            runs_there.append((*key_of(run), *values))
    table = _by_strategy(pd.DataFrame(runs_there, columns=[*RUN, *names]))
    found = []
    for key in table:
        found += _contrast(table, key, REPLAYED, (key,), lambda own: own)
    return found


def level(*protocols: Mapping[str, Any]) -> float:
    """The level of tests on runs of these ``protocols``: 5 % by the most looks that one of them allows."""
    return LEVEL / max(int(protocol.get("looks", 1)) for protocol in protocols)


def resolution(runs: Sequence[RunRecord]) -> float:
    """One over the number of test images; of the smallest test set where the records disagree."""
    sizes = {sum(size for size, _, _ in record.bins) for run in runs for record in run.rounds} - {0}
    return 1 / min(sizes, default=UNKNOWN_TEST_SET)
