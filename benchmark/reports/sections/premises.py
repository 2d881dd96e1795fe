"""Premises: what strategies were, where they did not do what they are named for, and the measures that show it."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import row_name
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.degeneracy import RULES, failing
from benchmark.reports.statistics.premises import (
    AUROC,
    BIAS,
    CANDIDATES,
    CLUSTERS,
    INFORMATIVE,
    MARGIN,
    MARGIN_PHASE,
    REPEATED,
    SINGLE,
    rounds_of,
)
from benchmark.reports.statistics.replicates import shared_by_seeds
from benchmark.reports.statistics.seeds import GROUP
from benchmark.reports.statistics.views import View
from benchmark.reports.words import name

PRINTED = {  # column of ``by_round``: its title, decimals and factor
    MARGIN: ("margin (%)", 0, 100),
    AUROC: ("AUROC", 2, 1),
    CANDIDATES: ("candidates", 0, 1),
    CLUSTERS: ("clusters", 0, 1),
    "premise.radius": ("radius", 2, 1),
    SINGLE: ("singletons (%)", 0, 100),
    "premise.competence": ("O", 2, 1),
    "premise.uncovered": ("uncovered (%)", 0, 100),
    MARGIN_PHASE: ("margin phase (%)", 0, 100),
    "premise.information": ("I / log K", 2, 1),
    INFORMATIVE: ("informative", 0, 1),
    BIAS: ("bias (%)", 0, 100),
    REPEATED: ("duplicates (%)", 1, 100),
}
_EXPLAINED = {
    MARGIN: "margin is the share of the acquired images that margin sampling selects by the same model",
    AUROC: "AUROC is that of the predicted loss for the network's errors on the pool",
    CANDIDATES: "candidates are those that a method chooses from",
    CLUSTERS: "clusters are those that the candidates lie in",
    SINGLE: "singletons are balls that hold no image but their centre",
    "premise.competence": "O weighs margin against coverage",
    "premise.uncovered": "uncovered picks are from clusters that have no label yet",
    MARGIN_PHASE: "margin phase is the share of the rounds behind the switch to margin sampling",
    "premise.information": "I / log K is the information of the batch, bald's of its highest score, as a share of the "
    "most that K masks can tell",
    INFORMATIVE: "informative counts the picks until that share reaches 0.95",
    BIAS: "bias is the share of the score that is left where the draws that it compares tell nothing of each other",
    REPEATED: "duplicates equal a labelled image in every value",
}
_SHARED = (
    "other seeds is the share of a run's images that another seed acquired too: where it is far above that of random, "
    "an interval over seeds tells more of the first labels than of the choice"
)


def rounds(report: Report) -> pd.DataFrame:
    """``premises.by_round`` of all runs, up to the report's last label count; empty without a query."""
    return rounds_of(report.runs, report.until)


def notes(report: Report) -> list[str]:
    """A sentence per verdict: which strategies it is on, with their numbers."""
    unranked, found = report.source.unranked.degenerate, failing(report.once(rounds))
    several = len(report.source.learners) > 1
    said = []
    for rule in RULES:
        told = [
            f"{name(*key, several)} ({found[key][rule.verdict]})"
            for key in report.ranking
            if key in unranked and rule.verdict in found.get(key, {})
        ]
        if told:
            verdict = rule.verdict[0].upper() + rule.verdict[1:]
            said.append(f"§ {verdict}, not ranked – {rule.said}: {', '.join(told)}.")
    return said


def table(report: Report, _: View) -> Table | None:
    """A row per strategy: its verdict, the classes that it acquired, and every premise that was measured.

    The CSV file has a row per strategy and label count, with the share of each class in the batch.
    """
    found = report.once(rounds)
    if not len(found):
        return None
    source = report.source
    order = [key for key in report.ranking if key in set(zip(found["strategy"], found["learner"], strict=True))]
    own = {key: found[(found["strategy"] == key[0]) & (found["learner"] == key[1])] for key in order}
    unranked = source.unranked.degenerate
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        "verdict": [Cell(", ".join(unranked[key])) if key in unranked else MISSING for key in order],
        "seeds": [Cell(f"{own[key]['n'].max():.0f}") for key in order],
        "classes": [
            _number(1 / own[key]["alike"].mean() if own[key]["alike"].mean() else math.nan, 1) for key in order
        ],
        "all labelled": [Cell(_complete(own[key])) for key in order],
    }
    shared = shared_by_seeds(report.runs, report.until)
    if shared:
        columns["other seeds (%)"] = [_number(100 * shared.get(key, math.nan), 0) for key in order]
    explained = []
    for column, (title, places, factor) in PRINTED.items():
        if column in found and found[column].notna().any():
            columns[title] = [_number(factor * own[key][column].mean(), places) for key in order]
            explained += [_EXPLAINED[column]] if column in _EXPLAINED else []
    fewest, ends = int(found["labels"].min()), sorted({int(rows["labels"].max()) for rows in own.values()})
    most = ends[-1]
    over = f"the rounds from {fewest} to {most} labels" if most > fewest else f"the round at {fewest} labels"
    if len(ends) > 1:
        over += ", as far as a strategy ran"
    if source.protocol.get("replay"):
        over += "; a batch is here all that was acquired up to the next of the replayed label counts"
    caption = (
        f"Premises of the strategies on {source.datasets[0][0]}: means over seeds and {over}. Classes is the effective "
        "number of classes of a batch, 1 / Σ p_c², of "
        f"{found['classes'].max():.0f}, and more where batches are more even than random ones; all labelled is the "
        "number of labels from which on no seed lacks a class"
        + (f"; {_SHARED}" if shared else "")
        + "".join(f"; {words}" for words in explained)
        + ". A verdict is given where a premise fails in more than half of the rounds. The overlap with margin "
        "sampling is measured where a strategy reads the model's outputs, and else known where margin's run "
        "of the seed has the same model. The CSV file has every label count, with the share of each class."
    )
    first = [*GROUP, "labels", "n", "batch", "classes", "usual", "alike", "alike_so_far", "missing"]
    named = [str(column) for column in found]
    shares = sorted((column for column in named if column.startswith("class_")), key=lambda c: int(c[len("class_") :]))
    rest = [column for column in named if column not in {*first, *shares} and found[column].notna().any()]
    return replace(Table.of_columns(columns, found[[*first, *rest, *shares]], caption), text_columns=2)


def _number(value: float, places: int) -> Cell:
    return Cell(f"{value:.{places}f}") if math.isfinite(value) else MISSING


def _complete(own: pd.DataFrame) -> str:
    """The label count from which on every class has a label in all seeds; > the last where one lacks it there."""
    lacking = own.loc[own["missing"] > 0, "labels"]
    if not len(lacking):
        return f"{own['labels'].min()}"
    later = own.loc[own["labels"] > lacking.max(), "labels"]
    return f"{later.min()}" if len(later) else f">{lacking.max()}"


SECTION = Section("Premises", notes=notes, table=Part("premises", table))
