"""The names of lines in a figure: to the right of the axes, or below them, each with a piece of its line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.isotonic import isotonic_regression

from benchmark.reports.rendering.figures import style
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.statistics.tidy import groups

STEP = 8.6  # points from one name to the next
LEADER, PIECE, SPACE = 9, 15, 3  # points: from the axes to the piece of line, its length, from there to the name
BESIDE = (LEADER + PIECE + 2 * SPACE) / 72 + 0.04  # inches beside the axes that a name takes besides its own width
ROW = 0.135  # inches, of names below the axes


class Drawn(Protocol):
    """How one line is drawn."""

    @property
    def colour(self) -> str: ...
    @property
    def marker(self) -> str: ...
    @property
    def dashes(self) -> tuple[float, ...]: ...
    @property
    def strong(self) -> bool: ...
    @property
    def label(self) -> str: ...


def beside(figure: Figure, axes: Axes, table: pd.DataFrame, x: str, scale: float, lines: Mapping[Key, Drawn]) -> None:
    """Write names to the right of the axes, as near to the lines' ends as they can stand without touching.

    Where a line ends at the edge, a grey hair leads from there to its name, outside of the axes. A strategy without a
    curve is the reference: the line at 0.
    """
    lowest, highest = axes.get_ylim()
    curves = groups(table, GROUP)
    edge = table[x].max()
    ends = []
    for key, line in lines.items():
        if line.label:
            at, y = (curves[key][x].iloc[-1], curves[key]["mean"].iloc[-1]) if key in curves else (edge, 0)
            ends.append((min(max(scale * y, lowest), highest), at == edge, line))
    ends.sort(key=lambda end: end[0])
    width, height = 72 * figure.get_size_inches() * axes.get_position().size
    step = min(STEP, height / max(len(ends) - 1, 1))
    wanted = [(y - lowest) / (highest - lowest) * height for y, _, _ in ends]
    lifted = [at - i * step for i, at in enumerate(wanted)]  # at least a step apart is the same as not descending here
    placed = isotonic_regression(lifted, y_min=0, y_max=max(height - (len(ends) - 1) * step, 0))
    start = 1 + LEADER / width
    for i, (_, at_edge, line) in enumerate(ends):
        y = (placed[i] + i * step) / height
        if at_edge:
            hair = Line2D(
                [1 + 1 / width, start - 1.5 / width], [wanted[i] / height, y], color=style.MUTED, linewidth=0.4
            )
            _outside(figure, axes, hair)
        _outside(figure, axes, _piece(line, [start, start + PIECE / width], y))
        axes.annotate(
            line.label,
            (start + (PIECE + SPACE) / width, y),
            xycoords="axes fraction",
            va="center",
            color=style.INK if line.strong else style.FAINT,
            annotation_clip=False,
        )


def below_height(figure: Figure, lines: Mapping[Key, Drawn]) -> float:
    """The height in inches of the names below."""
    shown = [line for line in lines.values() if line.label]
    return ROW * math.ceil(len(shown) / _columns(figure, lines)) if shown else 0.0


def below(figure: Figure, lines: Mapping[Key, Drawn], top: float) -> None:
    """Write the names in columns, the first row ``top`` inches above the bottom of the figure, column by column."""
    shown = [line for line in lines.values() if line.label]
    if not shown:
        return
    total, height = figure.get_size_inches()
    columns = _columns(figure, lines)
    rows = math.ceil(len(shown) / columns)
    for i, line in enumerate(shown):
        x, y = 0.06 + (i // rows) * (total - 0.1) / columns, top - ROW * (i % rows + 0.5)
        ends = [x / total, (x + PIECE / 72) / total]
        figure.add_artist(_piece(line, ends, y / height))
        beyond = (x + (PIECE + SPACE) / 72) / total
        figure.text(beyond, y / height, line.label, va="center", fontsize=style.SMALLEST)


def _columns(figure: Figure, lines: Mapping[Key, Drawn]) -> int:
    widest = style.text_width(figure, [line.label for line in lines.values()]) + (PIECE + 2 * SPACE) / 72 + 0.06
    return max(1, int((figure.get_size_inches()[0] - 0.1) / widest))


def _piece(line: Drawn, x: list[float], y: float) -> Line2D:
    """A piece of the line, as it is drawn in the axes, with its marker in the middle."""
    return Line2D(
        [x[0], (x[0] + x[1]) / 2, x[1]],
        [y, y, y],
        color=line.colour,
        linewidth=1.2 if line.strong else 0.6,
        linestyle=(0, line.dashes) if line.dashes else "-",
        marker=line.marker or None,
        markevery=[1],
        markersize=3.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
    )


def _outside(figure: Figure, axes: Axes, line: Line2D) -> None:
    """Draw a line given in fractions of the axes, outside of them."""
    line.set_transform(axes.transAxes)
    figure.add_artist(line)
