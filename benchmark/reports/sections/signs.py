"""The sign map: where on the curve each strategy is above the reference, and where below.

A cell is a mean difference at one label count, paired by seed. Cells are descriptive: verdicts are about the declared
endpoints. The simultaneous bands come from the same inference, with the label counts as its endpoints, so that the
probability that any band of the map misses its difference is at most 5 %.
"""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.rows import ROW
from benchmark.reports.rendering.tables.cells import MARK, points, row_name, sentences, thin_out
from benchmark.reports.rendering.tables.compared import verdict_cells
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.endpoints import halves
from benchmark.reports.statistics.family import resolution
from benchmark.reports.statistics.inference import Contrast, Inference, infer
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import accuracy_tables
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.statistics.views import View
from benchmark.reports.verdicts import confidence

PRINTED_COLUMNS = 8  # label counts in the table
CELL_ROOM = 0.27  # inches that a number of 6.5 pt takes
MAP = "RdBu"  # red below the reference, blue above: told apart by all common kinds of colour vision


def compute(report: Report) -> Inference:
    """``bands`` of all runs."""
    return bands(report.rows, resolution(report.runs), report.inference, report.reference)


def bands(rows: pd.DataFrame, resolved: float, inference: Inference, reference: str = REFERENCE) -> Inference:
    """Differences to the reference with their simultaneous bands; the endpoints are label counts, as texts.

    ``rows`` are of ``seeds.reaching``; label counts that a run lacks are left out. ``resolved`` is what the test set
    resolves. ``inference``, the report's, gives the level.
    """
    of, counts = accuracy_tables(rows)
    found = []
    for key, own in sorted(of.items()):
        other = of.get((reference, key[1]))
        if key[0] == reference or other is None:
            continue
        seeds = sorted(set(own.index.tolist()) & set(other.index.tolist()))
        if seeds:
            differences = own.loc[seeds].to_numpy() - other.loc[seeds].to_numpy()
            found.append(Contrast(key, reference, tuple(seeds), differences))
    endpoints = [str(labels) for labels in counts]
    return infer(found, endpoints, resolved, inference.margin, inference.level, inference.apart)


def _cells(report: Report) -> tuple[list[Key], list[str], np.ndarray, np.ndarray]:
    """Strategies in the order of the ranking, label counts, and the arrays of differences and of whether they stand."""
    found: Inference = report.once(compute)
    mine = groups(found.findings, GROUP)
    order = [key for key in report.ranking if key in mine]
    differences = np.array([mine[key]["difference"] for key in order])
    stand = np.array([(mine[key]["band_low"] > 0) | (mine[key]["band_high"] < 0) for key in order])
    return order, list(found.endpoints), differences, stand


def _applies(report: Report) -> bool:
    found: Inference = report.once(compute)
    return len(found.endpoints) > 1 and len(found.findings) > 0


def table(report: Report, _: View) -> Table | None:
    """A row per strategy with its differences at up to 8 label counts and its verdict; the CSV has all bands.

    None for a single label count.
    """
    if not _applies(report):
        return None
    source, found = report.source, report.once(compute)
    order, counts, differences, stand = _cells(report)
    shown = thin_out(list(range(len(counts))), PRINTED_COLUMNS)
    columns = {"strategy": [Cell(row_name(key, source)) for key in order]}
    for i in shown:
        columns[counts[i]] = [
            Cell(points(value, 1) + MARK * bool(sure)) if math.isfinite(value) else MISSING
            for value, sure in zip(differences[:, i], stand[:, i], strict=True)
        ]
    columns["verdict"] = verdict_cells(report.inference, report.reference, order, source.unranked)
    caption = (
        f"Sign map on {source.datasets[0][0]}: the mean difference to {report.reference} in points at single label "
        "counts, paired by seed. "
    )
    if found.tests:
        caption += (
            f"{MARK} marks those whose {confidence(found)} band, simultaneous over the {found.tests} cells of the map, "
            "excludes 0; cells are descriptive, verdicts are about the declared endpoints. "
        )
    if found.apart:
        caption += "Diagnostics do not count among the cells: theirs are a family of their own. "
    if len(shown) < len(counts):
        caption += (
            f"The table shows {len(shown)} of {len(counts)} label counts; the CSV file has all, with their bands. "
        )
    if (found.findings["n"] < FEWEST_SEEDS).any():
        caption += f"With fewer than {FEWEST_SEEDS} seeds there is no band. "
    data = found.findings.rename(columns={"endpoint": "labels"})
    data = data[[*GROUP, "labels", "n", "difference", "band_low", "band_high", "sd", "df"]]
    return Table.of_columns(columns, data, sentences(caption, report.sentence, source.unranked.note))


def figure(report: Report, _: View) -> Figure | None:
    """A cell per strategy and label count: blue above the reference, red below; numbers in points where there is room.

    Cells whose band excludes 0 are framed. A line stands where the early part ends and the late part begins. None for
    a single label count.
    """
    if not _applies(report):
        return None
    order, counts, differences, stand = _cells(report)
    values, unranked = 100 * differences, report.source.unranked
    labels = style.row_labels(order, unranked)
    with mpl.rc_context(style.RC):
        height = 0.95 + ROW * max(len(order), 2)
        width = style.width(both=True)
        figure = Figure(figsize=(width, height))
        left = style.text_width(figure, labels) + 0.12
        (axes,) = style.new_axes(figure, 1)
        style.place(figure, [axes], left=left, gap=0, right=0.55, bottom=0.5)
        scale = max(float(np.nanquantile(np.abs(values), 0.95)), 0.1)
        colours, norm = mpl.colormaps[MAP], mpl.colors.Normalize(-scale, scale)
        edges = [np.arange(len(counts) + 1), np.arange(len(order) + 1)]
        axes.pcolormesh(*edges, values, cmap=colours, norm=norm, edgecolor="white", linewidth=0.5, alpha=0.85)
        roomy = (width - left - 0.55) / len(counts) >= CELL_ROOM
        for row, column in np.ndindex(*values.shape):
            value = float(values[row, column])
            if stand[row, column]:
                frame = mpl.patches.Rectangle(
                    (column + 0.05, row + 0.07), 0.9, 0.86, fill=False, linewidth=0.9, edgecolor=style.INK
                )
                axes.add_patch(frame)
            if roomy and math.isfinite(value):
                colour = "white" if abs(value) > 0.62 * scale else style.INK
                axes.text(column + 0.5, row + 0.5, _short(value), ha="center", va="center", color=colour)
        early = sum(float(labels) <= halves([float(counts[0]), float(counts[-1])]) for labels in counts)
        axes.axvline(early, color=style.INK, linewidth=1.2, linestyle=":")
        axes.set_ylim(len(order), 0)
        axes.set_yticks(np.arange(len(order)) + 0.5, labels)
        shown = thin_out(list(range(len(counts))), 15 if width == style.BOTH_COLUMNS else 6)
        axes.set_xticks([i + 0.5 for i in shown], [counts[i] for i in shown])
        axes.tick_params(length=0)
        axes.set_xlabel("labels")
        axes.set_title(
            f"Difference to {report.reference} (points)", loc="left" if width == style.BOTH_COLUMNS else "right"
        )
        for spine in axes.spines.values():
            spine.set_visible(False)
        box = axes.get_position()
        bar = figure.add_axes((box.x1 + 0.1 / width, box.y0, 0.09 / width, min(box.height, 1.4 / height)))
        figure.colorbar(mpl.cm.ScalarMappable(norm, colours), cax=bar, extend="both")
        bar.tick_params(length=1.5)
        bar.spines[:].set_visible(False)
        found: Inference = report.once(compute)
        band = f"framed: the {confidence(found)} band, simultaneous over {found.tests} cells, excludes 0; "
        framed = band if found.tests else ""
        style.remark(figure, f"{unranked.remark(order)}{framed}dotted: early | late")
    return figure


def _short(value: float) -> str:
    """With a decimal below ten points."""
    text = f"{value:+.1f}" if abs(value) < 9.95 else f"{value:+.0f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


SECTION = Section(
    "Sign map",
    table=Part("signs", table, place="linked"),
    figure=Part(
        "signs",
        figure,
        alt=lambda report: f"Difference to {report.reference} by strategy and number of labels",
        caption=lambda report: report.sentence,
    ),
)
