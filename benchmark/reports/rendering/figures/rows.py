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
from benchmark.reports.rendering.figures.lines import style_lines
from benchmark.reports.statistics.inference import LEVEL, Inference
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key, reaching
from benchmark.reports.statistics.summary import intervals, keys, paired, run_areas
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.verdicts import confidence

ROW = 0.165  # inches


def area_figure(view: View, inference: Inference, unranked: Unranked = RANKED) -> Figure:
    """A row per strategy: its area under the budget curve and the difference to random, paired by seed.

    Marks are means, lines 95 % intervals (of at least 3 seeds), small rings single seeds: of the area the seeds that
    all strategies share, of the difference those that each shares with the reference, where intervals, their level and
    verdicts are those of ``inference``. There, a mark is filled where the strategy is better or worse. Many strategies
    in one column have the difference alone. With a single label count the area is the accuracy there, and is called so.
    ``unranked`` strategies carry a mark beside their names.
    """
    runs, curves = view.areas, view.curves
    present = set(keys(runs))
    gains = paired(run_areas(reaching(curves, view.end)), "area", ["learner", "seed"], view.reference)
    ranking = [key for key in view.ranking if key in present]
    first, horizon, seeds = curves["labels"].min(), runs["labels"].iloc[0], runs["seed"].nunique()
    title = f"Mean accuracy, {first}–{horizon} labels (%)" if first < horizon else f"Accuracy, {first} labels (%)"
    tables = {"area": (runs, title)}
    if len(gains):
        tables["gain"] = (gains, f"Difference to {view.reference} (points)")
    width = style.width(both=len(tables) > 1)
    if width < style.BOTH_COLUMNS and len(tables) * ROW * len(ranking) > style.HIGHEST:
        del tables["area"]  # of the two, the difference says more
    both = len(tables) > 1
    stacked = both and width < style.BOTH_COLUMNS
    pairs = sorted({len(own) for own in groups(gains, GROUP).values()} - {seeds})
    surer = f" (differences: {confidence(inference)})" if "gain" in tables and inference.level != LEVEL else ""
    mean = f"mark and line: mean and 95 % interval{surer}" if seeds >= FEWEST_SEEDS else "mark: mean"
    said = f"{mean} over {seeds} seeds; rings: seeds" if seeds > 1 else "one seed"
    if pairs and seeds > 1:
        lines = f", line: {confidence(inference)} interval" if seeds < FEWEST_SEEDS <= pairs[-1] else ""
        said = said.replace(
            "seeds;", f"seeds (differences: up to {pairs[-1]}, those shared with {view.reference}{lines});"
        )
    said = unranked.remark(ranking) + said
    with mpl.rc_context(style.RC):
        rows = ROW * max(len(ranking), 2)
        figure = Figure(figsize=(width, 0.75 + rows + stacked * (rows + style.TOP + 0.2)))
        labels = style.row_labels(ranking, unranked)
        left = style.text_width(figure, labels) + 0.12
        panels = style.new_axes(figure, len(tables))
        if stacked:
            style.stack(figure, panels, left=left, gap=0.2, right=0.12, bottom=0.4)
        else:
            style.place(figure, panels, left=left, gap=0.25, right=0.12, bottom=0.4)
        for axes, (value, (table, title)) in zip(panels, tables.items(), strict=True):
            means = intervals(table, value, by=()) if value == "area" else _findings(inference, view.reference)
            looks = row_looks(ranking, view.reference)
            cut = _rows(axes, table, value, ranking, looks, groups(means, GROUP), unranked)
            said += "; arrows: beyond the axis" if cut and "arrows" not in said else ""
            axes.set_title(title, loc="left" if both and not stacked else "right")
        for axes in panels if stacked else panels[:1]:
            axes.set_yticks(range(len(ranking)), labels)
        filled = (
            "; filled difference: better or worse, corrected"
            if "gain" in tables and max([seeds, *pairs]) >= FEWEST_SEEDS
            else ""
        )
        style.remark(figure, said + filled)
    return figure


def row_looks(ranking: Sequence[Key], reference: str = REFERENCE) -> dict[Key, style.Look]:
    """The colour and marker of each row: as in the line figures; grey dots for those that are grey there."""
    return {
        key: style.Look(line.colour, line.marker) if line.strong else style.Look(style.FAINT, "o")
        for key, line in style_lines(ranking, reference=reference).items()
    }


def _findings(inference: Inference, reference: str) -> pd.DataFrame:
    """The differences to the reference in area, with intervals; ``open`` where neither better nor worse."""
    rows = inference.of(reference).reset_index(drop=True)
    return rows.assign(mean=rows["difference"], open=~rows["verdict"].isin(["better", "worse"]))


def _rows(
    axes: Axes,
    table: pd.DataFrame,
    value: str,
    ranking: Sequence[Key],
    looks: Mapping[Key, style.Look],
    means: Mapping[Key, pd.DataFrame],
    unranked: Unranked,
) -> bool:
    """Draw seeds, means and intervals of ``value`` in %, a row per key of ``ranking`` from the top.

    Intervals of fewer than 3 seeds are left out. An interval that would squeeze the seeds ends in an arrow; in place of
    a mean that is not ranked and would do so there is an arrow with the number. Returns whether there is an arrow.
    """
    seeds = groups(table, GROUP)
    ends = _ends(seeds, value, unranked)
    if value == "gain":
        axes.axvline(0, color=style.INK, linewidth=1, zorder=1)
        ends.append(0.0)
    wide, outside = list(ends), []
    ring: dict[str, Any] = {
        "markersize": 2.2,
        "markerfacecolor": "none",
        "markeredgecolor": style.MUTED,
        "markeredgewidth": 0.5,
    }
    lines = []
    for row, key in enumerate(ranking):
        if key not in means:
            continue
        colour, marker, _ = looks[key]
        mean, low, high = (100 * float(means[key][column].iloc[0]) for column in ("mean", "low", "high"))
        known = len(seeds[key]) >= FEWEST_SEEDS and math.isfinite(low)
        if key in unranked and not min(ends) <= mean <= max(ends):
            outside.append((row, mean, colour))
            continue
        if len(seeds[key]) > 1:
            axes.plot(100 * seeds[key][value], [row] * len(seeds[key]), "o", zorder=2, **ring)
        if known:
            lines.append((row, low, high, colour))
            wide += [low, high]
        face = "white" if value == "gain" and means[key]["open"].iloc[0] else colour
        axes.plot(
            mean,
            row,
            marker,
            markersize=4,
            markerfacecolor=face,
            markeredgecolor=colour,
            markeredgewidth=0.9,
            zorder=4,
        )
    room = max(max(ends) - min(ends), 0.2)  # show all seeds, and of the intervals what fits
    lowest, highest = max(min(wide), min(ends) - 0.6 * room), min(max(wide), max(ends) + 0.6 * room)
    for row, low, high, colour in lines:
        axes.plot([max(low, lowest), min(high, highest)], [row, row], color=colour, linewidth=1, zorder=3)
        for beyond, end, arrow in ((low < lowest, lowest, "<"), (high > highest, highest, ">")):
            if beyond:
                axes.plot(end, row, arrow, color=colour, markersize=2.5, zorder=3, clip_on=False)
    for row, mean, colour in outside:
        below = mean < lowest
        axes.plot(lowest if below else highest, row, "<" if below else ">", color=colour, markersize=3.5, zorder=3)
        axes.annotate(
            f"{mean:.1f}".replace("-", "−"),
            (lowest if below else highest, row),
            (5 if below else -5, 0),
            textcoords="offset points",
            ha="left" if below else "right",
            va="center",
            color=style.FAINT,
        )
    axes.set_xlim(lowest - 0.05 * room, highest + 0.05 * room)
    axes.set_ylim(len(ranking) - 0.4, -0.6)
    axes.set_yticks(range(len(ranking)), [""] * len(ranking))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(style.value_ticks())
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    sns.despine(ax=axes, left=True)
    return bool(outside) or any(low < lowest or high > highest for _, low, high, _ in lines)


def _ends(seeds: Mapping[Key, pd.DataFrame], value: str, unranked: Unranked) -> list[float]:
    """The smallest and the largest ``value`` of a seed in %, of what is not ranked unless it would squeeze the rest."""
    ends = {key: (100 * own[value].min(), 100 * own[value].max()) for key, own in seeds.items()}
    ranked = [key for key in ends if key not in unranked] or list(ends)
    return list(style.framed([ends[key] for key in ranked], [own for key, own in ends.items() if key not in ranked]))
