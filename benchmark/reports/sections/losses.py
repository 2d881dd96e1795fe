"""Training losses over steps, for learners that record them."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.traces import trace_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.views import View

TITLES = {"labelled_loss": "Labelled loss (nats)", "unlabelled_loss": "Unlabelled loss (nats)"}


def figure(report: Report, _: View) -> Figure | None:
    """A panel for each of ``TITLES``; None without traces."""
    return trace_figure(report.traces, TITLES, report.ranking, report.source, report.reference)


SECTION = Section(
    "Training losses",
    figure=Part("losses", figure, place="linked", alt=lambda _: "Training losses over the steps of a training"),
)
