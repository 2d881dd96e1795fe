"""The end of training: accuracy of the last step, median of the last checkpoints, quality of pseudo-labels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, marked_best, row_name
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.statistics.summary import keys, mean_and_sd
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord
from benchmark.results.store import undamaged_traces

MEASURES = ("final", "median", "accepted", "precision", "right")


def last_checkpoints(runs: Sequence[RunRecord], ranking: Sequence[Key], labels: int) -> pd.DataFrame:
    """One row per strategy and learner, in the order of ``ranking``; empty unless a learner kept checkpoints.

    Columns: strategy, learner, labels, n (runs with a round at that label count), and over these runs ``_mean`` and
    ``_sd`` of each of ``MEASURES`` (0–1): the last step's accuracy, the median accuracy of the last checkpoints, and
    the last recorded quality of the pseudo-labels (see ``judging.judged``). NaN where a learner has no such measure.
    """
    if not any(record.checkpoint_accuracies for run in runs for record in run.rounds):
        return pd.DataFrame()
    measured = pd.DataFrame([row for run in runs for row in _measured(run, labels)])
    table = []
    for key, group in groups(measured, GROUP).items():
        row: dict[str, Any] = {**dict(zip(GROUP, key, strict=True)), "labels": labels, "n": len(group)}
        for name in MEASURES:
            row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd(group[name].dropna())
        table.append(row)
    frame = pd.DataFrame(table)
    places = [ranking.index(key) for key in keys(frame)]
    return frame.iloc[sorted(range(len(frame)), key=places.__getitem__)].reset_index(drop=True)


def _measured(run: RunRecord, labels: int) -> list[dict[str, Any]]:
    """A row for the run's round with ``labels`` labels; empty if there is none."""
    rows = []
    for record in run.rounds:
        if record.num_labelled == labels:
            recorded: dict[str, float] = {}
            for trace in undamaged_traces(run.path):
                if trace.round == record.round:
                    recorded |= trace.values
            kept = record.checkpoint_accuracies
            median = statistics.median(kept) if kept else math.nan
            quality = {name: recorded.get(name, math.nan) for name in MEASURES[2:]}
            rows.append({**asdict(run.key), "final": record.accuracy, "median": median, **quality})
    return rows


def table(report: Report, _: View) -> Table | None:
    """A row per strategy and learner: see ``last_checkpoints``."""
    last = int(report.views[-1].summary["labels"].iloc[0])
    source, frame = report.source, last_checkpoints(report.runs, report.ranking, last)
    if not len(frame):
        return None
    places = decimals(pd.concat([frame["final_sd"], frame["median_sd"]]))
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(frame)],
        "seeds": [Cell(str(n)) for n in frame["n"]],
        "last step": marked_best(frame["final_mean"], frame["final_sd"], places),
        "median": marked_best(frame["median_mean"], frame["median_sd"], places),
        "accepted": [_share(value) for value in frame["accepted_mean"]],
        "correct": [_share(value) for value in frame["precision_mean"]],
        "correct of all": [_share(value) for value in frame["right_mean"]],
    }
    spread = "mean ± standard deviation over seeds" if frame["n"].max() > 1 else "one seed, no spread"
    caption = (
        f"The end of training on {source.datasets[0][0]} with {frame['labels'].iloc[0]} labels, in % "
        f"({spread}): test accuracy of the network after the last step, which all other tables and figures show, "
        "and the median of its accuracies after each of the last five epochs, for learners that average their "
        "weights. Accepted is the share of the unlabelled images whose last pseudo-label had a non-zero weight; "
        "correct, the share of correct pseudo-labels among these, weighted; correct of all, that among all, "
        "unweighted. No checkpoint is chosen by its test accuracy."
    )
    return Table.of_columns(columns, frame, caption)


def _share(value: float) -> Cell:
    return Cell(f"{100 * value:.1f}") if math.isfinite(value) else MISSING


SECTION = Section("Last checkpoints", table=Part("checkpoints", table))
