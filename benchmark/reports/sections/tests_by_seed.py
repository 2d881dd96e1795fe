"""Comparisons paired by seed: is a strategy better than random, or than a baseline, and where on the curve?"""

from __future__ import annotations

import math

import pandas as pd

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
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.endpoints import halves
from benchmark.reports.statistics.seeds import FEWEST_SEEDS
from benchmark.reports.statistics.views import View
from benchmark.reports.verdicts import explained


def table(report: Report, _: View) -> Table | None:
    """A row per strategy, those of the first view first: its differences to random at all endpoints and to a
    named baseline in area, with the verdicts.

    Where comparisons have different numbers of seeds, a column shows them.
    """
    source, inference, first = report.source, report.inference, report.views[0]
    references = [one for one in dict.fromkeys((report.reference, report.baseline)) if one in inference.references]
    if not references:
        return None
    compared = {key for reference in references for key in inference.compared(reference)}
    order = [key for key in dict.fromkeys([*first.ranking, *report.ranking]) if key in compared]
    places = decimals(first.summary["area_sd"])
    known = sorted({int(n) for reference in references for n in inference.of(reference)["n"]})
    header, columns = ["strategy"], [[Cell(row_name(key, source)) for key in order]]

    def add(title: str, cells: list[Cell]) -> None:
        header.append(title)
        columns.append(cells)

    for reference in references:
        rows = rows_of(inference, reference, order)
        if len(known) > 1:
            add("seeds", [MISSING if math.isnan(n) else Cell(f"{n:.0f}") for n in rows["n"]])
        add(f"vs. {reference}", difference_cells(rows, places))
        add(interval_title(inference), interval_cells(rows, places))
        add("p", p_cells(rows))
        if reference == report.reference:
            for endpoint in inference.endpoints[1:]:
                add(endpoint, difference_cells(rows_of(inference, reference, order, endpoint), places))
        add("verdict", verdict_cells(inference, reference, order, source.unranked))
    caption = (
        f"Comparisons paired by seed on {source.datasets[0][0]}. The first difference is in "
        f"{'area under the budget curve' if len(inference.endpoints) > 1 else 'accuracy'}. "
    )
    if len(inference.endpoints) > 2:
        counts = sorted(set(report.rows["labels"]))
        caption += (
            f"Early and late are the mean accuracies over the logarithm of label counts up to and from "
            f"{halves(counts):.0f} labels, last is the accuracy at {counts[-1]} labels. "
        )
    caption += f"{differences_explained(inference)} p is corrected. {explained(inference, references)} "
    if len(known) > 1:
        caption += "Each comparison is over all seeds that the two share. "
    if few := [n for n in known if n < FEWEST_SEEDS]:
        caption += f"Fewer than {FEWEST_SEEDS} seeds ({', '.join(map(str, few))}) are too few for a test. "
    data: pd.DataFrame = findings_data(inference, references, order)
    return Table(
        data, header, [list(row) for row in zip(*columns, strict=True)], sentences(caption, source.unranked.note)
    )


SECTION = Section("Comparisons by seed", table=Part("tests", table))
