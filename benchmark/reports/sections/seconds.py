"""Accuracy over the time spent."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import RUN, key_of, table_of
from benchmark.reports.statistics.seeds import together
from benchmark.reports.statistics.speed import UNIT
from benchmark.reports.statistics.summary import SECONDS, intervals
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord


def elapsed(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` (see ``curves.curves``) with the column seconds: the time until the round's model was trained.

    This is all training up to and including the round, and all queries before it.
    """
    ordered = rows.sort_values([*RUN, "labels"], kind="stable")
    each = ordered.groupby(RUN, sort=False)
    train = each["train_seconds"].cumsum()
    query = ordered["query_seconds"].fillna(0).groupby([ordered[field] for field in RUN], sort=False).cumsum()
    before = query - ordered["query_seconds"].fillna(0)
    return ordered.assign(seconds=train + before).loc[rows.index]


def scaled(rows: pd.DataFrame, runs: Iterable[RunRecord]) -> tuple[pd.DataFrame, bool]:
    """``rows`` with calibrated seconds (see ``statistics.speed``) and True, where all of them have a calibration."""
    timings = table_of(
        ((*key_of(run), r.num_labelled, r.calibration_seconds or math.nan) for run in runs for r in run.rounds),
        [*RUN, "labels", "calibration"],
    )
    factor = UNIT / rows[[*RUN, "labels"]].merge(timings, how="left")["calibration"].astype("float64").to_numpy()
    if not np.isfinite(factor).all():
        return rows, False
    return rows.assign(**{column: rows[column] * factor for column in SECONDS}), True


def figure(report: Report, view: View) -> Figure | None:
    """Accuracy over the seconds of training and queries that led to it; None where no seconds are recorded.

    Seconds are calibrated where every round was timed beside the fixed computation.
    """
    if not view.several_label_counts:
        return None
    rows, calibrated = scaled(view.curves, report.runs)
    timed = elapsed(rows).loc[view.shared.index].dropna(subset=["seconds"])
    if timed.empty:
        return None
    table = together(intervals(timed, "accuracy").assign(seconds=intervals(timed, "seconds")["mean"]))
    title = f"seconds of training and queries ({'calibrated' if calibrated else 'not calibrated'})"
    panel = Panel("Test accuracy (%)", table, 100, (0, 100), x="seconds", x_title=title)
    return panel_figure([panel], view, report.source)


SECTION = Section("Accuracy over time", figure=Part("seconds", figure, place="linked", wide="linked"))
