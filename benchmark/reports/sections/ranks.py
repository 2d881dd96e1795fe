"""Mean ranks over seeds, with Friedman's and Nemenyi's tests."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures.critical_difference import rank_figure
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.ranks import can_test_ranks, rank_tests_if_allowed, ranks_allowed
from benchmark.reports.statistics.views import View


def notes(report: Report) -> list[str]:
    """A sentence where there is no diagram only because a library is not installed."""
    if ranks_allowed(report.views[0].blocks) and not can_test_ranks():
        return ["No critical-difference diagram: scikit-posthocs is not installed."]
    return []


def figure(report: Report, view: View) -> Figure | None:
    """The critical-difference diagram; None where the ranks cannot be tested."""
    ranks = rank_tests_if_allowed(view.blocks)
    return None if ranks is None else rank_figure(ranks, report.source.unranked)


SECTION = Section(
    "Mean ranks, critical difference", notes=notes, figure=Part("ranks", figure, place="linked", wide="linked")
)
