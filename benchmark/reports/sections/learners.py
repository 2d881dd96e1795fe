"""Learners compared with supervised learning: what each gains with the same strategy, paired by seed."""

from __future__ import annotations

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, points, row_name, sentences, thin_out
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
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, SUPERVISED
from benchmark.reports.statistics.summary import paired
from benchmark.reports.statistics.tidy import RUN, groups
from benchmark.reports.statistics.views import View
from benchmark.reports.verdicts import explained, sentence

PRINTED_COLUMNS = 6  # label counts


def notes(report: Report) -> list[str]:
    """Which strategies and learners differ from supervised learning."""
    return list(filter(None, [sentence(report.inference, SUPERVISED)]))


def table(report: Report, _: View) -> Table | None:
    """A row per strategy and learner that shares seeds with the same strategy's supervised runs.

    The largest area comes first. The last columns are mean differences in accuracy at single label counts.
    """
    source, inference = report.source, report.inference
    compared = set(inference.compared(SUPERVISED))
    order = [key for key in report.ranking if key in compared]
    if not order:
        return None
    rows = rows_of(inference, SUPERVISED, order)
    single = paired(
        report.rows[[*RUN, "labels", "accuracy"]], "accuracy", ["strategy", "seed", "labels"], SUPERVISED, of="learner"
    )
    at = {key: pair.groupby("labels")["gain"].mean() for key, pair in groups(single, GROUP).items()}
    counts = sorted(set(single["labels"]))
    shown = thin_out(counts, PRINTED_COLUMNS) if len(counts) > 1 else []
    places = decimals(rows["sd"].dropna())
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        "seeds": [Cell(f"{n:.0f}") for n in rows["n"]],
        f"vs. {SUPERVISED}": difference_cells(rows, places),
        interval_title(inference): interval_cells(rows, places),
        "p": p_cells(rows),
        "verdict": verdict_cells(inference, SUPERVISED, order),
        **{
            f"at {labels}": [Cell(points(at[key][labels], places)) if labels in at[key] else MISSING for key in order]
            for labels in shown
        },
    }
    what = "area under the budget curve" if len(counts) > 1 else f"accuracy at {counts[0]} labels"
    caption = (
        f"Learners compared with supervised learning on {source.datasets[0][0]}: the difference in {what} to the "
        f"learner {SUPERVISED} with the same strategy. {sentence(inference, SUPERVISED)} "
        f"{differences_explained(inference)} p is corrected. "
        f"{explained(inference, [SUPERVISED])} "
    )
    if shown:
        caption += "The last columns are mean differences in accuracy at these label counts. "
    if (rows["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a test. "
    data = findings_data(inference, [SUPERVISED], order)
    for labels in counts:
        data[f"gain_{labels}"] = [at[key].get(labels) for key in zip(data["strategy"], data["learner"], strict=True)]
    return Table.of_columns(columns, data, sentences(caption, source.unranked.note))


SECTION = Section("Compared with supervised learning", notes=notes, table=Part("learners", table))
