"""The table at the head of docs/results.md: what each strategy gains over random in each setting."""

from __future__ import annotations

from pathlib import Path

from benchmark.reports import Report, read_report
from benchmark.reports.rendering.tables.cells import points
from benchmark.reports.statistics.seeds import REFERENCE, SUPERVISED

SETTINGS = {  # experiments, and what their columns are called
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar10-short": "CIFAR-10, short trainings",
    "cifar10-embeddings": "CIFAR-10, embeddings",
    "cifar10-embeddings-2000": "CIFAR-10, embeddings",
    "cifar10-embeddings-10000": "CIFAR-10, embeddings",
    "mnist-embeddings": "MNIST, embeddings",
}
MARKS = {"better": " ▲", "worse": " ▼", "equivalent": " =", "undecided": ""}


def table(results: Path) -> str:
    """A row per strategy: the gain in area over random in each setting where it was run, with its verdict.

    Those better in most settings, less those in which they are worse, come first; then those of the higher mean gain.
    """
    reports = {name: read_report(results / name) for name in SETTINGS}
    gains = {name: _gains(report) for name, report in reports.items()}
    strategies = {strategy for own in gains.values() for strategy in own}
    found = {who: {name: own[who] for name, own in gains.items() if who in own} for who in strategies}
    shown = sorted(found, key=lambda who: _place(who, found[who]))
    heads = [
        f"{words}, to {_last(reports[name]):,} ({_seeds(reports[name])} seeds)" for name, words in SETTINGS.items()
    ]
    lines = [f"| strategy | {' | '.join(heads)} |", f"| :-- |{' --: |' * len(heads)}"]
    for who in shown:
        cells = [_cell(*found[who][name]) if name in found[who] else "" for name in SETTINGS]
        lines.append(f"| {who} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _gains(report: Report) -> dict[str, tuple[float, str, str]]:
    """By strategy: the difference in area to random, its verdict, and the mark of what is not ranked."""
    rows = report.inference.of(REFERENCE)
    return {
        strategy: (float(row["difference"]), str(row["verdict"]), report.source.unranked.mark((strategy, learner)))
        for (strategy, learner), row in rows.iterrows()
        if learner == SUPERVISED and strategy not in report.source.unranked.diagnostic
    }


def _place(strategy: str, found: dict[str, tuple[float, str, str]]) -> tuple[int, float, str]:
    verdicts = [verdict for _, verdict, _ in found.values()]
    mean = sum(gain for gain, _, _ in found.values()) / len(found)
    return verdicts.count("worse") - verdicts.count("better"), -mean, strategy


def _cell(gain: float, verdict: str, unranked: str) -> str:
    return f"{points(gain, 1)}{MARKS[verdict]}{unranked}"


def _last(report: Report) -> int:
    return int(report.summary["labels"].iloc[0])


def _seeds(report: Report) -> str:
    counts = sorted({int(n) for n in report.inference.family["n"]})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
