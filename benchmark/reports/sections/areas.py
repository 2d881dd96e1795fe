"""Areas under the budget curve and their differences to random."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.views import View


def figure(report: Report, view: View) -> Figure | None:
    """A row per strategy; None for a single label count, which has no area."""
    return area_figure(view, report.inference, report.source.unranked) if view.several_label_counts else None


SECTION = Section(
    "Areas under the budget curve",
    figure=Part(
        "areas",
        figure,
        wide="page",
        alt=lambda report: f"Area under the budget curve of each strategy, and its difference to {report.reference}",
        caption=lambda report: report.sentence,
    ),
)
