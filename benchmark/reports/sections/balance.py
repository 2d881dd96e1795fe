"""Class balance: how evenly the acquired labels are distributed over the classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, comparable, only, together
from benchmark.reports.statistics.summary import intervals
from benchmark.reports.statistics.tidy import table_by_run
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord


def evenness(counts: Iterable[int], classes: int) -> float:
    """The entropy of the class shares divided by ln ``classes``: 1 is even, 0 a single class; NaN without labels."""
    present = [count for count in counts if count]
    total = sum(present)
    if not total or classes < 2:
        return math.nan
    return math.log(total) / math.log(classes) - math.fsum(c * math.log(c) for c in present) / total / math.log(classes)


def class_balance(runs: Iterable[RunRecord], before: float = math.inf) -> pd.DataFrame:
    """One row per run and query ``before`` so many labels: strategy, learner, seed, labels there, batch and labelled.

    ``batch`` is the evenness of the batch acquired there, ``labelled`` that of all labels up to and including it. Runs
    whose records have no acquired labels are left out. The classes are those of the test set.
    """
    return table_by_run(((run, _of_run(run, before)) for run in runs), ["labels", "batch", "labelled"])


def _of_run(run: RunRecord, before: float) -> Iterator[tuple[float, ...]]:
    querying = [record for record in run.rounds if record.acquired_labels and record.num_labelled < before]
    classes = max((len(record.class_accuracy) for record in querying), default=0)
    classes = max(classes, 1 + max((label for record in querying for label in record.acquired_labels), default=0))
    so_far = Counter(run.header.initial.acquired_labels)
    for record in querying:
        batch = Counter(record.acquired_labels)
        so_far += batch
        both = (evenness(counts.values(), classes) for counts in (batch, so_far))
        yield (record.num_labelled, *both)


def balance(report: Report) -> list[list[Panel]]:
    """``balance_panels`` of each view."""
    balance = class_balance(report.runs, report.until)
    return [balance_panels(balance, view) for view in report.views]


def figure(report: Report, view: View) -> Figure | None:
    """See ``balance_figure``; None for a single label count."""
    if not view.several_label_counts:
        return None
    return balance_figure(report.once(balance)[report.views.index(view)], view, report.source)


def balance_panels(balance: pd.DataFrame, view: View) -> list[Panel]:
    """Class balance of each batch and of all labels (see ``class_balance``); none for a single batch."""
    mine = only(balance, view.ranking)
    shared = comparable(mine, view.unfinished)[0] if len(mine) else mine
    panels = []
    for column, title in (("batch", "Class balance of the batch"), ("labelled", "Class balance of all labels")):
        present = shared[[*GROUP, "labels", column]].dropna(subset=[column])
        if present["labels"].nunique() > 1:
            table = together(intervals(present, column))
            panels.append(Panel(title, table, 1, (0, 1.005), x_title="labels before the acquisition"))
    return panels


def balance_figure(panels: list[Panel], view: View, source: Provenance) -> Figure | None:
    """The figure of ``balance_panels``; None where there are none.

    Without bands: batches are small, and their wide intervals would hide the lines.
    """
    return panel_figure(panels, view, source, "balance: entropy of classes / its maximum; ", bands=False)


SECTION = Section(
    "Class balance of acquired labels",
    figure=Part(
        "balance",
        figure,
        place="linked",
        wide="linked",
        alt=lambda _: "How evenly the classes are acquired, by batch and in all",
    ),
)
