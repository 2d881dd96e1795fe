"""The figures over the budget: accuracy, calibration, what was bought, and accuracy over seconds.

Made without pyplot's global state. Means are over the seeds that all strategies share; bands are 95 % t-intervals of
the mean, drawn for random, the best two by area and ``highlight``. These and the next best stand out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.efficiency import elapsed
from benchmark.reports.lines import NAMED, Key, Panel, line_figure, remark, style_lines
from benchmark.reports.statistics import REFERENCE, comparable, intervals, keys, paired, summarise

__all__ = ["NAMED", "balance_figure", "budget_figure", "calibration_figure", "seconds_figure", "style_lines"]


def budget_figure(
    curves: pd.DataFrame,
    last: int | None = None,
    highlight: Collection[str] = (),
    cheating: Collection[str] = (),
    ranking: Sequence[Key] | None = None,
) -> Figure:
    """Accuracy over labels and, beside it, the difference to random in points, paired by seed.

    ``curves`` is the tidy table, ``last`` as for ``statistics.compared``, ``ranking`` the strategies, best first (by
    default those of ``summarise``); ``cheating`` ones have a ‡. Without random for every learner, or with random
    alone, there is one panel.
    """
    shared, _ = comparable(curves)
    accuracy = intervals(shared, "accuracy")
    panels = [Panel("Test accuracy (%)", accuracy, 100, (0, 100))]
    gains = intervals(paired(shared, "accuracy", ["learner", "seed", "labels"]), "gain")
    if len(gains) and {learner for _, learner in keys(gains)} == set(shared["learner"]):
        panels.append(Panel(f"Difference to {REFERENCE} (points)", gains, 100, zero=True))
    present = set(keys(shared))
    order = keys(summarise(curves, last)) if ranking is None else ranking
    lines = style_lines([key for key in order if key in present], highlight, cheating)
    return line_figure(panels, lines, remark(accuracy["n"], lines, cheating))


def calibration_figure(
    curves: pd.DataFrame, ranking: Sequence[Key], highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> Figure | None:
    """Expected calibration error (15 bins, in %) and negative log-likelihood (nats) over labels, lower is better.

    None where no line has either.
    """
    shared, _ = comparable(curves)
    panels = []
    for column, title, scale in (("ece", "Calibration error, ECE (%)", 100.0), ("nll", "NLL (nats)", 1.0)):
        told = shared.dropna(subset=[column])
        if len(told):
            panels.append(Panel(title, intervals(told, column), scale, (0, float("inf"))))
    return _figure(panels, ranking, highlight, cheating)


def balance_figure(
    balance: pd.DataFrame, ranking: Sequence[Key], highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> Figure | None:
    """How evenly the classes were bought (see ``bought.class_balance``), by batch and in all; None without answers.

    Without bands: batches are small, and intervals as wide as the axes would hide the lines.
    """
    shared = comparable(balance)[0] if len(balance) else balance
    panels = []
    for column, title in (("batch", "Class balance of the batch"), ("labelled", "Class balance of all labels")):
        told = shared.dropna(subset=[column])
        if len(told):
            table = intervals(told, column)
            panels.append(Panel(title, table, 1, (0, 1.005), x_title="labels before the purchase"))
    return _figure(panels, ranking, highlight, cheating, "balance: entropy of classes / its maximum; ", bands=False)


def seconds_figure(
    curves: pd.DataFrame, ranking: Sequence[Key], highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> Figure | None:
    """Accuracy over the seconds of training and queries until it was there; None where no line has seconds."""
    shared, _ = comparable(elapsed(curves))
    timed = shared.dropna(subset=["seconds"])
    if timed.empty:
        return None
    table = intervals(timed, "accuracy").assign(seconds=intervals(timed, "seconds")["mean"])
    panel = Panel("Test accuracy (%)", table, 100, (0, 100), x="seconds", x_title="seconds of training and queries")
    return _figure([panel], ranking, highlight, cheating)


def _figure(
    panels: Sequence[Panel],
    ranking: Sequence[Key],
    highlight: Collection[str],
    cheating: Collection[str],
    explained: str = "",
    bands: bool = True,
) -> Figure | None:
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    lines = style_lines([key for key in ranking if key in present], highlight, cheating)
    if not bands:
        lines = {key: line._replace(band=False) for key, line in lines.items()}
    return line_figure(panels, lines, explained + remark(panels[0].table["n"], lines, cheating))
