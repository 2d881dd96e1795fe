"""What learners recorded during training: losses, and the quality of pseudo-labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict

import pandas as pd

from benchmark.results.records import RunRecord
from benchmark.results.store import undamaged_traces


def traced(runs: Iterable[RunRecord], label_counts: Collection[int]) -> pd.DataFrame:
    """The traces of all rounds at the largest of the ``label_counts`` that has any.

    Columns: strategy, learner, seed, labels, step, and whatever the learners recorded. Empty without traces.
    """
    rows = []
    for run in runs:
        labels = {record.round: record.num_labelled for record in run.rounds if record.num_labelled in label_counts}
        for trace in undamaged_traces(run.path):
            if trace.round in labels:
                where = {"labels": labels[trace.round], "round": trace.round, "step": trace.step}
                rows.append({**asdict(run.key), **where, **trace.values})
    frame = pd.DataFrame(rows)
    return frame[frame["labels"] == frame["labels"].max()] if len(frame) else frame
