"""The command lines that lead to an experiment's runs."""

from __future__ import annotations

import shlex

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import GROUP


def commands(curves: pd.DataFrame, source: Provenance) -> list[str]:
    """A line for those strategies and learners that have the same seeds and label counts, the largest part first."""
    plans: dict[tuple[tuple[int, ...], tuple[int, ...]], dict[str, list[str]]] = {}  # who has which learners
    for (strategy, learner), rows in groups(curves, GROUP).items():
        plan = tuple(sorted(set(rows["seed"].tolist()))), tuple(sorted(set(rows["labels"].tolist())))
        plans.setdefault(plan, {}).setdefault(strategy, []).append(learner)
    parts: list[tuple[list[str], list[str], tuple[int, ...], tuple[int, ...]]] = []
    for (seeds, labels), learners_of in plans.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for strategy, learners in learners_of.items():
            alike.setdefault(tuple(learners), []).append(strategy)
        parts += [(strategies, list(learners), seeds, labels) for learners, strategies in alike.items()]
    parts.sort(key=lambda part: -len(part[0]) * len(part[1]) * len(part[2]) * len(part[3]))
    return [_line(source, *part) for part in parts]


def _line(
    source: Provenance, strategies: list[str], learners: list[str], seeds: tuple[int, ...], labels: tuple[int, ...]
) -> str:
    protocol = source.protocol
    words = ["python run_benchmark.py --protocol", shlex.quote(str(protocol.get("name", source.experiment)))]
    words += ["--strategies", *map(shlex.quote, strategies)]
    if source.learners != ("supervised",):
        words += ["--learner", *map(shlex.quote, learners)]
    if list(labels) != list(protocol.get("ladder") or protocol.get("budgets") or labels):
        words += ["--budgets", *map(str, labels)]
    return " ".join([*words, "--seeds", *map(str, seeds)])
