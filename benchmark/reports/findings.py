"""What a reviewer asks for beyond curves and areas: tests, ranks, labels saved, costs; all tables and figures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.figures import style
from benchmark.reports.figures.budget import balance_figure, budget_figure, calibration_figure, seconds_figure
from benchmark.reports.figures.matrices import pairwise_figure, rank_figure
from benchmark.reports.figures.ranking import ranking_figure, savings_figure
from benchmark.reports.figures.trainings import LOSSES, PSEUDO_LABELS, examples_figure, trace_figure, traced
from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.bought import class_balance
from benchmark.reports.statistics.efficiency import costs
from benchmark.reports.statistics.learners import against_supervised, interactions
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, Key, reaching
from benchmark.reports.statistics.significance import primary_tests, records
from benchmark.reports.statistics.summary import BASELINE, run_areas
from benchmark.reports.statistics.views import WIDE, View
from benchmark.reports.tables.accuracy import accuracy_table, cost_table, summary_table
from benchmark.reports.tables.comparisons import labels_table, pairwise_table, significance_table
from benchmark.reports.tables.learners import interactions_table, learners_table
from benchmark.reports.tables.render import Table
from benchmark.results.records import RunRecord

FIGURES = ("accuracy", "areas", "labels-saved", "pairwise", "ranks", "calibration", "balance", "seconds")
TRAININGS = ("losses", "pseudo-labels", "examples")  # of learners that leave traces; all strategies at once


@dataclass(frozen=True)
class Findings:
    """What is said of all strategies, whatever their seeds.

    ``tests``: see ``significance.primary_tests``; ``records``: ``significance.records``; ``cost``:
    ``efficiency.costs``; ``balance``: ``bought.class_balance``; ``learners``: ``learners.against_supervised``;
    ``interactions``: ``learners.interactions``.
    """

    tests: pd.DataFrame
    records: dict[Key, tuple[int, int, int]]
    cost: pd.DataFrame
    balance: pd.DataFrame
    learners: pd.DataFrame
    interactions: pd.DataFrame


def findings(
    runs: list[RunRecord], curves: pd.DataFrame, views: Sequence[View], last: int, baseline: str = BASELINE
) -> Findings:
    """Of the ``runs`` behind ``curves`` and ``views``, up to the label count ``last`` where they get there."""
    rows = reaching(curves, last)
    apart = set(views[-1].ranking) - set(views[0].ranking)
    areas = run_areas(rows)
    tests, learners = primary_tests(areas, baseline, apart), against_supervised(rows, areas)
    return Findings(tests, records(rows), costs(rows), class_balance(runs), learners, interactions(areas))


def tables(found: Findings, views: Sequence[View], source: Provenance) -> list[Table]:
    """Accuracy, summary and cost; where there is something to compare, tests, labels saved, and pairwise wins.

    Labels saved take several label counts. A second view has a summary, accuracy, labels saved and wins of its own.
    """
    first = views[0]
    over_labels = [labels_table] if first.curves["labels"].nunique() > 1 else []
    made = [accuracy_table(first, source), summary_table(first, source)]
    if len(found.learners):
        made.append(learners_table(found.learners, views[-1].ranking, source))
    if len(found.interactions):
        made.append(interactions_table(found.interactions, views[-1].ranking, source))
    if len(found.tests):
        made.append(significance_table(found.tests, found.records, views, source))
    if len(views[-1].pairwise.keys) > 1:
        made += [make(first, source) for make in (*over_labels, pairwise_table)]
    made.append(cost_table(found.cost, views[-1].ranking, source))
    for view in views[1:]:
        made += [make(view, source) for make in (summary_table, accuracy_table, *over_labels, pairwise_table)]
    return made


def write_figures(
    found: Findings, views: Sequence[View], runs: Sequence[RunRecord], source: Provenance, folder: Path
) -> dict[str, str]:
    """Write what can be drawn of each view, and of the trainings behind ``runs``, as PNG and PDF.

    Gives each file's name (no suffix) and title, in order. A figure that was there and cannot be drawn now is removed.
    """
    written = {}
    for view in views:
        tail = ", all strategies" if view.suffix else ""
        for stem, (title, draw) in _figures(view, found, source).items():
            figure = draw()
            if figure is not None:
                style.save(figure, folder / f"{stem}{view.suffix}")
                written[f"{stem}{view.suffix}"] = title + tail
    for stem, (title, figure) in _trainings(views[-1], runs, source).items():
        if figure is not None:
            style.save(figure, folder / stem)
            written[stem] = title
    for stem, suffix, kind in itertools.product((*FIGURES, *TRAININGS), ("", WIDE), (".png", ".pdf")):
        if stem + suffix not in written:
            (folder / f"{stem}{suffix}{kind}").unlink(missing_ok=True)
    return written


def _figures(view: View, found: Findings, source: Provenance) -> dict[str, tuple[str, Callable[[], Figure | None]]]:
    """What to draw of a view, by the names of ``FIGURES``: a title, and how."""
    cheating, several = source.cheating, view.curves["labels"].nunique() > 1
    rows = {"areas" if several else "accuracy": ("Areas", lambda: ranking_figure(view, cheating))}
    over_labels: dict[str, tuple[str, Callable[[], Figure | None]]] = {
        "accuracy": ("Accuracy", lambda: budget_figure(view, source.plugins, cheating)),
        "labels-saved": ("Labels saved", lambda: savings_figure(view, cheating)),
        "calibration": ("Calibration", lambda: calibration_figure(view, source.plugins, cheating)),
        "balance": ("What was bought", lambda: balance_figure(found.balance, view, source.plugins, cheating)),
        "seconds": ("Accuracy over seconds", lambda: seconds_figure(view, source.plugins, cheating)),
    }
    among: dict[str, tuple[str, Callable[[], Figure | None]]] = {
        "pairwise": ("Who beats whom", lambda: pairwise_figure(view.pairwise, cheating)),
        "ranks": ("Mean ranks, critical difference", lambda: view.ranks and rank_figure(view.ranks, cheating)),
    }
    enough = len(view.pairwise.keys) > 1 and view.pairwise.n >= FEWEST_SEEDS
    made = {**rows, **(over_labels if several else {}), **(among if enough else {})}
    return {stem: made[stem] for stem in FIGURES if stem in made}


def _trainings(view: View, runs: Sequence[RunRecord], source: Provenance) -> dict[str, tuple[str, Figure | None]]:
    """The figures of trainings, by the names of ``TRAININGS``, with their titles."""
    traces, who = traced(runs), (view.ranking, source.plugins, source.cheating)
    return {
        "losses": ("Losses in the course of the training", trace_figure(traces, LOSSES, *who)),
        "pseudo-labels": ("Pseudo-labels", trace_figure(traces, PSEUDO_LABELS, *who, scale=100)),
        "examples": ("Test images and what is predicted of them", examples_figure(runs)),
    }
