"""Figures with a row per strategy, the best on top, and the one of areas and their differences to random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.lines import NAMED, style_lines
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.inference import Inference
from benchmark.reports.statistics.seeds import GROUP, Key, reaching
from benchmark.reports.statistics.summary import intervals, keys, paired, run_areas
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import RANKED, Unranked

ROW = 0.165  # inches


def area_figure(view: View, inference: Inference, unranked: Unranked = RANKED) -> Figure:
    """A row per strategy: its area under the budget curve and the difference to random, paired by seed.

    Dots are means, lines 95 % t-intervals, small rings single seeds: on the left the seeds that all strategies share,
    on the right those that each shares with random, where intervals and verdicts are those of ``inference``. A dot on
    the right is filled where the strategy is better or worse. With a single label count the area is the accuracy there,
    and is called so. ``unranked`` strategies carry a mark.
    """
    runs, curves = view.areas, view.curves
    present = set(keys(runs))
    gains = paired(run_areas(reaching(curves, view.last)), "area", ["learner", "seed"], view.reference)
    ranking = [key for key in view.ranking if key in present]
    first, horizon, seeds = curves["labels"].min(), runs["labels"].iloc[0], runs["seed"].nunique()
    title = f"Mean accuracy, {first}–{horizon} labels (%)" if first < horizon else f"Accuracy, {first} labels (%)"
    tables = {"area": (runs, title)}
    if len(gains):
        tables["gain"] = (gains, f"Difference to {view.reference} (points)")
    both = len(tables) > 1
    pairs = sorted({len(own) for own in groups(gains, GROUP).values()} - {seeds})
    said = f"dot and line: mean and 95 % interval over {seeds} seeds; rings: seeds" if seeds > 1 else "one seed"
    if pairs and seeds > 1:
        said = said.replace("seeds;", f"seeds (on the right up to {pairs[-1]}, those shared with {view.reference});")
    said = unranked.remark(ranking) + said
    with mpl.rc_context(style.RC):
        height = 0.75 + ROW * max(len(ranking), 2)
        figure = Figure(figsize=(style.BOTH_COLUMNS if both else style.ONE_COLUMN, height))
        labels = style.row_labels(ranking, unranked)
        left = style.text_width(figure, labels) + 0.12
        panels = style.side_by_side(figure, len(tables), left=left, gap=0.25, right=0.12, bottom=0.4)
        for axes, (value, (table, title)) in zip(panels, tables.items(), strict=True):
            means = intervals(table, value, GROUP) if value == "area" else _findings(inference, view.reference)
            _rows(axes, table, value, ranking, row_colours(ranking), groups(means, GROUP))
            axes.set_title(title, loc="left" if both else "right")
        panels[0].set_yticks(range(len(ranking)), labels)
        style.remark(figure, said + "; filled on the right: better or worse, corrected" * (both and seeds > 1))
    return figure


def row_colours(ranking: Sequence[Key]) -> dict[Key, str]:
    """The colour of each row; among many rows, only those that stand out in the line figures have their own."""
    return {
        key: style.look(key[0]).colour if line.strong or len(ranking) <= NAMED else style.FAINT
        for key, line in style_lines(ranking).items()
    }


def _findings(inference: Inference, reference: str) -> pd.DataFrame:
    """The differences to the reference in area with their intervals; ``open`` where they are neither better nor worse."""
    rows = inference.of(reference).reset_index(drop=True)
    return rows.assign(mean=rows["difference"], open=~rows["verdict"].isin(["better", "worse"]))


def _rows(
    axes: Axes,
    table: pd.DataFrame,
    value: str,
    ranking: Sequence[Key],
    colours: Mapping[Key, str],
    means: Mapping[Key, pd.DataFrame],
) -> None:
    """Draw seeds, means and intervals of ``value`` in %, a row per key of ``ranking`` from the top."""
    seeds = groups(table, GROUP)
    ends = [100 * table[value].min(), 100 * table[value].max()]
    if value == "gain":
        axes.axvline(0, color=style.INK, linewidth=1, zorder=1)
        ends.append(0.0)
    wide = list(ends)
    ring: dict[str, Any] = {
        "markersize": 2.2,
        "markerfacecolor": "none",
        "markeredgecolor": style.MUTED,
        "markeredgewidth": 0.5,
    }
    for row, key in enumerate(ranking):
        if key not in means:
            continue
        colour = colours[key]
        mean, low, high = (100 * float(means[key][column].iloc[0]) for column in ("mean", "low", "high"))
        if len(seeds[key]) > 1:
            axes.plot(100 * seeds[key][value], [row] * len(seeds[key]), "o", zorder=2, **ring)
            axes.plot([low, high], [row, row], color=colour, linewidth=1, zorder=3)
            wide += [x for x in (low, high) if math.isfinite(x)]
        face = "white" if value == "gain" and means[key]["open"].iloc[0] else colour
        axes.plot(
            mean,
            row,
            "o",
            markersize=4,
            markerfacecolor=face,
            markeredgecolor=colour,
            markeredgewidth=0.9,
            zorder=4,
        )
    room = max(max(ends) - min(ends), 0.2)  # show all seeds, and of the intervals what fits
    axes.set_xlim(
        max(min(wide), min(ends) - 0.6 * room) - 0.05 * room,
        min(max(wide), max(ends) + 0.6 * room) + 0.05 * room,
    )
    axes.set_ylim(len(ranking) - 0.4, -0.6)
    axes.set_yticks(range(len(ranking)), [""] * len(ranking))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(style.value_ticks())
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    sns.despine(ax=axes, left=True)
