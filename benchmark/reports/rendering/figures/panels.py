"""Line figures of a view, the same in every section.

Means are over the seeds that all strategies of the view share. Bands are 95 % t-intervals of the mean, drawn for the
reference, the best two by area and plugins. Nothing here touches pyplot's global state.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.figures.lines import Panel, line_figure, remark, style_lines
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View


def panel_figure(
    panels: Sequence[Panel], view: View, source: Provenance, remark_start: str = "", bands: bool = True
) -> Figure | None:
    """The panels side by side, or None without panels; ``remark_start`` begins the remark below them."""
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    ranking = [key for key in view.ranking if key in present]
    lines = style_lines(ranking, source.plugins, source.unranked, view.reference)
    if not bands or view.suffix:  # few seeds have wide bands, which would hide the many lines
        lines = {key: line._replace(band=False) for key, line in lines.items()}
    said = remark([panel.table["n"] for panel in panels])
    return line_figure(panels, lines, remark_start + said, source.unranked)
