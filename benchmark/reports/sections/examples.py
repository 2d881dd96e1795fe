"""Test images with the learners' predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.views import View
from benchmark.results.records import ExamplesRecord, RunRecord
from benchmark.results.store import undamaged_examples

CELL, CAPTION, HEADING = 0.55, 0.12, 0.2  # inches: an image, a line of its caption, a learner's heading
COLUMN = 0.84  # inches, with room for the caption
LONG = 6  # with longer class names, the probability takes a line of its own
WRONG = "#b2182b"
NAME = "examples"


def figure(report: Report, _: View) -> Figure | None:
    """``examples_figure`` of all runs, at the label counts that the report shows."""
    return examples_figure(report.runs, set(report.curves["labels"].tolist()))


def examples_figure(runs: Iterable[RunRecord], label_counts: Collection[int]) -> Figure | None:
    """Test images with the predicted class, its probability and, if wrong, the true class; None without examples.

    Two rows per learner, from its first run with examples: evenly spaced images, and the most confident mistakes.
    Examples are of a run's last round, which must be at one of the ``label_counts``.
    """
    blocks = {}
    for run in runs:
        if run.key.learner in blocks or run.label_counts[-1] not in label_counts:
            continue
        if found := undamaged_examples(run.path):
            blocks[run.key.learner] = (run, found)
    if not blocks:
        return None
    names = {str(name) for _, found in blocks.values() for name in found.names}
    lines = 2 if max(map(len, names)) <= LONG else 3
    row = CELL + lines * CAPTION
    with mpl.rc_context(style.RC):
        height = len(blocks) * (HEADING + 2 * row) + 0.15
        width = style.width(both=True)
        columns = int((width - 0.08) / COLUMN)
        figure = Figure(figsize=(width, height))
        for number, (learner, (run, found)) in enumerate(blocks.items()):
            top = height - number * (HEADING + 2 * row)
            shown = f"{style.drawn(run.key.strategy, 20)}, {style.drawn(learner, 8 * columns - 12)}"
            who = f"{shown}, seed {run.key.seed}, {run.label_counts[-1]} labels"
            figure.text(0.04 / width, (top - 0.03) / height, who, va="top")
            for place, mistakes in enumerate((False, True)):
                chosen = np.flatnonzero(found.mistakes == mistakes)[:columns]
                bottom = top - HEADING - (place + 1) * row
                for column, i in enumerate(chosen):
                    left = (0.04 + column * (width - 0.08) / columns) / width
                    box = (left, (bottom + lines * CAPTION) / height, CELL / width, CELL / height)
                    _example(figure.add_axes(box), found, int(i), ", " if lines == 2 else "\n")
        style.remark(figure, "for each learner: evenly spaced test images; below, its most confident mistakes")
    return figure


def _example(axes: Axes, found: ExamplesRecord, i: int, separator: str) -> None:
    image, names = found.images[i], found.names
    predicted, label = int(found.predicted[i]), int(found.labels[i])
    grey = image.shape[2] == 1
    axes.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
    axes.set_axis_off()
    right = predicted == label
    said = f"{style.drawn(str(names[predicted]), 12)}{separator}{100 * found.confidence[i]:.0f} %"
    said += "" if right else f"\nis {style.drawn(str(names[label]), 12)}"
    axes.text(0, -0.04, said, transform=axes.transAxes, va="top", color=style.INK if right else WRONG)


SECTION = Section(
    "Test images with predictions",
    figure=Part(
        NAME,
        figure,
        place="linked",
        alt=lambda _: "Test images with the class that a learner predicts, and its probability",
    ),
)
