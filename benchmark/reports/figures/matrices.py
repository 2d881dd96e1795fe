"""Figures of who beats whom: the pairwise heat map and the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Collection

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.reports.figures import style
from benchmark.reports.statistics.seeds import Key
from benchmark.reports.statistics.significance import LEVEL, Pairwise, Ranks
from benchmark.reports.words import count

CELL, SMALL_CELL = 0.27, 0.155  # inches
NARROWEST = 2.2  # inches, the axis of ranks: with long names beside it the diagram takes more than one column
PRINTED = 15  # up to so many strategies each cell has its number


def pairwise_figure(pairwise: Pairwise, cheating: Collection[str] = ()) -> Figure:
    """The penalty matrix as a heat map: rows beat columns, best strategies first; column sums below.

    Numbers stand in the cells for up to 15 strategies; columns are numbered like the rows.
    """
    penalties, k = pairwise.penalties, len(pairwise.keys)
    few = k <= PRINTED
    labels = [f"{label}  {i}" for i, label in enumerate(style.row_labels(pairwise.keys, cheating), start=1)]
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.ONE_COLUMN, style.ONE_COLUMN))
        left = style.text_width(figure, labels) + 0.12
        bottom, top, right = 0.18, 0.42, 0.62
        cell = CELL if few else min(SMALL_CELL, (style.BOTH_COLUMNS - left - right) / k)
        said = "entry: share of label counts at which the row beats the column"
        width = max(left + cell * k + right, style.ONE_COLUMN)
        height = bottom + cell * (k + 1.3) + top
        figure.set_size_inches(width, height)
        box = (left / width, (bottom + 1.3 * cell) / height, cell * k / width, cell * k / height)
        axes = figure.add_axes(box)
        colours = sns.light_palette(style.HEAT, as_cmap=True)
        axes.pcolormesh(
            np.arange(k + 1),
            np.arange(k + 1),
            penalties,
            cmap=colours,
            vmin=0,
            vmax=1,
            edgecolor="white",
            linewidth=0.5,
        )
        axes.set_ylim(k, 0)
        axes.set_yticks(np.arange(k) + 0.5, labels)
        axes.set_xticks(np.arange(k) + 0.5, [str(i) for i in range(1, k + 1)])
        axes.tick_params(length=0, pad=2)
        axes.xaxis.tick_top()
        if not few:
            axes.tick_params(axis="x", labelsize=5)
            axes.tick_params(axis="y", labelsize=6)
        for i, j in np.ndindex(k, k) if few else ():
            if i != j and penalties[i, j] > 0:
                colour = "white" if penalties[i, j] > 0.6 else style.INK
                axes.text(
                    j + 0.5, i + 0.5, _share(float(penalties[i, j])), ha="center", va="center", color=colour, fontsize=6
                )
        sums = figure.add_axes((left / width, bottom / height, cell * k / width, cell / height))
        sums.set_axis_off()
        sums.set_xlim(0, k)
        size = 6 if few else 4.5
        for j, total in enumerate(penalties.sum(axis=0)):
            sums.text(j + 0.5, 0.5, f"{total:.1f}" if few else f"{total:.0f}", ha="center", va="center", fontsize=size)
        sums.text(-0.15, 0.5, "column sum", ha="right", va="center", fontsize=6)
        bar = figure.add_axes(((left + cell * k + 0.1) / width, box[1], 0.09 / width, min(cell * k, 1.2) / height))
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), colours)
        figure.colorbar(scale, cax=bar, ticks=[0, 0.5, 1])
        bar.tick_params(labelsize=6, length=1.5)
        bar.spines[:].set_visible(False)
        figure.text(0.04 / width, 1 - 0.05 / height, said, ha="left", va="top", fontsize=6.5)
        cheats = "‡ reads true labels; " if {key[0] for key in pairwise.keys} & set(cheating) else ""
        counts = len(pairwise.labels)
        test = f"paired t-test, p < 0.05, {pairwise.n} seeds, {counts} {count(counts, 'label count')}"
        style.remark(figure, f"{cheats}lower sums are better; {test}")
    return figure


def rank_figure(ranks: Ranks, cheating: Collection[str] = (), what: str = "seeds") -> Figure:
    """The critical-difference diagram of Demšar (JMLR 2006): mean ranks, the best on the left.

    Bars join strategies of which no two differ in Nemenyi's test at 5 %.
    """
    mean = ranks.mean.sort_values(kind="stable")
    keys = list(mean.index)
    labels = style.row_labels(keys, cheating)
    bars = _indistinct(ranks, keys)
    half = (len(keys) + 1) // 2
    row, top = 0.17, 0.52
    with mpl.rc_context(style.RC):
        height = top + 0.09 * len(bars) + 0.1 + row * half + 0.25
        figure = Figure(figsize=(style.ONE_COLUMN, height))
        left, right = (style.text_width(figure, side) + 0.42 for side in (labels[:half], labels[half:]))
        width = max(style.ONE_COLUMN, left + right + NARROWEST)
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
        axes.text(1, 0.17, f"critical difference {ranks.critical_difference:.2f}", ha="left", va="bottom", fontsize=6)
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
            axes.plot(rank, top, "o", color=colour, markersize=3, zorder=5, clip_on=False)
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
        cheats = "‡ reads true labels; " if {key[0] for key in keys} & set(cheating) else ""
        style.remark(figure, f"{cheats}mean ranks over {ranks.blocks} {what}, 1 is best; Friedman p {p}")
    return figure


def _share(value: float) -> str:
    return "1" if value == 1 else f"{value:.2f}"[1:]


def _indistinct(ranks: Ranks, keys: list[Key]) -> list[tuple[int, int]]:
    """The longest stretches of ``keys`` (best first) whose ends do not differ, so that nothing inside does either."""
    found: list[tuple[int, int]] = []
    p_values = ranks.nemenyi.loc[keys, keys].to_numpy()
    for i in range(len(keys)):
        j = int(np.flatnonzero(p_values[i] >= LEVEL)[-1])
        if j > i and (not found or j > found[-1][1]):
            found.append((i, j))
    return found
