"""Accuracy over the time spent."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, together
from benchmark.reports.statistics.speed import UNIT, calibrations
from benchmark.reports.statistics.summary import SECONDS, intervals
from benchmark.reports.statistics.tidy import RUN, groups, pieces, places, table_by_run
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord


def elapsed(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` (see ``curves.curves``) with the column seconds: the time until the round's model was trained.

    This is all training up to and including the round, and all queries before it.
    """
    ordered = rows.sort_values([*RUN, "labels"], kind="stable")
    each = ordered.groupby(RUN, sort=False, observed=True)
    train = each["train_seconds"].cumsum()
    names = [ordered[field] for field in RUN]
    query = ordered["query_seconds"].fillna(0).groupby(names, sort=False, observed=True).cumsum()
    before = query - ordered["query_seconds"].fillna(0)
    return ordered.assign(seconds=train + before).loc[rows.index]


def scaled(rows: pd.DataFrame, runs: Collection[RunRecord]) -> tuple[pd.DataFrame, bool]:
    """``rows`` with calibrated seconds (see ``statistics.speed``) and True, where all of them have a calibration."""
    of_run = calibrations(runs)
    timings = table_by_run(
        (
            (run, ((record.num_labelled, *own) for record, own in zip(run.rounds, of_run(run), strict=True)))
            for run in runs
        ),
        ["labels", *SECONDS],
    )
    of_runs, found = groups(timings, GROUP), np.empty((len(rows), len(SECONDS)))
    for key, where in places(rows, GROUP):
        own = rows[["seed", "labels"]].iloc[where]
        found[where] = own.merge(of_runs.get(key, timings.iloc[:0]).drop(columns=GROUP), how="left")[list(SECONDS)]
    factor = UNIT / found
    if not np.isfinite(factor).all():
        return rows, False
    return rows.assign(**{column: rows[column] * factor[:, i] for i, column in enumerate(SECONDS)}), True


def timed(report: Report, view: View) -> tuple[pd.DataFrame, bool]:
    """The table of the figure, empty where no seconds are recorded, and whether they are calibrated."""
    columns = [*RUN, "labels", "accuracy", *SECONDS]
    rows, calibrated = scaled(view.curves[columns], report.runs)
    tables, wanted = [], view.shared.index
    for _, own in pieces(rows, GROUP):
        shared = elapsed(own)
        shared = shared[shared.index.isin(wanted)].dropna(subset=["seconds"])
        tables.append(intervals(shared, "accuracy").assign(seconds=intervals(shared, "seconds")["mean"]))
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True), calibrated


def figure(report: Report, view: View) -> Figure | None:
    """Accuracy over the seconds of training and queries that led to it; None where no seconds are recorded.

    Seconds are calibrated where every round was timed beside the fixed computation.
    """
    if not view.several_label_counts:
        return None
    found, calibrated = report.once(timed, view)
    if found.empty:
        return None
    table = together(found)
    title = f"seconds of training and queries ({'calibrated' if calibrated else 'not calibrated'})"
    panel = Panel("Test accuracy (%)", table, 100, (0, 100), x="seconds", x_title=title)
    return panel_figure([panel], view, report.source)


SECTION = Section(
    "Accuracy over time",
    figure=Part(
        "seconds",
        figure,
        place="linked",
        wide="linked",
        alt=lambda _: "Test accuracy over the seconds of training and queries",
    ),
)
