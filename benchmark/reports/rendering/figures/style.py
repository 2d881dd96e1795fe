"""The style of all figures: a fixed colour and marker per strategy, and sizes that fit a two-column paper."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.reports.statistics.seeds import REFERENCE, Key
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.words import names
from benchmark.results.atomic import write_atomically
from benchmark.text import escapes

# The seven colours of seaborn's "colorblind" palette that print well on white, and eight markers: as 7 and 8
# have no common divisor, 56 names all look different. The order decides who shares a colour.
_SEVEN = (0, 1, 2, 4, 3, 9, 5)
_MARKERS = "oDs^vPX<"
_NAMES = (
    *("margin", "badge", "coreset", "learning-loss", "entropy", "bald", "typiclust"),
    *(
        "kmeans",
        "uherding",
        "least-confidence",
        "semi-supervised-learning-loss",
        "power",
        "batchbald",
        "maxherding",
    ),
    *("probcover", "alfa-mix", "mc-entropy", "bait", "clue", "epig", "cluster-margin"),
    *("dropquery", "falcun", "cdal", "core-mse", "variation-ratio", "mean-std", "lcmd"),
    *("tcm", "logdet", "dcom", "tod", "true-loss", "greedy-oracle", "ratio"),
    # Learners, where a figure has one strategy.
    *("fixmatch", "flexmatch", "freematch", "softmatch", "pseudo-label", "self-training", "noisy-student"),
)

BOTH_COLUMNS, ONE_COLUMN = 7.0, 3.4  # inches, of a two-column paper
INK, FAINT, MUTED, GRID = "#222222", "#777777", "#a8a8a8", "#e6e6e6"
HEAT = "#08519c"  # of a heat map's largest value, from nearly white

RC = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same glyphs on every machine
    "font.size": 7,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
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


class Look(NamedTuple):
    """A line's colour and marker."""

    colour: str
    marker: str


def look(strategy: str) -> Look:
    """The colour and marker of a strategy, the same in every figure; parameters change the marker only.

    Random is nearly black. Learners have a look too, where they are what a figure tells apart; supervised is nearly
    black.
    """
    base, _, parameters = strategy.partition("[")
    if base in (REFERENCE, "supervised"):
        return Look(INK, "o")
    position = _NAMES.index(base) if base in _NAMES else zlib.crc32(base.encode()) % 56
    palette = sns.color_palette("colorblind").as_hex()
    marker = position + zlib.crc32(parameters.encode()) if parameters else position
    return Look(palette[_SEVEN[position % 7]], _MARKERS[marker % 8])


def short(label: str, most: int = 30) -> str:
    """The label, with its middle left out where it has more than ``most`` characters."""
    if len(label) <= most:
        return label
    return f"{label[: most - 10]}…{label[-9:]}"


def drawn(name: str, most: int = 30) -> str:
    """A name as text of a figure, on one line, shortened to ``most`` characters."""
    return short(escapes.figure(escapes.one_line(name)), most)


def row_labels(keys: Sequence[Key], unranked: Unranked = RANKED) -> list[str]:
    """The names of strategies (with learners) in a figure; ``unranked`` ones carry a mark."""
    return [drawn(label) + unranked.mark(key) for key, label in zip(keys, names(keys), strict=True)]


def text_width(figure: Figure, labels: Sequence[str]) -> float:
    """The width in inches of the widest of ``labels``, set in the size of tick labels."""
    probe = figure.text(0, 0, "\n".join(labels), fontsize=RC["xtick.labelsize"])
    extent = probe.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    probe.remove()
    return float(extent.width / figure.dpi)


def side_by_side(figure: Figure, n: int, *, left: float, gap: float, right: float, bottom: float) -> list[Axes]:
    """``n`` equally wide axes in a row; margins in inches."""
    row = [figure.add_axes((0, 0, 1, 1), label=str(i)) for i in range(n)]
    place(figure, row, left=left, gap=gap, right=right, bottom=bottom)
    return row


def place(figure: Figure, row: Sequence[Axes], *, left: float, gap: float, right: float, bottom: float) -> None:
    """Place axes side by side, equally wide; margins in inches."""
    total, height = figure.get_size_inches()
    top = 0.26
    width = (total - left - right - gap * (len(row) - 1)) / len(row)
    for i, axes in enumerate(row):
        start = left + i * (width + gap)
        axes.set_position((start / total, bottom / height, width / total, (height - bottom - top) / height))


def remark(figure: Figure, text: str) -> None:
    """Write ``text``, which explains marks and bands, small in the lower right corner, and smaller to fit."""
    width, height = figure.get_size_inches()
    written = figure.text(
        1 - 0.04 / width, 0.03 / height, escapes.figure(text), ha="right", va="bottom", fontsize=6, color=FAINT
    )
    dpi, figure.dpi = figure.dpi, DPI  # the width of small text depends on it
    renderer = FigureCanvasAgg(figure).get_renderer()
    size = 6.0
    while written.get_window_extent(renderer).x0 < 0 and size > 4:
        size -= 0.1
        written.set_fontsize(size)
    figure.dpi = dpi


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
