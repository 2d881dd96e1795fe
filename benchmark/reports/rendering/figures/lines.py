"""Line figures over labels, seconds or steps: a few lines in colour, the others in grey, names beside the lines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, ScalarFormatter
from sklearn.isotonic import isotonic_regression

from benchmark.reports.rendering.figures import style
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.unranked import RANKED, Unranked

HIGHLIGHTED = 5  # strategies in colour, besides the reference and those asked for
BANDS = 2  # of these, how many have a band: more bands would hide one another
NAMED = 12  # with up to this many lines, each has its name beside it
LEFT, GAP, TICK = 0.36, 0.42, 0.11  # inches: the margin, between axes, from the edge of a tick's label to its axis
LINE = 8.6  # points from one name to the next
DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1.2, 1.2), (6, 1.5, 1, 1.5))


class Line(NamedTuple):
    """How one line is drawn; ``label`` is empty for a line without a name beside it."""

    colour: str
    marker: str
    dashes: tuple[float, ...]
    strong: bool
    band: bool
    label: str


class Panel(NamedTuple):
    """One pair of axes: ``table`` has the columns strategy, learner, mean, low, high (times ``scale``) and ``x``.

    The y-axis stays within ``bounds``. ``zero`` is for differences to a reference, which is then the line at 0.
    """

    title: str
    table: pd.DataFrame
    scale: float = 1
    bounds: tuple[float, float] = (-float("inf"), float("inf"))
    zero: bool = False
    x: str = "labels"
    x_title: str = "labels"


def line_figure(panels: Sequence[Panel], lines: dict[Key, Line], remark: str, height: float = 2.8) -> Figure:
    """The panels side by side, the lines' names to the right of the last panel, ``remark`` below."""
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.BOTH_COLUMNS if len(panels) > 1 else style.ONE_COLUMN, height))
        names = style.text_width(figure, [line.label for line in lines.values()])
        row = style.side_by_side(figure, len(panels), left=LEFT, gap=GAP, right=names + 0.32, bottom=0.52)
        for axes, panel in zip(row, panels, strict=True):
            _draw(axes, panel, lines)
            axes.set_title(panel.title, loc="left")
        ticks = [label.get_text() for axes in row for label in axes.get_yticklabels()]
        more = max(style.text_width(figure, ticks) + TICK - LEFT, 0)  # room that long tick labels take
        style.place(figure, row, left=LEFT + more, gap=GAP + more, right=names + 0.32, bottom=0.52)
        _name_lines(figure, row[-1], panels[-1], lines)
        style.remark(figure, remark)
    return figure


def remark(n: Sequence[pd.Series[int]], lines: dict[Key, Line], unranked: Unranked = RANKED) -> str:
    """The remark below the panels: marks, grey lines, numbers of seeds (``n`` of each panel) and bands."""
    marks = unranked.remark(lines)
    hidden = sum(not line.label for line in lines.values())
    others = f"{hidden} others in grey; " if hidden else ""
    seeds = [f"{few.max()}" if few.min() == few.max() else f"{few.min()} to {few.max()}" for few in n]
    if set(seeds) == {"1"}:
        return f"{marks}{others}one seed"
    over = "one seed" if seeds[0] == "1" else f"{seeds[0]} seeds"
    over += f" (on the right {seeds[-1]})" if seeds[-1] != seeds[0] else ""
    bands = ", bands: 95 % interval" if any(line.band for line in lines.values()) else ""
    return f"{marks}{others}mean over {over}{bands}"


def style_lines(
    ranking: Sequence[Key], highlight: Collection[str] = (), unranked: Unranked = RANKED
) -> dict[Key, Line]:
    """The best few of ``ranking`` (best first), the reference and ``highlight`` in colour, the rest in grey.

    Dashes tell learners apart, and where there is a single strategy colours do too. With a single learner, dashes tell
    strategies of the same colour apart.
    """
    learners = sorted({learner for _, learner in ranking})
    by_learner = differ_by_learner(ranking)
    best = [key for key in ranking if key[0] != REFERENCE][:HIGHLIGHTED]
    lines: dict[Key, Line] = {}
    for key, label in zip(ranking, style.row_labels(ranking, unranked), strict=True):
        colour, marker = style.look(key[by_learner])
        always = key[0] == REFERENCE or key[0] in highlight
        strong = always or key in best
        twins = sum(line.colour == colour for line in lines.values())
        dashes = DASHES[(learners.index(key[1]) if len(learners) > 1 else twins) % len(DASHES)]
        lines[key] = Line(
            colour if strong else style.MUTED,
            marker if strong else "",
            dashes if strong else (),
            strong,
            always or key in best[:BANDS],
            label if strong or len(ranking) <= NAMED else "",
        )
    return lines


def differ_by_learner(ranking: Collection[Key]) -> bool:
    """Whether colours stand for learners: there is a single strategy with several learners."""
    return len({strategy for strategy, _ in ranking}) == 1 < len({learner for _, learner in ranking})


def _draw(axes: Axes, panel: Panel, lines: dict[Key, Line]) -> None:
    table = panel.table
    curves = groups(table, GROUP)
    if panel.zero:
        axes.axhline(0, color=style.INK, linewidth=1.2, zorder=2)
    for place, (key, line) in enumerate(reversed(lines.items())):  # the best on top
        if key not in curves:
            continue
        x, curve = curves[key][panel.x], panel.scale * curves[key][["mean", "low", "high"]]
        if line.band:
            axes.fill_between(x, curve["low"], curve["high"], color=line.colour, alpha=0.13, linewidth=0, zorder=1)
        axes.plot(
            x,
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
    _limit(axes, panel, table[[lines[key].band for key in zip(table["strategy"], table["learner"], strict=True)]])
    _ticks(axes, panel)
    axes.margins(x=0.03)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel(panel.x_title)
    sns.despine(ax=axes)


def _limit(axes: Axes, panel: Panel, banded: pd.DataFrame) -> None:
    """Show all means, and of the bands as much as leaves the means more than half of the height."""
    low, high = panel.scale * panel.table["mean"].min(), panel.scale * panel.table["mean"].max()
    room = max(high - low, 0.002 * panel.scale)
    bottom = max(min(low, panel.scale * banded["low"].min()), low - 0.4 * room) - 0.06 * room
    top = min(max(high, panel.scale * banded["high"].max()), high + 0.4 * room) + 0.06 * room
    if panel.zero:
        bottom, top = min(bottom, -0.001 * panel.scale), max(top, 0.001 * panel.scale)
    axes.set_ylim(max(bottom, panel.bounds[0]), min(top, panel.bounds[1]))


def _ticks(axes: Axes, panel: Panel) -> None:
    """A linear axis for evenly spaced label counts, else a logarithmic one; few or uneven counts get a tick each."""
    counts = sorted(set(panel.table[panel.x].tolist()))
    steps = [b - a for a, b in pairwise(counts)]
    if panel.x == "labels" and steps and max(steps) > 4 * min(steps):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(counts))
    elif panel.x == "seconds" and counts[0] > 0 and counts[-1] > 10 * counts[0]:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if counts[-1] < 200 * counts[0] else (1,)))
    elif panel.x == "labels" and len(counts) <= 3:
        axes.xaxis.set_major_locator(FixedLocator(counts))
    else:
        most = 4 if panel.x == "step" and counts[-1] >= 10_000 else 6  # long numbers would touch
        axes.xaxis.set_major_locator(MaxNLocator(most, integer=panel.x != "seconds", steps=[1, 2, 2.5, 5, 10]))
    if axes.get_xscale() == "log":
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_locator(style.value_ticks())


def _name_lines(figure: Figure, axes: Axes, panel: Panel, lines: dict[Key, Line]) -> None:
    """Write names to the right of the axes, at the lines' ends, moved apart just enough not to touch."""
    lowest, highest = axes.get_ylim()
    curves = groups(panel.table, GROUP)
    edge = panel.table[panel.x].max()
    ends = []
    for key, line in lines.items():
        if line.label:  # a strategy without a curve is the reference: the line at 0
            x, y = (curves[key][panel.x].iloc[-1], curves[key]["mean"].iloc[-1]) if key in curves else (edge, 0)
            ends.append((min(max(panel.scale * y, lowest), highest), x, line))
    ends.sort(key=lambda end: end[0])
    width, height = 72 * figure.get_size_inches() * axes.get_position().size
    step = min(LINE, height / max(len(ends) - 1, 1))
    wanted = [(y - lowest) / (highest - lowest) * height for y, _, _ in ends]
    lifted = [at - i * step for i, at in enumerate(wanted)]  # at least a step apart is the same as not descending here
    placed = isotonic_regression(lifted, y_min=0, y_max=max(height - (len(ends) - 1) * step, 0))
    for i, (y, x, line) in enumerate(ends):
        axes.annotate(
            line.label,
            (x, y),
            (1 + 10 / width, (placed[i] + i * step) / height),
            textcoords="axes fraction",
            va="center",
            color=line.colour if line.strong else style.FAINT,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "linewidth": 0.5,
                "linestyle": "-" if x == edge else (0, (1, 1.5)),  # across the axes: not to be taken for a curve
                "color": line.colour,
                "shrinkA": 0.5,
                "shrinkB": 2.5,
                "relpos": (0, 0.5),
            },
        )
