"""A view's lines over labels or seconds, as they look in every figure of a report.

Made without pyplot's global state. Means are over the seeds that all strategies of a view share; bands are 95 %
t-intervals of the mean, drawn for random, the best two by area and the plugins. These and the next best stand out.
Lines end where nobody is left beside them (see ``seeds.together``).
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.figures.lines import Panel, line_figure, remark, style_lines
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View


def panel_figure(
    panels: Sequence[Panel], view: View, source: Provenance, explained: str = "", bands: bool = True
) -> Figure | None:
    """The panels side by side, ``explained`` before the remark below them; None without panels."""
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    ranking = [key for key in view.ranking if key in present]
    lines = style_lines(ranking, source.plugins, source.cheating)
    if not bands or view.suffix:  # the seeds of a wide view are few, and their bands would hide its many lines
        lines = {key: line._replace(band=False) for key, line in lines.items()}
    said = remark([panel.table["n"] for panel in panels], lines, source.cheating)
    return line_figure(panels, lines, explained + said)
