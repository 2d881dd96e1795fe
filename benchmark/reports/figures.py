"""The figure over the budget: accuracy, and its difference to random. Made without pyplot's global state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter
from sklearn.isotonic import isotonic_regression

from benchmark.reports import style
from benchmark.reports.curves import groups, name
from benchmark.reports.statistics import GROUP, REFERENCE, comparable, intervals, keys, paired, summarise

HIGHLIGHTED = 5  # strategies in colour, besides the reference and those asked for
BANDS = 2  # of these, the best so many with a band: more bands would hide one another
NAMED = 12  # up to so many lines each have their name beside them
LINE = 8.6  # points from one name to the next
DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1.2, 1.2), (6, 1.5, 1, 1.5))

Key = tuple[str, str]  # strategy, learner


class Line(NamedTuple):
    """How one line is drawn; ``label`` is empty for a line without a name beside it."""

    colour: str
    marker: str
    dashes: tuple[float, ...]
    strong: bool
    band: bool
    label: str


def budget_figure(
    curves: pd.DataFrame, last: int | None = None, highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> Figure:
    """Accuracy over labels and, beside it, the difference to random in points, paired by seed.

    ``curves`` is the tidy table, ``last`` as for ``statistics.areas``. Means are over the seeds that all
    strategies share; bands are 95 % t-intervals, drawn for random, the best two and ``highlight``. These and
    the next best stand out; ``cheating`` ones have a ‡. Without random for every learner, or with random alone,
    there is one panel.
    """
    shared, _ = comparable(curves)
    accuracy = intervals(shared, "accuracy")
    tables = {"Test accuracy (%)": accuracy}
    gains = intervals(paired(shared, "accuracy", ["learner", "seed", "labels"]), "gain")
    if len(gains) and {learner for _, learner in keys(gains)} == set(shared["learner"]):
        tables[f"Difference to {REFERENCE} (points)"] = gains
    present = set(keys(shared))
    lines = style_lines([key for key in keys(summarise(curves, last)) if key in present], highlight, cheating)
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.BOTH_COLUMNS if len(tables) > 1 else style.ONE_COLUMN, 2.8))
        names = style.text_width(figure, [line.label for line in lines.values()])
        panels = style.side_by_side(figure, len(tables), left=0.36, gap=0.42, right=names + 0.32, bottom=0.52)
        for axes, (title, table) in zip(panels, tables.items(), strict=True):
            _draw(axes, table, lines, reference=table is gains)
            axes.set_title(title, loc="left")
        _name_lines(panels[-1], table, lines, 72 * figure.get_figheight())
        cheats = "‡ reads true labels; " if set(shared["strategy"]) & set(cheating) else ""
        style.remark(figure, cheats + _remark(accuracy["n"], lines))
    return figure


def _remark(n: pd.Series[int], lines: dict[Key, Line]) -> str:
    hidden = sum(not line.label for line in lines.values())
    others = f"{hidden} others in grey; " if hidden else ""
    if n.max() == 1:
        return f"{others}one seed"
    seeds = f"{n.max()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
    return f"{others}mean over {seeds} seeds, bands: 95 % interval"


def style_lines(
    ranking: Sequence[Key], highlight: Collection[str] = (), cheating: Collection[str] = ()
) -> dict[Key, Line]:
    """The best few of ``ranking`` (best first), the reference and ``highlight`` in colour, the rest in grey.

    Learners differ by their dashes; with a single learner, so do strategies that share a colour.
    """
    learners = sorted({learner for _, learner in ranking})
    best = [key for key in ranking if key[0] != REFERENCE][:HIGHLIGHTED]
    lines: dict[Key, Line] = {}
    for key in ranking:
        colour, marker = style.look(key[0])
        always = key[0] == REFERENCE or key[0] in highlight
        strong = always or key in best
        twins = sum(line.colour == colour for line in lines.values())
        dashes = DASHES[(learners.index(key[1]) if len(learners) > 1 else twins) % len(DASHES)]
        label = style.short(name(*key, several=len(learners) > 1)) + ("‡" if key[0] in cheating else "")
        lines[key] = Line(
            colour if strong else style.MUTED,
            marker if strong else "",
            dashes if strong else (),
            strong,
            always or key in best[:BANDS],
            label if strong or len(ranking) <= NAMED else "",
        )
    return lines


def _draw(axes: Axes, table: pd.DataFrame, lines: dict[Key, Line], reference: bool) -> None:
    """Lines and bands of ``table`` (columns strategy, learner, labels, mean, low, high), in %."""
    curves = groups(table, GROUP)
    if reference:
        axes.axhline(0, color=style.INK, linewidth=1.2, zorder=2)
    for place, (key, line) in enumerate(reversed(lines.items())):  # the best on top
        if key not in curves:
            continue
        labels, curve = curves[key]["labels"], 100 * curves[key][["mean", "low", "high"]]
        if line.band:
            axes.fill_between(labels, curve["low"], curve["high"], color=line.colour, alpha=0.13, linewidth=0, zorder=1)
        axes.plot(
            labels,
            curve["mean"],
            color=line.colour,
            linewidth=1.2 if line.strong else 0.6,
            linestyle=(0, line.dashes) if line.dashes else "-",
            marker=line.marker or None,
            markersize=3.2,
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=(20 if line.strong else 3) + place / 100,
        )
    _limit(axes, table, table[[lines[key].band for key in zip(table["strategy"], table["learner"], strict=True)]])
    low, high = axes.get_ylim()
    axes.set_ylim((min(low, -0.1), max(high, 0.1)) if reference else (max(low, 0), min(high, 100)))
    _ticks(axes, sorted(set(table["labels"].tolist())))
    axes.margins(x=0.03)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel("labels")
    sns.despine(ax=axes)


def _limit(axes: Axes, table: pd.DataFrame, banded: pd.DataFrame) -> None:
    """All means in view, and of the bands as much as leaves the means more than half of the height."""
    low, high = 100 * table["mean"].min(), 100 * table["mean"].max()
    room = max(high - low, 0.2)
    bottom = max(min(low, 100 * banded["low"].min()), low - 0.4 * room)
    top = min(max(high, 100 * banded["high"].max()), high + 0.4 * room)
    axes.set_ylim(bottom - 0.06 * room, top + 0.06 * room)


def _ticks(axes: Axes, counts: list[int]) -> None:
    """A linear axis for a nearly even ladder, else a logarithmic one with ticks at its label counts."""
    steps = [b - a for a, b in pairwise(counts)]
    if steps and max(steps) > 4 * min(steps):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(counts))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(style.value_ticks())


def _name_lines(axes: Axes, table: pd.DataFrame, lines: dict[Key, Line], height: float) -> None:
    """Names to the right of the lines' ends, moved apart as little as keeps them from touching.

    ``height`` is the figure's, in points.
    """
    lowest, highest = axes.get_ylim()
    curves = groups(table, GROUP)
    edge = table["labels"].max()
    ends = []
    for key, line in lines.items():
        if line.label:  # a strategy without a curve here is the reference: the line at 0
            x, y = (curves[key]["labels"].iloc[-1], curves[key]["mean"].iloc[-1]) if key in curves else (edge, 0)
            ends.append((min(max(100 * y, lowest), highest), x, line))
    ends.sort(key=lambda end: end[0])
    height *= axes.get_position().height
    step = min(LINE, height / max(len(ends) - 1, 1))
    wanted = [(y - lowest) / (highest - lowest) * height for y, _, _ in ends]
    lifted = [at - i * step for i, at in enumerate(wanted)]  # in order and apart by a step: not descending here
    placed = isotonic_regression(lifted, y_min=0, y_max=max(height - (len(ends) - 1) * step, 0))
    for i, (y, x, line) in enumerate(ends):
        axes.annotate(
            line.label,
            (x, y),
            (16, placed[i] + i * step - wanted[i]),
            textcoords="offset points",
            va="center",
            color=line.colour if line.strong else style.FAINT,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "linewidth": 0.5,
                "color": line.colour,
                "shrinkA": 0.5,
                "shrinkB": 2.5,
                "relpos": (0, 0.5),
            },
        )
