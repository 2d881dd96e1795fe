"""Pairwise comparison: which strategy is better than which, after the penalty matrix of Ash et al.

"Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR 2020, arXiv:1906.03671. There i beats j
at a label count by an uncorrected t-test, and a win adds 1/(number of label counts) to the entry (i, j). Here a win is
a verdict at one of the declared endpoints: that of the experiment's inference for pairs that it compares (with the
reference or with the baseline by the same learner, and of a learner with supervised learning by the same strategy), and
for all other pairs that of the same inference over a family of their own. The sum of column j is the penalty of j.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.tables.cells import row_name, seeds_are, seeds_in_words, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.endpoints import run_endpoints
from benchmark.reports.statistics.family import resolution
from benchmark.reports.statistics.inference import Contrast, Inference, Verdict, infer
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, SUPERVISED, Key
from benchmark.reports.statistics.tidy import RUN, groups
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.words import count, name

CELL, NARROW_CELL, SMALL_CELL = 0.27, 0.2, 0.142  # inches: of numbers at most and at least; without numbers
SUMS = "column sum"
_OF_CELL = 0.85  # the largest part of a column's width that its number takes; a wider one is turned
PRINTED = 15  # with up to this many strategies, numbers stand in the cells


class Pairwise(NamedTuple):
    """``wins[i, j]``: at how many of the ``endpoints`` ``keys[i]`` is better than ``keys[j]``, over ``n`` seeds.

    ``tests`` are those of the pairs that the experiment's inference does not compare.
    """

    keys: list[Key]
    wins: np.ndarray
    endpoints: int
    n: int
    tests: int

    @property
    def penalties(self) -> np.ndarray:
        """(K, K): the share of endpoints at which the row beats the column; NaN for too few seeds."""
        return self.wins / self.endpoints if self.n >= FEWEST_SEEDS else np.full(self.wins.shape, math.nan)


def wins(report: Report, view: View) -> Pairwise:
    """``pairwise`` of the view."""
    return pairwise(view.rows, view.ranking, report.inference, _references(report), resolution(report.runs))


def _references(report: Report) -> list[str]:
    """The report's reference and its baseline, where that is another strategy."""
    return list(dict.fromkeys(filter(None, (report.reference, report.baseline))))


def pairwise(
    rows: pd.DataFrame, ranking: Sequence[Key], inference: Inference, references: Sequence[str], resolved: float
) -> Pairwise:
    """Compare all pairs of strategies in ``rows``, which are of ``seeds.compared``, in the order of ``ranking``.

    Without diagnostics: their pairs would take from the verdicts on the others, and their wins count for nothing.
    ``inference`` is the experiment's, with its verdicts against ``references``; ``resolved`` is what its test set
    resolves.
    """
    runs = run_endpoints(rows)
    names = list(runs.columns[len(RUN) :])
    values = {key: own.set_index("seed")[names].sort_index() for key, own in groups(runs, GROUP).items()}
    order = [key for key in ranking if key in values and key[0] not in inference.apart]
    seeds = tuple(values[order[0]].index.tolist())
    place, pairs = {key: i for i, key in enumerate(order)}, []
    found = np.zeros((len(order), len(order)), dtype=int)

    def enter(i: int, j: int, verdicts: Iterable[Verdict]) -> None:
        said = list(verdicts)
        found[i, j], found[j, i] = said.count("better"), said.count("worse")

    for (i, own), (j, other) in itertools.combinations(enumerate(order), 2):
        if said := _said(inference, own, other, references):
            enter(i, j, said)
        else:
            differences = values[own].to_numpy() - values[other].to_numpy()
            pairs.append(Contrast((str(place[own]), str(place[other])), "", seeds, differences))
    others = infer(pairs, names, resolved, inference.margin, inference.level)
    for (i, j), rows_of_pair in groups(others.findings, GROUP).items():
        enter(int(i), int(j), rows_of_pair["verdict"])
    return Pairwise(order, found, len(names), len(seeds), others.tests)


def _said(inference: Inference, own: Key, other: Key, references: Sequence[str]) -> list[Verdict]:
    """The experiment's verdicts on ``own`` against ``other``; empty for a pair that it does not compare.

    It compares strategies of a learner with the ``references``, and learners of a strategy with supervised learning.
    """
    opposite: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
    if own[1] == other[1]:
        mine, theirs, against = own[0], other[0], references
    elif own[0] == other[0]:
        mine, theirs, against = own[1], other[1], [SUPERVISED]
    else:
        return []
    for reference in against:
        if theirs == reference and (said := inference.verdicts(own, reference)):
            return list(said.values())
        if mine == reference and (said := inference.verdicts(other, reference)):
            return [opposite.get(word, word) for word in said.values()]
    return []


def table(report: Report, view: View) -> Table | None:
    """The penalty matrix with sums of rows and columns, the columns numbered like the rows."""
    if len(report.views[-1].compared) == 1:
        return None
    source, found = report.source, report.once(wins, view)
    penalties = found.penalties
    several = len(source.learners) > 1
    names = [name(*key, several) for key in found.keys]
    rows = [
        [
            Cell(f"{i + 1} {row_name(key, source)}"),
            *(Cell("") if i == j else _share(value) for j, value in enumerate(line)),
            _share(line.sum()),
        ]
        for i, (key, line) in enumerate(zip(found.keys, penalties, strict=True))
    ]
    data = pd.DataFrame(penalties, columns=names)
    data.insert(0, "strategy", [key[0] for key in found.keys])
    data.insert(1, "learner", [key[1] for key in found.keys])
    total = pd.DataFrame([["sum", "", *penalties.sum(axis=0)]], columns=data.columns)
    same, learners = " by the same learner" if several else "", ""
    if report.inference.compared(SUPERVISED):
        learners = f", pairs of a learner with {SUPERVISED} for the same strategy those of the table of learners"
    caption = (
        f"Pairwise wins on {source.datasets[0][0]}, {seeds_in_words(found.n)}: the share of the {found.endpoints} "
        f"declared {count(found.endpoints, 'endpoint')} at which the row's strategy is better than the column's (after "
        "the penalty matrix of Ash et al., ICLR 2020, arXiv:1906.03671). Pairs with "
        f"{' or '.join(_references(report))}{same} have the verdicts of the table of comparisons{learners}; the "
        f"{found.tests} tests of the others are a family of their own at {100 * report.inference.level:g} %. "
        "Columns are numbered like the rows. The sum of a column is its penalty: lower is better. "
    )
    if report.inference.apart:
        caption += "Diagnostics are left out. "
    if found.n < FEWEST_SEEDS:
        caption += (
            f"{seeds_are(found.n)} too few for a t-test (at least {FEWEST_SEEDS} are needed): the cells are empty. "
        )
    return Table(
        data=pd.concat([data, total], ignore_index=True),
        header=["strategy", *map(str, range(1, len(names) + 1)), "sum"],
        rows=[*rows, [Cell("sum"), *map(_share, penalties.sum(axis=0)), Cell("")]],
        caption=sentences(caption, view.scope, source.unranked.note),
        rule_before=len(rows),
    )


def figure(report: Report, view: View) -> Figure | None:
    """The penalty matrix; None for a single strategy or too few seeds for a test."""
    found = report.once(wins, view)
    if len(found.keys) == 1 or found.n < FEWEST_SEEDS:
        return None
    return heat_map(found, report.source.unranked)


def heat_map(pairwise: Pairwise, unranked: Unranked = RANKED) -> Figure | None:
    """The penalty matrix as a heat map: rows beat columns, best strategies first; column sums below.

    Numbers stand in the cells for up to 15 strategies; columns are numbered like the rows. None where the page is too
    narrow.
    """
    penalties, k = pairwise.penalties, len(pairwise.keys)
    few = k <= PRINTED
    labels = [f"{label}  {i}" for i, label in enumerate(style.row_labels(pairwise.keys, unranked), start=1)]
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.BOTH_COLUMNS, style.BOTH_COLUMNS))
        left = style.text_width(figure, [*labels, SUMS]) + 0.12
        bottom, top, right = 0.18, 0.27, 0.55
        width = style.fits(left + right + (NARROW_CELL if few else SMALL_CELL) * k)
        if width is None:
            return None
        cell = min(CELL if few else SMALL_CELL, (width - left - right) / k)
        said = "entry: share of endpoints at which the row is better"
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
        numbers = [str(i) for i in range(1, k + 1)]
        totals = [f"{total:.2f}".rstrip("0").rstrip(".") if few else f"{total:.0f}" for total in penalties.sum(axis=0)]
        turned = 90 if style.text_width(figure, [*numbers, *totals]) > _OF_CELL * cell else 0
        axes.set_xticks(np.arange(k) + 0.5, numbers, rotation=turned)
        axes.tick_params(length=0, pad=2)
        axes.xaxis.tick_top()
        for i, j in np.ndindex(k, k) if few else ():
            if i != j and penalties[i, j] > 0:
                colour = "white" if penalties[i, j] > 0.6 else style.INK
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    _short_share(float(penalties[i, j])),
                    ha="center",
                    va="center",
                    color=colour,
                )
        sums = figure.add_axes((left / width, bottom / height, cell * k / width, cell / height))
        sums.set_axis_off()
        sums.set_xlim(0, k)
        for j, total in enumerate(totals):
            sums.text(j + 0.5, 0.5, total, ha="center", va="center", rotation=turned)
        sums.text(-0.15, 0.5, SUMS, ha="right", va="center")
        bar = figure.add_axes(((left + cell * k + 0.1) / width, box[1], 0.09 / width, min(cell * k, 1.2) / height))
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), colours)
        figure.colorbar(scale, cax=bar, ticks=[0, 0.5, 1])
        bar.tick_params(length=1.5)
        bar.spines[:].set_visible(False)
        explained = unranked.remark(pairwise.keys)
        endpoints = f"{pairwise.endpoints} {count(pairwise.endpoints, 'endpoint')}"
        test = f"corrected over all pairs, {pairwise.n} seeds, {endpoints}"
        style.remark(figure, f"{said}; lower sums are better; {explained}{test}")
    return figure


def _share(value: float) -> Cell:
    return MISSING if math.isnan(value) else Cell(f"{value:.2f}")


def _short_share(value: float) -> str:
    return "1" if value == 1 else f"{value:.2f}"[1:]


SECTION = Section(
    "Pairwise wins",
    table=Part("pairwise", table, place="linked", wide="linked"),
    figure=Part(
        "pairwise", figure, place="linked", wide="linked", alt=lambda _: "Which strategy is better than which other one"
    ),
)
