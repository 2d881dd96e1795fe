"""The critical-difference diagram of Demšar (JMLR 2006)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmark.reports.rendering.figures import style
from benchmark.reports.statistics.inference import LEVEL
from benchmark.reports.statistics.ranks import Ranks
from benchmark.reports.statistics.seeds import Key
from benchmark.reports.unranked import RANKED, Unranked

NARROWEST = 0.2  # inches from one rank to the next: with long names beside the axis, the diagram takes both columns


def rank_figure(ranks: Ranks, unranked: Unranked = RANKED) -> Figure | None:
    """Mean ranks, the best on the left; bars join strategies that do not differ in Nemenyi's test at the 5 % level.

    ``unranked`` strategies carry a mark. None where the page is too narrow.
    """
    mean = ranks.mean.sort_values(kind="stable")
    keys = list(mean.index)
    labels = style.row_labels(keys, unranked)
    bars = _indistinct(ranks, keys)
    half = (len(keys) + 1) // 2
    row, top = 0.17, 0.52
    with mpl.rc_context(style.RC):
        height = top + 0.09 * len(bars) + 0.1 + row * half + 0.25
        figure = Figure(figsize=(style.ONE_COLUMN, height))
        left, right = (style.text_width(figure, side) + 0.42 for side in (labels[:half], labels[half:]))
        width = style.fits(left + right + NARROWEST * (len(keys) - 1))
        if width is None:
            return None
        figure.set_size_inches(width, height)
        axes = figure.add_axes((left / width, 0, 1 - (left + right) / width, 1))
        axes.set_axis_off()
        axes.set_xlim(1, len(keys))
        axes.set_ylim(height, 0)  # inches from the top
        for x in range(1, len(keys) + 1):
            axes.plot([x, x], [top - 0.05, top], color=style.INK, linewidth=0.6)
            axes.text(x, top - 0.07, str(x), ha="center", va="bottom")
        axes.plot([1, len(keys)], [top, top], color=style.INK, linewidth=0.6)
        end = min(1 + ranks.critical_difference, len(keys))
        axes.plot([1, end], [0.22, 0.22], color=style.INK, linewidth=1.2)
        axes.text(1, 0.17, f"critical difference {ranks.critical_difference:.2f}", ha="left", va="bottom")
        for level, (first, final) in enumerate(bars):
            y = top + 0.08 + 0.09 * level
            ends = [mean.iloc[first] - 0.06, mean.iloc[final] + 0.06]
            axes.plot(ends, [y, y], color=style.INK, linewidth=2.2, solid_capstyle="round", zorder=4, clip_on=False)
        base = top + 0.09 * len(bars) + 0.16
        for i, (key, label, rank) in enumerate(zip(keys, labels, mean, strict=True)):
            on_left = i < half
            y = base + row * (i if on_left else len(keys) - 1 - i)
            outside, gap = (1.0, -4) if on_left else (float(len(keys)), 4)
            colour = style.look(key[0]).colour
            axes.plot([rank, rank, outside], [top, y, y], color=colour, linewidth=0.8, clip_on=False)
            axes.plot(rank, top, style.look(key[0]).marker, color=colour, markersize=3, zorder=5, clip_on=False)
            words = f"{label}  {rank:.1f}" if on_left else f"{rank:.1f}  {label}"
            axes.annotate(
                words,
                (outside, y),
                (gap, 0),
                textcoords="offset points",
                ha="right" if on_left else "left",
                va="center",
            )
        p = "< 0.001" if ranks.friedman < 0.001 else f"= {ranks.friedman:.3f}"
        marks = unranked.remark(keys)
        style.remark(figure, f"{marks}mean ranks over {ranks.blocks} data sets, 1 is best; Friedman p {p}")
    return figure


def _indistinct(ranks: Ranks, keys: list[Key]) -> list[tuple[int, int]]:
    """The longest runs of ``keys`` (best first) whose ends do not differ; nothing between them differs either."""
    found: list[tuple[int, int]] = []
    p_values = ranks.nemenyi.loc[keys, keys].to_numpy()
    for i in range(len(keys)):
        j = int(np.flatnonzero(p_values[i] >= LEVEL)[-1])
        if j > i and (not found or j > found[-1][1]):
            found.append((i, j))
    return found
