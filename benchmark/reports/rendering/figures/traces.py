"""Lines over the steps of trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.figures.lines import Panel, line_figure, remark, style_lines
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.statistics.summary import intervals, keys

MARKED = 20  # with up to this many points, a line has markers


def trace_figure(
    traces: pd.DataFrame,
    titles: Mapping[str, str],
    ranking: Sequence[Key],
    source: Provenance,
    reference: str,
    scale: float = 1,
) -> Figure | None:
    """A panel for each column in ``titles``, times ``scale``, over training steps; None if ``traces`` has none of them.

    Lines are means over seeds, that of the ``reference`` always in colour. All traces are of one label count, see
    ``traces.traced``.
    """
    panels = []
    bounds = (0.0, 100.0 if scale == 100 else float("inf"))
    for column, title in titles.items():
        rows = traces.dropna(subset=[column]) if column in traces else traces[:0]
        if len(rows):
            table = intervals(rows, column, by=["step"]).sort_values("step", kind="stable")
            panels.append(Panel(title, table, scale, bounds, x="step", x_title="steps"))
    if not panels:
        return None
    present = set().union(*(keys(panel.table) for panel in panels))
    styles = style_lines(ranking, source.plugins, source.unranked, reference)  # among all, to look as elsewhere
    lines = {key: line for key, line in styles.items() if key in present}
    if max(panel.table.groupby(GROUP, observed=True).size().max() for panel in panels) > MARKED:
        lines = {key: line._replace(marker="") for key, line in lines.items()}
    said = f"at {traces['labels'].iloc[0]} labels; "
    return line_figure(panels, lines, said + remark([panel.table["n"] for panel in panels]), source.unranked)
