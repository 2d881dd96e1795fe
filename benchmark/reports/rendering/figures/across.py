"""The figure across data sets: a row per strategy, a panel per measure."""

from __future__ import annotations

import math

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.rows import ROW
from benchmark.reports.statistics.across import MEASURES, Across
from benchmark.reports.statistics.seeds import SUPERVISED

TITLES = {
    "reduction": "Relative error reduction (%)",
    "improvement": "Probability of improvement",
    "rank": "Mean rank",
}
NOTHING = {"reduction": 0.0, "improvement": 0.5}  # what a strategy like the reference has


def across_figure(found: Across, reference: str) -> Figure | None:
    """Marks are means over data sets, lines 95 % intervals over seeds; in one column, the panels stand below one
    another. Strategies that not all data sets have are pale, and without a rank. None without comparisons.

    Panels, and then rows, are left out from the end where they would be more than a page has room for.
    """
    table = found.table[found.table["reduction"].notna() | found.table["rank"].notna()]
    shown = [measure for measure in MEASURES if table[measure].notna().any()]
    if "reduction" not in shown:
        return None
    everywhere, gap = table["datasets"].max(), style.TOP + 0.2
    width = style.width(both=True)
    stacked = width < style.BOTH_COLUMNS
    if stacked:
        shown = shown[: max(int((style.HIGHEST + gap) / (ROW * len(table) + gap)), 1)]
        table = table[table[shown].notna().any(axis=1)]
    strategies = len(table)
    table = table.head(int(style.HIGHEST / ROW))
    names = table["strategy"].tolist()
    labels = style.row_labels([(name, SUPERVISED) for name in names])
    with mpl.rc_context(style.RC):
        rows = ROW * max(len(names), 2)
        figure = Figure(figsize=(width, (rows + gap) * (len(shown) if stacked else 1) + 0.4))
        left = style.text_width(figure, labels) + 0.12
        panels = style.new_axes(figure, len(shown))
        placed = style.stack if stacked else style.place
        placed(figure, panels, left=left, gap=0.2, right=0.12, bottom=0.4)
        for number, (axes, measure) in enumerate(zip(panels, shown, strict=True)):
            scale = 100 if measure == "reduction" else 1
            if measure in NOTHING:
                axes.axvline(NOTHING[measure], color=style.INK, linewidth=1, zorder=1)
            for row, line in enumerate(table.to_dict("records")):
                value, low, high = (scale * line[f"{measure}{end}"] for end in ("", "_low", "_high"))
                if math.isnan(value):
                    continue
                colour, marker, _ = style.look(line["strategy"])
                pale = 1.0 if line["datasets"] == everywhere else 0.4
                if math.isfinite(low):
                    axes.plot([low, high], [row, row], color=colour, linewidth=1, zorder=3, alpha=pale)
                axes.plot(value, row, marker, color=colour, markersize=4, markeredgewidth=0, zorder=4, alpha=pale)
            axes.set_title(TITLES[measure], loc="right" if stacked else "left")
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.set_yticks(range(len(names)), labels if stacked or not number else [""] * len(names))
            axes.tick_params(axis="y", length=0)
            axes.xaxis.set_major_locator(style.value_ticks())
            axes.grid(axis="x")
            axes.set_axisbelow(True)
            if measure == "improvement":
                axes.set_xlim(-0.04, 1.04)
            sns.despine(ax=axes, left=True)
        said = f"against {reference}; mark: mean over data sets; line: 95 % interval over seeds, not over data sets"
        if (table["datasets"] < everywhere).any():
            said += "; pale: not on all data sets"
        if len(table) < strategies:
            said += f"; not shown: {strategies - len(table)} more, which are in the table"
        style.remark(figure, said)
    return figure
