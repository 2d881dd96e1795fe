"""Interaction of strategy and learner: how the gain over random changes with the learner.

With a(s, l) the area under the budget curve of strategy s with learner l, the change is

    (a(s, l) − a(random, l)) − (a(s, supervised) − a(random, supervised)),

paired by seed. Below 0, choosing labels gains less with the learner than with supervised learning. With a single label
count, the area is the accuracy there.
"""

from __future__ import annotations

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, row_name, sentences
from benchmark.reports.rendering.tables.compared import (
    difference_cells,
    differences_explained,
    findings_data,
    interval_cells,
    interval_title,
    p_cells,
    rows_of,
    verdict_cells,
)
from benchmark.reports.rendering.tables.table import Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.family import GAIN
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, SUPERVISED
from benchmark.reports.statistics.views import View
from benchmark.reports.verdicts import explained, sentence


def notes(report: Report) -> list[str]:
    """Which strategies gain more with a learner than with supervised learning, and which less."""
    return list(filter(None, [sentence(report.inference, GAIN, report.source.unranked.degenerate)]))


def table(report: Report, _: View) -> Table | None:
    """A row per strategy and learner with the gains with the learner and with supervised learning, and the change.

    Gains are over all seeds that the strategy shares with random, the change over those that all four runs have.
    """
    source, inference = report.source, report.inference
    compared = set(inference.compared(GAIN))
    order = [key for key in report.ranking if key in compared]
    if not order:
        return None
    changes = rows_of(inference, GAIN, order)
    gains = rows_of(inference, report.reference, order)
    supervised = rows_of(inference, report.reference, [(strategy, SUPERVISED) for strategy, _ in order])
    places = decimals(changes["sd"].dropna())
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        "seeds": [Cell(f"{n:.0f}") for n in changes["n"]],
        SUPERVISED: difference_cells(supervised, places),
        "learner": difference_cells(gains, places),
        "change": difference_cells(changes, places),
        interval_title(inference): interval_cells(changes, places),
        "p": p_cells(changes),
        "verdict": verdict_cells(inference, GAIN, order, source.unranked),
    }
    caption = (
        f"Gain over {report.reference} by learner on {source.datasets[0][0]}: the mean difference "
        f"in area under the budget curve to {report.reference} with the learner {SUPERVISED} and with the row's, and "
        f"the change from the first to the second with its {interval_title(inference)}. "
        f"{differences_explained(inference)} p is corrected. "
        f"{sentence(inference, GAIN, source.unranked.degenerate)} {explained(inference, [GAIN])} "
    )
    if (changes["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a test. "
    data = findings_data(inference, [GAIN], order)
    return Table.of_columns(columns, data, sentences(caption, source.unranked.note))


SECTION = Section("Gain over random by learner", notes=notes, table=Part("interactions", table))
