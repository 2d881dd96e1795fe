"""The style of all figures: a fixed colour and marker per strategy, and sizes that fit a two-column paper.

Every figure is as wide as one column of a paper or as both, and no text in it is smaller than ``SMALLEST`` points, so
that it is printed as it is. What the figures of a page have in common (their width, if it is asked for, and which
strategies are in colour) is set around their making, by ``page``.
"""

from __future__ import annotations

import io
import re
import textwrap
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.reports.statistics.seeds import REFERENCE, Key
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.words import names
from benchmark.results.atomic import write_atomically
from benchmark.results.editions import base_name
from benchmark.text import escapes

# The seven colours of seaborn's "colorblind" palette that print well on white, and eight markers: as 7 and 8
# have no common divisor, 56 names all look different. The order decides who shares a colour.
_SEVEN = (0, 1, 2, 4, 3, 9, 5)
_MARKERS = "oDs^vPX<"
_NAMES = (
    *("margin", "badge", "coreset", "learning-loss", "entropy", "bald", "typiclust"),
    *("kmeans", "batchbald", "least-confidence", "semi-supervised-learning-loss"),
    *("power:bald", "uherding", "maxherding"),
    *("probcover", "alfa-mix", "mc-entropy", "bait", "clue", "epig", "cluster-margin"),
    *("dropquery", "falcun", "cdal", "coremse", "variation-ratio", "mean-std", "lcmd"),
    *("tcm", "logdet", "dcom", "tod", "true-loss", "greedy-oracle", "power:epig"),
    # Learners, where a figure has one strategy.
    *("fixmatch", "flexmatch", "freematch", "softmatch", "pseudo-label", "self-training", "noisy-student"),
    # Strategies again: the place decides the colour, so that the best of a published figure differ.
    *("laplace-bald", "noise-stability", "weighted-kmeans", "activeft", "qbc", "cal", "boss"),
    *(
        "refine",
        "subset:margin",
        "softmax:margin",
        "softrank:margin",
        "power:margin",
        "power:entropy",
        "subset:entropy",
    ),
)

BOTH_COLUMNS, ONE_COLUMN = 7.0, 3.3  # inches, of a two-column paper
HIGHEST = 7.5  # inches of rows in a figure, so that with its caption it has a place on a page
SMALLEST = 7  # points, of any text
SQUEEZE = 0.5  # how much longer what is not ranked may make an axis
DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1.2, 1.2), (6, 1.5, 1, 1.5))
INK, FAINT, MUTED, GRID = "#222222", "#777777", "#a8a8a8", "#e6e6e6"
HEAT = "#08519c"  # of a heat map's largest value, from nearly white

RC = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same glyphs on every machine
    "font.size": SMALLEST,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "axes.linewidth": 0.6,
    "axes.formatter.useoffset": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold dollar signs
    "text.usetex": False,
}


Columns = Literal[1, 2]


_COLUMNS: ContextVar[Columns | None] = ContextVar("columns", default=None)
_COLOURED: ContextVar[frozenset[Key] | None] = ContextVar("coloured", default=None)


@contextmanager
def page(columns: Columns | None = None, coloured: Collection[Key] | None = None) -> Iterator[None]:
    """What the figures made within have in common.

    ``columns`` of a paper are the width of all, None the width that suits each. ``coloured`` strategies (with learners)
    are in colour, in every figure, and no others; None leaves it to each figure.
    """
    before = _COLUMNS.set(columns), _COLOURED.set(None if coloured is None else frozenset(coloured))
    try:
        yield
    finally:
        _COLUMNS.reset(before[0])
        _COLOURED.reset(before[1])


def coloured() -> frozenset[Key] | None:
    """The strategies in colour on this page; None where each figure decides."""
    return _COLOURED.get()


def width(both: bool) -> float:
    """The width in inches of a figure that suits ``both`` columns of a paper, or one, unless the page has its own."""
    columns = _COLUMNS.get()
    return BOTH_COLUMNS if (both if columns is None else columns == 2) else ONE_COLUMN


def fits(needed: float) -> float | None:
    """The narrower width of a figure that needs so many inches; None if it is more than the page has."""
    columns = _COLUMNS.get()
    if columns is not None:
        return width(True) if needed <= width(True) + 0.005 else None
    return width(both=needed > ONE_COLUMN + 0.005)


class Look(NamedTuple):
    """A line's colour, marker and dashes."""

    colour: str
    marker: str
    dashes: tuple[float, ...] = ()


def look(strategy: str) -> Look:
    """The look of a strategy, the same in every figure; parameters and an edition change the marker only.

    Random is nearly black. Learners have a look too, where they are what a figure tells apart; supervised is nearly
    black.
    """
    name = base_name(strategy)
    base, _, parameters = name.partition("[")
    edition = strategy.removeprefix(name)
    if base in (REFERENCE, "supervised"):
        return Look(INK, _MARKERS[zlib.crc32(edition.encode()) % 8])
    position = _NAMES.index(base) if base in _NAMES else zlib.crc32(base.encode()) % 56
    palette = sns.color_palette("colorblind").as_hex()
    marker = position + zlib.crc32((parameters + edition).encode())
    return Look(palette[_SEVEN[position % 7]], _MARKERS[marker % 8], DASHES[position // 7 % len(DASHES)])


def short(label: str, most: int = 30) -> str:
    """The label in at most ``most`` characters: of its parameters the values alone, then its name without the middle.

    So most variants of a strategy still differ. Where values leave no room for a name, the middle of all is left out.
    """
    if len(label) <= most:
        return label
    name, bracket, parameters = label.partition("[")
    values = bracket + re.sub(r"(^|,)\w+=", r"\1", parameters)
    if most - len(values) < 9:
        name, values = name + values, ""
    room = most - len(values)
    if len(name) <= room:
        return name + values
    end = min(9, room // 2)
    return f"{name[: room - end - 1]}…{name[-end:]}{values}"


def drawn(name: str, most: int = 30) -> str:
    """A name as text of a figure, on one line, shortened to ``most`` characters."""
    return short(escapes.figure(escapes.one_line(name)), most)


def row_labels(keys: Sequence[Key], unranked: Unranked = RANKED) -> list[str]:
    """The names of strategies (with learners) in a figure; ``unranked`` ones carry a mark.

    They are shortened, but no further than they differ.
    """
    full, most = names(keys), 30
    labels = [drawn(name, most) for name in full]
    while len(set(labels)) < len(set(full)) and most < max(map(len, full)):
        most += 10
        alike = {label for label, times in Counter(labels).items() if times > 1}
        labels = [drawn(name, most) if label in alike else label for name, label in zip(full, labels, strict=True)]
    return [label + unranked.mark(key) for key, label in zip(keys, labels, strict=True)]


def text_width(figure: Figure, labels: Sequence[str]) -> float:
    """The width in inches of the widest of ``labels``, set in the size of tick labels."""
    probe = figure.text(0, 0, "\n".join(labels), fontsize=SMALLEST)
    dpi, figure.dpi = figure.dpi, DPI  # the width of small text depends on it
    extent = probe.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    probe.remove()
    figure.dpi = dpi
    return float(extent.width / DPI)


def beyond(figure: Figure, row: Sequence[Axes]) -> float:
    """How many inches of the labels below the axes lie to the right of the figure; 0 or less where all have room."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [box for axes in row if (box := axes.xaxis.get_tightbbox(renderer)) is not None]
    return max((float(box.x1 - figure.bbox.width) for box in boxes), default=0.0) / figure.dpi


TOP = 0.26  # inches above axes, for a title
LINE_HEIGHT = 0.125  # inches, of the smallest text


def new_axes(figure: Figure, n: int) -> list[Axes]:
    """``n`` axes, to be placed."""
    return [figure.add_axes((0, 0, 1, 1), label=str(i)) for i in range(n)]


def place(figure: Figure, row: Sequence[Axes], *, left: float, gap: float, right: float, bottom: float) -> None:
    """Place axes side by side, equally wide; margins in inches."""
    total, height = figure.get_size_inches()
    each = (total - left - right - gap * (len(row) - 1)) / len(row)
    for i, axes in enumerate(row):
        start = left + i * (each + gap)
        axes.set_position((start / total, bottom / height, each / total, (height - bottom - TOP) / height))


def stack(figure: Figure, column: Sequence[Axes], *, left: float, gap: float, right: float, bottom: float) -> None:
    """Place axes one below the other, equally high, with ``gap`` below all but the last; margins in inches."""
    total, height = figure.get_size_inches()
    each = (height - bottom - gap * (len(column) - 1)) / len(column) - TOP
    for i, axes in enumerate(column):
        start = bottom + (len(column) - 1 - i) * (each + TOP + gap)
        axes.set_position((left / total, start / height, (total - left - right) / total, each / height))


def heighten(figure: Figure, more: float) -> None:
    """Add so many inches below everything in the figure."""
    total, height = figure.get_size_inches()
    figure.set_size_inches(total, height + more)
    for axes in figure.axes:
        box = axes.get_position()
        bottom, high = box.y0 * height + more, box.height * height
        axes.set_position((box.x0, bottom / (height + more), box.width, high / (height + more)))
    for text in figure.texts:
        text.set_y((text.get_position()[1] * height + more) / (height + more))
    for line in figure.artists:
        if isinstance(line, Line2D) and line.get_transform() is figure.transSubfigure:  # others move with their axes
            line.set_ydata([(float(y) * height + more) / (height + more) for y in np.asarray(line.get_ydata())])


def remark(figure: Figure, text: str) -> None:
    """Write ``text``, which explains marks and bands, below everything else, in as many lines as it takes.

    The figure grows by all lines but the first, for which there is room. ``remark_of`` gives the text again.
    """
    words = escapes.figure(text)
    longest = int(figure.get_size_inches()[0] / 0.04)  # characters: more than fit
    while (
        longest > 10 and text_width(figure, lines := textwrap.wrap(words, longest)) > figure.get_size_inches()[0] - 0.08
    ):
        longest -= 1
    heighten(figure, LINE_HEIGHT * max(len(lines) - 1, 0))
    total, height = figure.get_size_inches()
    at = 0.04 / total, 0.03 / height
    drawn = figure.text(*at, "\n".join(lines), ha="left", va="bottom", fontsize=SMALLEST, color=FAINT, linespacing=1.15)
    drawn.set_gid(_REMARK)
    drawn.set_label(text)


def remark_of(figure: Figure) -> str:
    """The text of the figure's ``remark``; empty where it has none."""
    return next((str(text.get_label()) for text in figure.texts if text.get_gid() == _REMARK), "")


_REMARK = "remark"


def value_ticks() -> MaxNLocator:
    """Ticks at round values, for an axis of accuracies or differences."""
    return MaxNLocator(7, steps=[1, 2, 5, 10], min_n_ticks=3)


SUFFIXES = (".png", ".pdf")
DPI = 200  # of a PNG


def save(figure: Figure, stem: Path) -> None:
    """Write ``stem``.png (200 dpi) and ``stem``.pdf, without dates: the same figure gives the same bytes."""
    nothing = {"CreationDate": None, "Creator": None, "Producer": None}
    with mpl.rc_context(RC):
        pdf = io.BytesIO()
        image = png(figure)
        FigureCanvasPdf(figure).print_pdf(pdf, metadata=nothing)
    write_atomically(stem.with_name(f"{stem.name}.png"), image)
    write_atomically(stem.with_name(f"{stem.name}.pdf"), pdf.getvalue())


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, 200 dpi."""
    buffer = io.BytesIO()
    with mpl.rc_context(RC):
        figure.set_dpi(DPI)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # Figure.savefig would draw all twice
    return buffer.getvalue()


def framed(ends: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The range that shows all ``ends``, and each of the ``others`` that makes it at most half as long again."""
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    most = SQUEEZE * (high - low)
    fit = [(a, b) for a, b in others if max(low - a, 0) + max(b - high, 0) <= most]
    return min(low, *(a for a, _ in fit), high), max(high, *(b for _, b in fit), low)
