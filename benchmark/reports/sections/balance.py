"""Class balance: how evenly the acquired labels are distributed over the classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import RUN, key_of, table_of
from benchmark.reports.statistics.seeds import comparable, only, together
from benchmark.reports.statistics.summary import intervals
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord


def evenness(counts: Iterable[int], classes: int) -> float:
    """The entropy of the class shares divided by ln ``classes``: 1 is even, 0 a single class; NaN without labels."""
    present = [count for count in counts if count]
    total = sum(present)
    if not total or classes < 2:
        return math.nan
    return math.log(total) / math.log(classes) - math.fsum(c * math.log(c) for c in present) / total / math.log(classes)


def class_balance(runs: Iterable[RunRecord]) -> pd.DataFrame:
    """One row per run and round with a query: strategy, learner, seed, labels (before it), batch and labelled.

    ``batch`` is the evenness of the batch acquired there, ``labelled`` that of all labels up to and including it. Runs
    whose records have no acquired labels are left out. The classes are those of the test set.
    """
    return table_of((row for run in runs for row in _of_run(run)), [*RUN, "labels", "batch", "labelled"])


def _of_run(run: RunRecord) -> Iterator[tuple[Any, ...]]:
    querying = [record for record in run.rounds if record.acquired_labels]
    classes = max((len(record.class_accuracy) for record in querying), default=0)
    classes = max(classes, 1 + max((label for record in querying for label in record.acquired_labels), default=0))
    so_far = Counter(run.header.initial.acquired_labels)
    for record in querying:
        batch = Counter(record.acquired_labels)
        so_far += batch
        both = (evenness(counts.values(), classes) for counts in (batch, so_far))
        yield (*key_of(run), record.num_labelled, *both)


def balance(report: Report) -> pd.DataFrame:
    """``class_balance`` of all runs."""
    return class_balance(report.runs)


def figure(report: Report, view: View) -> Figure | None:
    """See ``balance_figure``; None for a single label count."""
    return balance_figure(report.once(balance), view, report.source) if view.several_label_counts else None


def balance_figure(balance: pd.DataFrame, view: View, source: Provenance) -> Figure | None:
    """Class balance of each batch and of all labels (see ``class_balance``); None for a single batch.

    Without bands: batches are small, and their wide intervals would hide the lines.
    """
    mine = only(balance, view.ranking)
    shared = comparable(mine, view.unfinished)[0] if len(mine) else mine
    panels = []
    for column, title in (("batch", "Class balance of the batch"), ("labelled", "Class balance of all labels")):
        present = shared.dropna(subset=[column])
        if present["labels"].nunique() > 1:
            table = together(intervals(present, column))
            panels.append(Panel(title, table, 1, (0, 1.005), x_title="labels before the acquisition"))
    return panel_figure(panels, view, source, "balance: entropy of classes / its maximum; ", bands=False)


SECTION = Section("Class balance of acquired labels", figure=Part("balance", figure, place="linked", wide="linked"))
