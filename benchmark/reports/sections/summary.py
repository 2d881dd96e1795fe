"""The summary: a row per strategy, and verdicts on which strategies are better than random."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import (
    decimals,
    interval,
    marked_best,
    points,
    row_name,
    seconds,
    sentences,
)
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import REFERENCE
from benchmark.reports.statistics.summary import judged, keys
from benchmark.reports.statistics.views import View


def notes(report: Report) -> list[str]:
    """``verdicts`` of the widest view, on the strategies that are ranked."""
    summary, unranked = report.views[-1].summary, report.source.unranked.degenerate
    return verdicts(summary[[key not in unranked for key in keys(summary)]])


def verdicts(summary: pd.DataFrame, reference: str = REFERENCE) -> list[str]:
    """Sentences per learner: which strategies are better than the reference in area, which are not, which worse."""
    several = summary["learner"].nunique() > 1
    notes = []
    for learner, rows in groups(summary, ["learner"]).items():
        tail = f" (learner {learner})" if several else ""
        others = rows[rows["gain_n"] > 0]
        if reference not in set(rows.loc[rows["n"] > 0, "strategy"]):
            notes.append(f"No run of {reference} to compare with{tail}: no differences to it are shown.")
        elif others["gain_n"].max() == 1:
            notes.append(f"One seed only{tail}: no intervals, and any difference to {reference} may be chance.")
        for n in sorted({n for n in others["gain_n"] if n > 1}, reverse=True):
            alike = others[others["gain_n"] == n]
            beginnings = (
                f"{words} {reference}{tail}" for words in ("Better than", "Not shown to be better than", "Worse than")
            )
            notes += judged(
                alike,
                ("gain_low", "gain_high"),
                beginnings,
                f"the difference in area over {n} paired seeds",
                lambda key: key[0],
            )
    return notes


def table(report: Report, view: View) -> Table:
    """One row per strategy: seeds, area, final accuracy, paired difference to random, seconds.

    With a single label count, the accuracy stands for area and final accuracy. Without runs of random there is no
    difference. Where some differences are over more seeds than the means, the column pairs counts them.
    """
    source, summary = report.source, view.summary
    places = decimals(pd.concat([summary["area_sd"], summary["final_sd"]]))
    last, several = summary["labels"].iloc[0], view.several_label_counts
    paired = summary["gain_n"].max() > 0
    differing = ((summary["gain_n"] > 0) & (summary["gain_n"] != summary["n"])).any()
    area, final = (marked_best(summary[f"{what}_mean"], summary[f"{what}_sd"], places) for what in ("area", "final"))
    gains = {
        **({"pairs": [Cell(str(n)) if n else MISSING for n in summary["gain_n"]]} if differing else {}),
        f"vs. {REFERENCE}": [
            Cell(points(mean, places)) if math.isfinite(mean) else MISSING for mean in summary["gain_mean"]
        ],
        "95 % interval": [
            interval(low, high, places) for low, high in zip(summary["gain_low"], summary["gain_high"], strict=True)
        ],
    }
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(summary)],
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
        pairs = f" over the seeds shared with {REFERENCE}" if differing else ""
        corrected = ", not corrected for multiple comparisons" if len(summary) > 2 else ""
        caption += (
            f"vs. {REFERENCE} is the mean difference in {'area' if several else 'accuracy'} to {REFERENCE} in points, "
            f"paired by seed{pairs}, with its 95 % t-interval{corrected}. "
        )
    caption += (
        "Train is seconds of training per run, a shared first round counted for each; query is seconds per round. "
        + ("The best means are bold. " if len(summary) > 1 else "")
    )
    return Table.of_columns(columns, summary, sentences(caption, view.scope, source.unranked.note))


SECTION = Section("Summary", notes=notes, table=Part("summary", table, wide="page"))
