"""What was bought: how evenly the answers fall on the classes, from the lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple

import pandas as pd

from benchmark.reports.statistics.curves import RUN
from benchmark.results.records import RunRecord


def evenness(counts: Iterable[int], classes: int) -> float:
    """The entropy of the class shares over its maximum ln ``classes``: 1 is even, 0 a single class; NaN if empty."""
    present = [count for count in counts if count]
    total = sum(present)
    if not total or classes < 2:
        return math.nan
    return math.log(total) / math.log(classes) - math.fsum(c * math.log(c) for c in present) / total / math.log(classes)


def class_balance(runs: Iterable[RunRecord]) -> pd.DataFrame:
    """One row per run and round that buys: strategy, learner, seed, labels (before), batch and labelled.

    ``batch`` is the evenness of the answers bought there, ``labelled`` of all answers with them, those of the
    initial labels among them. Runs whose lines tell no answers are left out. The classes are those of the test set.
    """
    rows = []
    for run in runs:
        initial = run.header.initial.acquired_labels
        told = [line for line in run.rounds if line.acquired_labels]
        classes = max((len(line.class_accuracy) for line in told), default=0)
        classes = max(classes, 1 + max((label for line in told for label in line.acquired_labels), default=0))
        so_far = Counter(map(int, initial))
        for line in told:
            batch = Counter(line.acquired_labels)
            so_far += batch
            key = astuple(run.key)
            rows.append(
                (*key, line.num_labelled, evenness(batch.values(), classes), evenness(so_far.values(), classes))
            )
    return pd.DataFrame(rows, columns=[*RUN, "labels", "batch", "labelled"])
