"""Quality of pseudo-labels over training steps, for learners that record it."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.traces import trace_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.views import View

TITLES = {
    "accepted": "Accepted (%)",
    "precision": "Correct of accepted (%)",
    "right": "Correct of all (%)",
}


def figure(report: Report, _: View) -> Figure | None:
    """A panel for each of ``TITLES``; None without traces."""
    return trace_figure(report.traces, TITLES, report.ranking, report.source, report.reference, scale=100)


SECTION = Section(
    "Pseudo-labels",
    figure=Part(
        "pseudo-labels",
        figure,
        place="linked",
        alt=lambda _: "How many pseudo-labels are accepted and correct, over the steps of a training",
    ),
)
