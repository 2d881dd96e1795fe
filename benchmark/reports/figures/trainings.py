"""What happened in the trainings: losses and pseudo-labels over the steps, and test images with predicted classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.reports.figures import style
from benchmark.reports.figures.lines import Key, Panel, line_figure, remark, style_lines
from benchmark.reports.statistics.summary import GROUP, intervals, keys
from benchmark.results.records import ExamplesRecord, RunRecord
from benchmark.results.store import read_examples, read_traces

LOSSES = {"labelled_loss": "Labelled loss (nats)", "unlabelled_loss": "Unlabelled loss (nats)"}
PSEUDO_LABELS = {
    "accepted": "Accepted (%)",
    "precision": "Right of these (%)",
    "right": "Right of all (%)",
}
MARKED = 20  # up to so many points a line has markers
COLUMNS, CELL, CAPTION, HEADING = 12, 0.55, 0.1, 0.2  # images in a row; inches, of a line of the caption
LONG = 6  # letters of a class name beside which there is no room for its probability
WRONG = "#b2182b"


def traced(runs: Iterable[RunRecord]) -> pd.DataFrame:
    """The traces of the runs' last rounds, as far as they are of one label count: the largest.

    Columns: strategy, learner, seed, labels, step, and whatever the learners noted. Empty without traces.
    """
    rows = []
    for run in runs:
        labels = {line.round: line.num_labelled for line in run.rounds}
        for line in read_traces(run.path):
            if line.round in labels:
                where = {"labels": labels[line.round], "round": line.round, "step": line.step}
                rows.append({**asdict(run.key), **where, **line.values})
    frame = pd.DataFrame(rows)
    return frame[frame["labels"] == frame["labels"].max()] if len(frame) else frame


def trace_figure(
    traces: pd.DataFrame,
    titles: dict[str, str],
    ranking: Sequence[Key],
    highlight: Collection[str] = (),
    cheating: Collection[str] = (),
    scale: float = 1,
) -> Figure | None:
    """A panel for each of the columns ``titles``, times ``scale``, over the steps; None where there is none of them.

    Lines are means over seeds, of one label count.
    """
    panels = []
    bounds = (0.0, 100.0 if scale == 100 else float("inf"))
    for column, title in titles.items():
        told = traces.dropna(subset=[column]) if column in traces else traces[:0]
        if len(told):
            table = intervals(told, column, by=[*GROUP, "step"]).sort_values("step", kind="stable")
            panels.append(Panel(title, table, scale, bounds, x="step", x_title="steps"))
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    styles = style_lines(ranking, highlight, cheating)  # of all, so that they look and are called as elsewhere
    lines = {key: line for key, line in styles.items() if key in present}
    if max(panel.table.groupby(GROUP).size().max() for panel in panels) > MARKED:
        lines = {key: line._replace(marker="") for key, line in lines.items()}
    said = f"at {traces['labels'].iloc[0]} labels; "
    return line_figure(panels, lines, said + remark([panel.table["n"] for panel in panels], lines, cheating))


def examples_figure(runs: Iterable[RunRecord]) -> Figure | None:
    """Test images with the predicted class, its probability and, where it is wrong, the true one; None without any.

    Two rows for each learner, of the first run that left examples: evenly spaced images, and the most confident
    mistakes.
    """
    blocks = {}
    for run in runs:
        if run.key.learner not in blocks and (found := read_examples(run.path)):
            blocks[run.key.learner] = (run, found)
    if not blocks:
        return None
    names = {str(name) for _, found in blocks.values() for name in found.names}
    lines = 2 if max(map(len, names)) <= LONG else 3
    row = CELL + lines * CAPTION
    with mpl.rc_context(style.RC):
        height = len(blocks) * (HEADING + 2 * row) + 0.15
        figure = Figure(figsize=(style.BOTH_COLUMNS, height))
        for number, (learner, (run, found)) in enumerate(blocks.items()):
            top = height - number * (HEADING + 2 * row)
            who = f"{run.key.strategy}, {learner}, seed {run.key.seed}, {run.label_counts[-1]} labels"
            figure.text(0.04 / style.BOTH_COLUMNS, (top - 0.03) / height, who, va="top", fontsize=7)
            for place, mistakes in enumerate((False, True)):
                chosen = np.flatnonzero(found.mistakes == mistakes)[:COLUMNS]
                bottom = top - HEADING - (place + 1) * row
                for column, i in enumerate(chosen):
                    left = (0.04 + column * (style.BOTH_COLUMNS - 0.08) / COLUMNS) / style.BOTH_COLUMNS
                    box = (left, (bottom + lines * CAPTION) / height, CELL / style.BOTH_COLUMNS, CELL / height)
                    _example(figure.add_axes(box), found, int(i), ", " if lines == 2 else "\n")
        style.remark(figure, "of each learner: evenly spaced test images; below, its most confident mistakes")
    return figure


def _example(axes: Axes, found: ExamplesRecord, i: int, separator: str) -> None:
    image, names = found.images[i], found.names
    predicted, label = int(found.predicted[i]), int(found.labels[i])
    grey = image.shape[2] == 1
    axes.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
    axes.set_axis_off()
    right = predicted == label
    said = f"{style.short(str(names[predicted]), 12)}{separator}{100 * found.confidence[i]:.0f} %"
    said += "" if right else f"\nis {style.short(str(names[label]), 12)}"
    axes.text(0, -0.04, said, transform=axes.transAxes, va="top", fontsize=5.5, color=style.INK if right else WRONG)
