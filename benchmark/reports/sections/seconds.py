"""Accuracy over the time spent."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import RUN
from benchmark.reports.statistics.seeds import together
from benchmark.reports.statistics.summary import intervals
from benchmark.reports.statistics.views import View


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


def figure(report: Report, view: View) -> Figure | None:
    """Accuracy over the seconds of training and queries that led to it; None where no seconds are recorded."""
    if not view.several_label_counts:
        return None
    timed = elapsed(view.curves).loc[view.shared.index].dropna(subset=["seconds"])
    if timed.empty:
        return None
    table = together(intervals(timed, "accuracy").assign(seconds=intervals(timed, "seconds")["mean"]))
    panel = Panel("Test accuracy (%)", table, 100, (0, 100), x="seconds", x_title="seconds of training and queries")
    return panel_figure([panel], view, report.source)


SECTION = Section("Accuracy over time", figure=Part("seconds", figure, place="linked", wide="linked"))
