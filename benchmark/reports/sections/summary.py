"""The summary: a row per strategy, and the sentence on which strategies are better than the reference."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, marked_best, row_name, seconds, sentences
from benchmark.reports.rendering.tables.compared import (
    difference_cells,
    differences_explained,
    interval_cells,
    interval_title,
    rows_of,
    verdict_cells,
)
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View
from benchmark.reports.verdicts import explained, method, reach


def notes(report: Report) -> list[str]:
    """What the experiment shows against the reference, how verdicts come about, and what so many seeds can show."""
    inference = report.inference
    learners = list(dict.fromkeys(learner for _, learner in report.ranking))
    alone = [learner for learner in learners if (report.reference, learner) not in report.ranking]
    which = f" (learner {', '.join(alone)})" if len(learners) > 1 else ""
    lacking = f"No run of {report.reference} to compare with{which}: no differences to it are shown." if alone else ""
    how = method(inference) if inference.tests else ""
    return list(filter(None, (report.sentence, lacking, reach(inference, report.reference), how)))


def table(report: Report, view: View) -> Table:
    """One row per strategy: seeds, area, final accuracy, paired difference to the reference, seconds.

    With a single label count, the accuracy stands for area and final accuracy. Without runs of the reference there is
    no difference. Where some differences are over more seeds than the means, the column pairs counts them.
    """
    source, summary = report.source, view.summary
    places = decimals(pd.concat([summary["area_sd"], summary["final_sd"]]))
    last, several = summary["labels"].iloc[0], view.several_label_counts
    order, inference = keys(summary), report.inference
    rows = rows_of(inference, report.reference, order)
    paired = rows["n"].notna().any()
    pairs = [0 if math.isnan(n) else int(n) for n in rows["n"]]
    differing = any(n > 0 and n != own for n, own in zip(pairs, summary["n"], strict=True))
    area, final = (marked_best(summary[f"{what}_mean"], summary[f"{what}_sd"], places) for what in ("area", "final"))
    gains = {
        **({"pairs": [Cell(str(n)) if n else MISSING for n in pairs]} if differing else {}),
        f"vs. {report.reference}": difference_cells(rows, places),
        interval_title(inference): interval_cells(rows, places),
        "verdict": verdict_cells(inference, report.reference, order, source.unranked),
    }
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        "seeds": [Cell(str(n)) for n in summary["n"]],
        **({"area": area, "final": final} if several else {"accuracy": final}),
        **(gains if paired else {}),
        "train (s)": [Cell(seconds(value)) for value in summary["train_seconds"]],
        "query (s)": [Cell(seconds(value)) for value in summary["query_seconds"]],
    }
    spread = "± standard deviation over seeds" if summary["n"].max() > 1 else "one seed, no spread"
    caption = f"Acquisition strategies on {source.datasets[0][0]}, ordered by "
    if several:
        caption += (
            f"the area under the budget curve: the mean test accuracy in % over the label counts up to {last}. Final "
            f"is the accuracy in % at {last} labels ({spread}). "
        )
    else:
        caption += f"the test accuracy in % at {last} labels ({spread}). "
    if paired:
        what = "area" if several else "accuracy"
        shared = f", over the seeds shared with {report.reference}" if differing else ""
        caption += (
            f"vs. {report.reference} is the mean difference in {what} to {report.reference}{shared}. "
            f"{differences_explained(inference)} {explained(inference, [report.reference])} "
        )
    caption += (
        "Train is seconds of training per run, a shared first round counted for each; query is seconds per round. "
        + ("The best means are bold. " if len(summary) > 1 else "")
    )
    data = report.summary_of(view)
    return Table.of_columns(columns, data, sentences(caption, report.sentence, view.scope, source.unranked.note))


SECTION = Section("Summary", notes=notes, table=Part("summary", table, wide="page"))
