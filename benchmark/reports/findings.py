"""What a reviewer asks for beyond curves and areas: tests, ranks, labels saved, costs; their tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports import style
from benchmark.reports.bought import class_balance
from benchmark.reports.comparison_tables import cost_table, labels_table, pairwise_table, significance_table
from benchmark.reports.efficiency import costs, labels_saved
from benchmark.reports.figures import balance_figure, calibration_figure, seconds_figure
from benchmark.reports.matrices import pairwise_figure, rank_figure
from benchmark.reports.provenance import Provenance
from benchmark.reports.ranking import savings_figure
from benchmark.reports.render import Table
from benchmark.reports.significance import (
    FEWEST_SEEDS,
    Pairwise,
    Ranks,
    blocks,
    mean_ranks,
    pairwise,
    primary_tests,
    rank_tests,
    ranks_allowed,
)
from benchmark.reports.statistics import BASELINE, areas, compared, keys
from benchmark.reports.trainings import LOSSES, PSEUDO_LABELS, examples_figure, trace_figure, traced
from benchmark.store import RunRecord


@dataclass(frozen=True)
class Findings:
    """``tests``: see ``significance.primary_tests``; ``mean_ranks`` per (strategy, learner); ``ranks`` where allowed.

    ``saved``: see ``efficiency.labels_saved``; ``cost``: ``efficiency.costs``; ``balance``: ``bought.class_balance``.
    """

    tests: pd.DataFrame
    mean_ranks: pd.Series
    ranks: Ranks | None
    pairwise: Pairwise
    saved: pd.DataFrame
    cost: pd.DataFrame
    balance: pd.DataFrame
    notes: list[str]


def findings(
    runs: list[RunRecord],
    curves: pd.DataFrame,
    summary: pd.DataFrame,
    last: int,
    baseline: str = BASELINE,
    target: float | None = None,
) -> Findings:
    """Of the ``runs`` behind ``curves``; ``target`` is an accuracy (0–1), by default random's final one."""
    rows, finals = compared(curves, last), areas(curves, last)
    table = blocks(finals)
    notes, ranks = [], None
    if ranks_allowed(table):
        try:
            ranks = rank_tests(table)
        except ImportError:
            notes.append("No critical-difference diagram: scikit-posthocs is not installed.")
    return Findings(
        primary_tests(finals, baseline),
        mean_ranks(table),
        ranks,
        pairwise(rows, keys(summary)),
        labels_saved(rows, target),
        costs(rows),
        class_balance(runs),
        notes,
    )


def comparison_tables(found: Findings, summary: pd.DataFrame, source: Provenance) -> list[Table]:
    """The tables tests, labels, pairwise and cost; the first three only with several strategies."""
    cost = cost_table(found.cost, keys(summary), source)
    if len(found.pairwise.keys) < 2:
        return [cost]
    return [
        significance_table(found.tests, found.mean_ranks, found.pairwise, summary, source),
        labels_table(found.saved, summary, source),
        pairwise_table(found.pairwise, source),
        cost,
    ]


def write_comparison_figures(
    found: Findings,
    runs: list[RunRecord],
    curves: pd.DataFrame,
    summary: pd.DataFrame,
    source: Provenance,
    folder: Path,
) -> dict[str, str]:
    """Write what can be drawn of these lines, as PNG and PDF; gives each file's name (no suffix) and title, in order.

    A figure that was there and cannot be drawn now is removed.
    """
    ranking, cheating, traces = keys(summary), source.cheating, traced(runs)
    several = curves["labels"].nunique() > 1
    who = (ranking, source.plugins, cheating)
    enough = len(found.pairwise.keys) > 1 and found.pairwise.n >= FEWEST_SEEDS
    made: dict[str, tuple[str, Figure | None]] = {
        "labels-saved": ("Labels saved", savings_figure(found.saved, ranking, cheating) if several else None),
        "pairwise": ("Who beats whom", pairwise_figure(found.pairwise, cheating) if enough else None),
        "ranks": (
            "Mean ranks, critical difference",
            rank_figure(found.ranks, cheating) if found.ranks else None,
        ),
        "calibration": ("Calibration", calibration_figure(curves, *who) if several else None),
        "balance": ("What was bought", balance_figure(found.balance, *who) if several else None),
        "seconds": ("Accuracy over seconds", seconds_figure(curves, *who) if several else None),
        "losses": ("Losses in the course of the training", trace_figure(traces, LOSSES, *who)),
        "pseudo-labels": ("Pseudo-labels", trace_figure(traces, PSEUDO_LABELS, *who, scale=100)),
        "examples": ("Test images and what is predicted of them", examples_figure(runs)),
    }
    for stem, (_, figure) in made.items():
        if figure is not None:
            style.save(figure, folder / stem)
        else:
            for suffix in (".png", ".pdf"):
                (folder / f"{stem}{suffix}").unlink(missing_ok=True)
    return {stem: title for stem, (title, figure) in made.items() if figure is not None}
