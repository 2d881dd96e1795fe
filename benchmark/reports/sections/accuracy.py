"""Accuracy at each label count: the table and the learning curves."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.rendering.tables.cells import decimals, marked_best, row_name, sentences, thin_out
from benchmark.reports.rendering.tables.table import Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, together
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View

PRINTED_COLUMNS = 10


def table(report: Report, view: View) -> Table:
    """Mean ± sd in %: a row per strategy, in the order of the summary, a column per label count, the best mean bold.

    The CSV has every label count; the printed table at most 10, evenly spaced, with the first and the last.
    """
    source, accuracy = report.source, view.accuracy
    counts = sorted(set(accuracy["labels"].tolist()))
    shown = thin_out(counts, PRINTED_COLUMNS)
    places = decimals(accuracy["sd"])
    columns = {"strategy": [Cell(row_name(key, source)) for key in view.ranking] + [Cell("seeds")]}
    for labels in shown:
        there = accuracy[accuracy["labels"] == labels].set_index(GROUP).reindex(view.ranking)
        seeds = Cell(f"{there['n'].max():.0f}")
        columns[str(labels)] = [*marked_best(there["mean"], there["sd"], places), seeds]
    spread = "mean ± standard deviation over seeds" if accuracy["n"].max() > 1 else "one seed, no spread"
    caption = f"Test accuracy in % by number of labels on {source.datasets[0][0]}: {spread}. "
    if len(view.ranking) > 1:
        caption += "The best mean of each column is bold. "
    if len(shown) < len(counts):
        caption += f"The table shows {len(shown)} of {len(counts)} label counts, evenly spaced; the CSV file has all. "
    data = accuracy[[*GROUP, "labels", "mean", "sd", "n"]]
    return Table.of_columns(
        columns, data, sentences(caption, view.scope, source.unranked.note), rule_before=len(view.ranking)
    )


def figure(report: Report, view: View) -> Figure | None:
    """Accuracy over labels and, beside it, the difference to the reference in points, paired by seed.

    Without the reference for every learner, or with it alone, there is one panel. With a single label count there are
    no curves: the figure has a row per strategy instead.
    """
    if not view.several_label_counts:
        return area_figure(view, report.inference, report.source.unranked)
    panels = [Panel("Test accuracy (%)", together(view.accuracy), 100, (0, 100))]
    gains = view.gains
    if len(gains) and {learner for _, learner in keys(gains)} == set(view.shared["learner"]):
        panels.append(Panel(f"Difference to {view.reference} (points)", gains, 100, zero=True))
    return panel_figure(panels, view, report.source)


def _shown(report: Report) -> str:
    measure = "Test accuracy over the number of labels" if report.views[0].several_label_counts else "Test accuracy"
    return measure + (f", and its difference to {report.reference}" if len(report.views[0].gains) else "")


SECTION = Section(
    "Accuracy",
    table=Part("accuracy", table, wide="page"),
    figure=Part("accuracy", figure, wide="linked", alt=_shown),
)
