"""The ablation of loss prediction in docs/results.md: a row per loss predictor, a column per way to take a batch."""

from __future__ import annotations

import math
from pathlib import Path

from benchmark.reports import read_report
from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import points
from benchmark.reports.statistics.seeds import REFERENCE, SUPERVISED
from benchmark.reports.statistics.summary import mean_and_sd
from benchmark.reports.verdicts import in_words, method
from strategies.registry import resolve

EXPERIMENTS = {"mnist-loss-ablation": (250, 500, 750, 1000), "cifar10-loss-ablation": (2000, 4000)}
SEMI = "semi-supervised-learning-loss"
PREDICTORS = {  # rows: how the module learns; the authors of each step
    "hinge (Yoo & Kweon)": "learning-loss[batcher={}]",
    "RankNet": SEMI + "[batcher={},hold_out=0.0,tuning=none]",
    "RankNet, tuned on labels and a hold-out": SEMI + "[batcher={},tuning=labelled]",
    "the same, tuned on pseudo-labels too (Hwang et al.)": SEMI + "[batcher={}]",
}
BATCHES = {"subset": "random subset", "topk": "whole pool", "agglomerative": "clusters"}
RANKS = {"kendall": "τ", "auroc": "AUROC"}


def tables(results: Path) -> str:
    """All tables of ``EXPERIMENTS`` that are published, each with a line above it, in Markdown."""
    return "\n".join(
        table(results / name, budgets) for name, budgets in EXPERIMENTS.items() if (results / name).exists()
    )


def table(root: Path, budgets: tuple[int, ...]) -> str:
    """A row per predictor: how it ranks the pool, and the area against random by each way to take a batch; Markdown.

    Ranks are means over seeds and over the three ways, at the first label count and at the last one with a query.
    """
    report = read_report_up_to(root, budgets)
    ranked = [labels for labels in budgets if ranks(report, specs(next(iter(PREDICTORS))), labels)]
    shown = sorted({ranked[0], ranked[-1]})
    head = [f"{sign} at {labels:,}" for labels in shown for sign in RANKS.values()]
    lines = [
        f"| predictor | {' | '.join([*head, *BATCHES.values()])} |",
        f"| :-- | {' | '.join(['--:'] * (len(head) + len(BATCHES)))} |",
    ]
    for called in PREDICTORS:
        found = [ranks(report, specs(called), labels) for labels in shown]
        cells = [f"{measured[name]:.2f}" for measured in found for name in RANKS]
        lines.append(f"| {' | '.join([called, *cells, *(gain(report, spec) for spec in specs(called))])} |")
    seeds = sorted(set(report.curves["seed"]))
    at = report.accuracy.set_index(["strategy", "labels"])["mean"]
    first, last = budgets[0], budgets[-1]
    said = (
        f"`{root.name}`, {len(seeds)} {'seeds' if len(seeds) > 1 else 'seed'}: the area against random up to {last:,} "
        f"labels, in points. Random has {100 * at[REFERENCE, first]:.1f} % at {first:,} labels and "
        f"{100 * at[REFERENCE, last]:.1f} % at {last:,}."
    )
    return "\n".join([said, "", *lines, "", *([method(report.inference), ""] if len(seeds) > 1 else [])])


def read_report_up_to(root: Path, budgets: tuple[int, ...]) -> Report:
    """The report of the ablation's strategies at these label counts."""
    return read_report(
        root, strategies=[REFERENCE, *(s for called in PREDICTORS for s in specs(called))], budgets=budgets
    )


def specs(called: str) -> list[str]:
    """The canonical names of a row's strategies, in the order of ``BATCHES``."""
    return [resolve(PREDICTORS[called].format(batcher)).canonical for batcher in BATCHES]


def ranks(report: Report, strategies: list[str], labels: int) -> dict[str, float]:
    """Means over runs of how the predicted loss ranks the pool at ``labels``; empty where no run has measured it."""
    measured = [
        round_.diagnostics
        for run in report.runs
        if run.key.strategy in strategies
        for round_ in run.rounds
        if round_.num_labelled == labels and "loss_rank.pool.kendall" in round_.diagnostics
    ]
    if not measured:
        return {}
    return {name: mean_and_sd([found[f"loss_rank.pool.{name}"] for found in measured])[0] for name in RANKS}


def gain(report: Report, strategy: str) -> str:
    """The area against random in points, with its interval and verdict where there are seeds enough."""
    found = report.inference.of(REFERENCE)
    if (key := (strategy, SUPERVISED)) not in found.index or not math.isfinite(found.loc[key, "low"]):
        areas = report.summary.set_index("strategy")["area_mean"]
        return points(areas[strategy] - areas[REFERENCE], 1)
    difference, low, high = (points(found.loc[key, name], 1) for name in ("difference", "low", "high"))
    verdict = report.source.unranked.cited(key, in_words(report.inference.verdicts(key, REFERENCE)))
    return f"{difference} [{low}, {high}], {verdict}"
