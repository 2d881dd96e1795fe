"""Line figures over labels, seconds or steps: the strategies of the page in colour, the others in grey.

In the width of both columns of a paper, panels stand side by side and names beside the lines; in that of one column,
panels stand one below the other and names below them.
"""

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

from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.names import BESIDE, below, below_height, beside
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.unranked import RANKED, Unranked

HIGHLIGHTED = 5  # strategies in colour among many, besides the reference and those asked for
BANDS = 2  # of these, how many have a band: more bands would hide one another
BAND_ROOM = 0.5  # how far bands reach beyond the means on a side, in heights of these, which so keep about half
FEW = 3  # up to this many lines keep bands that are cut off: alone, a difference would look certain
NAMED = 12  # up to this many lines are in colour, each with its name
LEFT, GAP, TICK = 0.36, 0.42, 0.11  # inches: the margin, between axes, from the edge of a tick's label to its axis
BELOW, TICKS = 0.52, 0.2  # inches below axes: of ticks, title and one line of remarks; of ticks alone
HEIGHT, STACKED = 2.02, 1.5  # inches, of axes side by side and one below the other


class Line(NamedTuple):
    """How one line is drawn; ``label`` is empty for a line without a name.

    One that does not ``frame`` the axes is cut off where it would squeeze the others.
    """

    colour: str
    marker: str
    dashes: tuple[float, ...]
    strong: bool
    band: bool
    label: str
    frame: bool = True


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


def line_figure(panels: Sequence[Panel], lines: dict[Key, Line], remark: str, unranked: Unranked = RANKED) -> Figure:
    """The panels with the lines' names; ``remark`` and what marks, bands and grey lines are stand below.

    The means set the limits of the axes: of bands, what would squeeze them is cut off. Where there are many lines, such
    a band is left out, of all panels alike.
    """
    banded = [key for key, line in lines.items() if line.band and len(lines) > FEW]
    wide = {key for key in banded if not all(_fits(panel, key, lines) for panel in panels)}
    lines = {key: line._replace(band=line.band and key not in wide) for key, line in lines.items()}
    with mpl.rc_context(style.RC):
        width = style.width(both=len(panels) > 1)
        stacked = width < style.BOTH_COLUMNS
        figure = Figure(figsize=(width, style.TOP + HEIGHT + BELOW))
        row = style.new_axes(figure, len(panels))
        for axes, panel in zip(row, panels, strict=True):
            _draw(axes, panel, lines)
            axes.set_title(panel.title, loc="left")
        ticks = [label.get_text() for axes in row for label in axes.get_yticklabels()]
        more = max(style.text_width(figure, ticks) + TICK - LEFT, 0)  # room that long tick labels take
        if stacked:
            named = below_height(figure, lines)
            same = len({panel.x_title for panel in panels}) == 1
            gap = TICKS if same else TICKS + 0.17
            each = style.TOP + STACKED
            figure.set_size_inches(width, BELOW + named + each * len(panels) + gap * (len(panels) - 1))
            style.stack(figure, row, left=LEFT + more, gap=gap, right=0.1, bottom=BELOW + named)
            if (cut_off := style.beyond(figure, row)) > 0:
                style.stack(figure, row, left=LEFT + more, gap=gap, right=0.12 + cut_off, bottom=BELOW + named)
            for axes in row[:-1] if same else ():
                axes.set_xlabel("")
            below(figure, lines, BELOW - 0.36 + named)
        else:
            names = style.text_width(figure, [line.label for line in lines.values()]) + BESIDE
            style.place(figure, row, left=LEFT + more, gap=GAP + more, right=names, bottom=BELOW)
            beside(figure, row[-1], panels[-1].table, panels[-1].x, panels[-1].scale, lines)
        cut = [key for key in lines if any(_is_cut(axes, panel, key) for axes, panel in zip(row, panels, strict=True))]
        style.remark(figure, remark + _explained(lines, panels, unranked, cut))
    return figure


def remark(n: Sequence[pd.Series[int]]) -> str:
    """How many seeds there are in each panel, ``n``, in words."""
    seeds = [f"{few.max()}" if few.min() == few.max() else f"{few.min()} to {few.max()}" for few in n]
    if set(seeds) == {"1"}:
        return "one seed"
    over = "one seed" if seeds[0] == "1" else f"{seeds[0]} seeds"
    over += f" ({seeds[-1]} for differences)" if seeds[-1] != seeds[0] else ""
    return f"mean over {over}"


def _explained(lines: dict[Key, Line], panels: Sequence[Panel], unranked: Unranked, cut: Sequence[Key]) -> str:
    """Whose bands are drawn, how many lines are grey, which leave the axes, and what marks mean."""
    banded = [line.label or key[0] for key, line in lines.items() if line.band]
    has_ends = any(panel.table["low"].notna().any() for panel in panels)
    said = f"; bands: 95 % interval of {', '.join(banded)}" if banded and has_ends else ""
    if said and any(_cuts_bands(panel, lines) for panel in panels):
        said += ", cut off where it is wide"
    if hidden := sum(not line.label for line in lines.values()):
        said += f"; in grey: {hidden} {'other' if hidden == 1 else 'others'}"
    if cut:
        said += f"; cut off: {', '.join(dict.fromkeys(key[0] + unranked.mark(key) for key in cut))}"
    marks = unranked.remark(key for key, line in lines.items() if line.label or key in cut)
    return f"{said}; {marks}".removesuffix("; ")


def style_lines(
    ranking: Sequence[Key],
    highlight: Collection[str] = (),
    unranked: Unranked = RANKED,
    reference: str = REFERENCE,
) -> dict[Key, Line]:
    """How each of ``ranking`` (best first) is drawn: those of the page in colour, the rest in grey.

    Where the page leaves it open, up to 12 are in colour; of more, the best few ranked, the reference and
    ``highlight``. What is grey and not ranked does not frame the axes. Bands are those of the reference, ``highlight``
    and the best two ranked. Dashes tell learners apart, and where there is a single strategy colours do too. With a
    single learner, dashes tell strategies of the same colour apart.
    """
    learners = sorted({learner for _, learner in ranking})
    by_learner = differ_by_learner(ranking)
    best = [key for key in ranking if key[0] != reference and key not in unranked]
    of_page = style.coloured()
    chosen = coloured(ranking, reference, unranked) if of_page is None else of_page
    lines: dict[Key, Line] = {}
    for key, label in zip(ranking, style.row_labels(ranking, unranked), strict=True):
        look = style.look(key[by_learner])
        always = key[0] == reference or key[0] in highlight
        strong = always or key in chosen
        dashes = style.DASHES[learners.index(key[1]) % len(style.DASHES)] if len(learners) > 1 else look.dashes
        lines[key] = Line(
            look.colour if strong else style.MUTED,
            look.marker if strong else "",
            dashes if strong else (),
            strong,
            always or key in best[:BANDS],
            label if strong else "",
            strong or key not in unranked,
        )
    return lines


def coloured(ranking: Sequence[Key], reference: str = REFERENCE, unranked: Unranked = RANKED) -> frozenset[Key]:
    """Which of ``ranking`` (best first) are in colour: up to 12 all, of more the best few ranked and the reference."""
    if len(ranking) <= NAMED:
        return frozenset(ranking)
    best = [key for key in ranking if key[0] != reference and key not in unranked][:HIGHLIGHTED]
    return frozenset([*best, *(key for key in ranking if key[0] == reference)])


def differ_by_learner(ranking: Collection[Key]) -> bool:
    """Whether colours stand for learners: there is a single strategy with several learners."""
    return len({strategy for strategy, _ in ranking}) == 1 < len({learner for _, learner in ranking})


def _draw(axes: Axes, panel: Panel, lines: dict[Key, Line]) -> None:
    curves = groups(panel.table, GROUP)
    if panel.zero:
        axes.axhline(0, color=style.INK, linewidth=1.2, zorder=2)
    for place, (key, line) in enumerate(reversed(lines.items())):  # the best on top
        if key not in curves:
            continue
        x, curve = curves[key][panel.x], panel.scale * curves[key][["mean", "low", "high"]]
        if line.band:
            ends = curve[["low", "high"]].clip(*panel.bounds)
            axes.fill_between(x, ends["low"], ends["high"], color=line.colour, alpha=0.13, linewidth=0, zorder=1)
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
    _limit(axes, panel, lines)
    _ticks(axes, panel)
    axes.margins(x=0.03)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel(panel.x_title)
    sns.despine(ax=axes)


def _range(panel: Panel, lines: dict[Key, Line]) -> tuple[float, float, float]:
    """The smallest and largest mean that the panel shows, and the room between them: those of all lines that frame it,
    and of the others unless they would squeeze these."""
    means = {key: panel.scale * own["mean"] for key, own in groups(panel.table, GROUP).items()}
    framing = {key for key in means if key in lines and lines[key].frame} or means.keys()
    low, high = style.framed(
        [(means[key].min(), means[key].max()) for key in framing],
        [(own.min(), own.max()) for key, own in means.items() if key not in framing],
    )
    return low, high, max(high - low, 0.002 * panel.scale)


def _band(panel: Panel, key: Key) -> tuple[float, float]:
    """Where the band of ``key`` begins and ends, within the panel's bounds; NaN for none."""
    table = panel.table[(panel.table["strategy"] == key[0]) & (panel.table["learner"] == key[1])]
    ends = (panel.scale * table[["low", "high"]]).clip(*panel.bounds)
    return float(ends["low"].min()), float(ends["high"].max())


def _ends(panel: Panel, lines: dict[Key, Line]) -> tuple[float, float]:
    """The lowest and the highest point of the bands, and of the means that frame the panel."""
    low, high, _ = _range(panel, lines)
    bands = [end for key, line in lines.items() if line.band for end in _band(panel, key) if end == end]
    return min(low, *bands, high), max(high, *bands, low)


def _cuts_bands(panel: Panel, lines: dict[Key, Line]) -> bool:
    """Whether a band is cut off: see ``_limit``."""
    low, high, room = _range(panel, lines)
    lowest, highest = _ends(panel, lines)
    most = (BAND_ROOM + 0.06) * room
    return lowest < low - most or highest > high + most


def _fits(panel: Panel, key: Key, lines: dict[Key, Line]) -> bool:
    """Whether the band leaves the means more than half of the height."""
    low, high, room = _range(panel, lines)
    bottom, top = _band(panel, key)
    return not (max(low - bottom, 0) + max(top - high, 0) > 0.8 * room)


def _is_cut(axes: Axes, panel: Panel, key: Key) -> bool:
    """Whether a mean of the line lies outside the axes."""
    table = panel.table[(panel.table["strategy"] == key[0]) & (panel.table["learner"] == key[1])]
    bottom, top = axes.get_ylim()
    return not (panel.scale * table["mean"]).between(bottom, top).all()


def _limit(axes: Axes, panel: Panel, lines: dict[Key, Line]) -> None:
    """Show the means of all lines that frame the axes, and of bands what does not squeeze them."""
    low, high, room = _range(panel, lines)
    lowest, highest = _ends(panel, lines)
    bottom = max(lowest, low - BAND_ROOM * room) - 0.06 * room
    top = min(highest, high + BAND_ROOM * room) + 0.06 * room
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
