"""Calibration of the predicted probabilities."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.figures.panels import panel_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, together
from benchmark.reports.statistics.summary import intervals
from benchmark.reports.statistics.views import View


def figure(report: Report, view: View) -> Figure | None:
    """Expected calibration error (15 bins, in %) and negative log-likelihood (nats) over labels, lower is better.

    None where no line has either.
    """
    if not view.several_label_counts:
        return None
    panels = []
    for column, title, scale in (("ece", "Calibration error, ECE (%)", 100.0), ("nll", "NLL (nats)", 1.0)):
        present = view.shared[[*GROUP, "labels", column]].dropna(subset=[column])
        if len(present):
            panels.append(Panel(title, together(intervals(present, column)), scale, (0, float("inf"))))
    return panel_figure(panels, view, report.source)


SECTION = Section(
    "Calibration",
    figure=Part(
        "calibration",
        figure,
        place="linked",
        wide="linked",
        alt=lambda _: "Calibration error and negative log-likelihood over the number of labels",
    ),
)
