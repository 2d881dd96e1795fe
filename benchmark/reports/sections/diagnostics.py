"""Diagnostics of predicted losses: how well they rank images by the true loss."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, marked_best, row_name
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.seeds import GROUP, horizon, only
from benchmark.reports.statistics.summary import areas, keys, mean_and_sd
from benchmark.reports.statistics.tidy import RUN, groups, key_of
from benchmark.reports.statistics.views import View
from benchmark.results.records import RunRecord

KIND = "loss_rank."
PRINTED = {
    "labelled.kendall": "τ labelled",
    "pool.kendall": "τ pool",
    "test.kendall": "τ test",
    "pool.spearman": "ρ pool",
    "pool.pairwise": "pairs pool",
    "pool.auroc": "AUROC pool",
}


def loss_ranking(runs: Iterable[RunRecord], curves: pd.DataFrame, end: int) -> pd.DataFrame:
    """One row per strategy and learner whose records have such diagnostics, the best final accuracy first.

    Columns: strategy, learner, n (seeds), labels (where accuracy is final), final_mean, final_sd (0–1), and
    ``<part>.<measure>_mean`` and ``_sd`` for every diagnostic: the mean of a run's rounds before that, then mean
    and standard deviation over runs. Runs are those that ``summary.areas`` compares among these strategies, up to the
    label count ``end`` or, where they do not get there, the last that all of them reach. Empty without diagnostics.
    """
    runs = [run for run in runs if any(KIND in name for record in run.rounds for name in record.diagnostics)]
    if not runs:
        return pd.DataFrame()
    theirs = only(curves[curves["labels"] <= end], {key_of(run)[:2] for run in runs})
    last = horizon(theirs, end)
    finals = areas(theirs, last).set_index(RUN)
    rows = []
    for run in runs:
        key = key_of(run)
        if key not in finals.index:
            continue
        measured = [
            {name.removeprefix(KIND): value for name, value in record.diagnostics.items() if KIND in name}
            for record in run.rounds
            if record.num_labelled < last  # a schedule that ends there has no query and no measurement there
        ]
        names = list(dict.fromkeys(name for line in measured for name in line))
        if names:
            means = {name: mean_and_sd(line[name] for line in measured if name in line)[0] for name in names}
            rows.append({**dict(zip(RUN, key, strict=True)), "final": finals.loc[key, "final"], **means})
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    table = []
    for key, group in groups(frame, GROUP).items():
        row = {**dict(zip(GROUP, key, strict=True)), "n": len(group), "labels": last}
        for name in frame.columns.drop(RUN):
            row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd(group[name].dropna())
        table.append(row)
    return pd.DataFrame(table).sort_values("final_mean", ascending=False, kind="stable").reset_index(drop=True)


def table(report: Report, _: View) -> Table | None:
    """A row per strategy: final accuracy, and the agreement of predicted and true loss (see ``loss_ranking``)."""
    source, ranking = report.source, loss_ranking(report.runs, report.curves, report.end)
    if not len(ranking):
        return None
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(ranking)],
        "seeds": [Cell(str(n)) for n in ranking["n"]],
        "final": marked_best(ranking["final_mean"], ranking["final_sd"], decimals(ranking["final_sd"])),
    }
    for name, title in PRINTED.items():
        if f"{name}_mean" in ranking:
            columns[title] = [
                _measure(*pair) for pair in zip(ranking[f"{name}_mean"], ranking[f"{name}_sd"], strict=True)
            ]
    caption = (
        f"How well the predicted loss ranks images by the true loss on {source.datasets[0][0]}: means over the "
        "rounds before the last, ± standard deviation over seeds. Final is the accuracy in % at "
        f"{ranking['labels'].iloc[0]} labels. τ is Kendall's τ_b, ρ is Spearman's, pairs is the share of pairs in the "
        "right order, AUROC is that of the predicted loss for misclassified images. The true losses of the pool are "
        "used for this table only. The CSV file has all parts."
    )
    return Table.of_columns(columns, ranking, caption)


def _measure(mean: float, sd: float) -> Cell:
    if not math.isfinite(mean):
        return MISSING
    return Cell(f"{mean:.2f}".replace("-", "−"), spread=f"{sd:.2f}" if math.isfinite(sd) else "")


SECTION = Section("Diagnostics", table=Part("diagnostics", table))
