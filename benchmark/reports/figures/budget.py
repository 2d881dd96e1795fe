"""The figures over the budget: accuracy, calibration, what was bought, and accuracy over seconds.

Made without pyplot's global state. Means are over the seeds that all strategies of a view share; bands are 95 %
t-intervals of the mean, drawn for random, the best two by area and ``highlight``. These and the next best stand out;
``cheating`` ones have a ‡. Lines end where nobody is left beside them (see ``seeds.together``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.figures.lines import NAMED, Panel, line_figure, remark, style_lines
from benchmark.reports.statistics.efficiency import elapsed
from benchmark.reports.statistics.seeds import REFERENCE, comparable, only, together
from benchmark.reports.statistics.summary import intervals, keys
from benchmark.reports.statistics.views import View

__all__ = ["NAMED", "balance_figure", "budget_figure", "calibration_figure", "seconds_figure", "style_lines"]


def budget_figure(view: View, highlight: Collection[str] = (), cheating: Collection[str] = ()) -> Figure:
    """Accuracy over labels and, beside it, the difference to random in points, paired by seed.

    Without random for every learner, or with random alone, there is one panel.
    """
    panels = [Panel("Test accuracy (%)", together(view.accuracy), 100, (0, 100))]
    gains = view.gains
    if len(gains) and {learner for _, learner in keys(gains)} == set(view.shared["learner"]):
        panels.append(Panel(f"Difference to {REFERENCE} (points)", gains, 100, zero=True))
    figure = _figure(panels, view, highlight, cheating)
    assert figure is not None
    return figure


def calibration_figure(view: View, highlight: Collection[str] = (), cheating: Collection[str] = ()) -> Figure | None:
    """Expected calibration error (15 bins, in %) and negative log-likelihood (nats) over labels, lower is better.

    None where no line has either.
    """
    panels = []
    for column, title, scale in (("ece", "Calibration error, ECE (%)", 100.0), ("nll", "NLL (nats)", 1.0)):
        told = view.shared.dropna(subset=[column])
        if len(told):
            panels.append(Panel(title, together(intervals(told, column)), scale, (0, float("inf"))))
    return _figure(panels, view, highlight, cheating)


def balance_figure(
    balance: pd.DataFrame, view: View, highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> Figure | None:
    """How evenly the classes were bought (see ``bought.class_balance``), by batch and in all; None for a single batch.

    Without bands: batches are small, and intervals as wide as the axes would hide the lines.
    """
    mine = only(balance, view.ranking)
    shared = comparable(mine, view.guests)[0] if len(mine) else mine
    panels = []
    for column, title in (("batch", "Class balance of the batch"), ("labelled", "Class balance of all labels")):
        told = shared.dropna(subset=[column])
        if told["labels"].nunique() > 1:
            table = together(intervals(told, column))
            panels.append(Panel(title, table, 1, (0, 1.005), x_title="labels before the purchase"))
    return _figure(panels, view, highlight, cheating, "balance: entropy of classes / its maximum; ", bands=False)


def seconds_figure(view: View, highlight: Collection[str] = (), cheating: Collection[str] = ()) -> Figure | None:
    """Accuracy over the seconds of training and queries until it was there; None where no line has seconds."""
    timed = elapsed(view.curves).loc[view.shared.index].dropna(subset=["seconds"])
    if timed.empty:
        return None
    table = together(intervals(timed, "accuracy").assign(seconds=intervals(timed, "seconds")["mean"]))
    panel = Panel("Test accuracy (%)", table, 100, (0, 100), x="seconds", x_title="seconds of training and queries")
    return _figure([panel], view, highlight, cheating)


def _figure(
    panels: Sequence[Panel],
    view: View,
    highlight: Collection[str],
    cheating: Collection[str],
    explained: str = "",
    bands: bool = True,
) -> Figure | None:
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    lines = style_lines([key for key in view.ranking if key in present], highlight, cheating)
    if not bands or view.suffix:  # the seeds of a wide view are few, and their bands would hide its many lines
        lines = {key: line._replace(band=False) for key, line in lines.items()}
    return line_figure(panels, lines, explained + remark([panel.table["n"] for panel in panels], lines, cheating))
