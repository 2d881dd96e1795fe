"""The table at the head of docs/results.md, against the lines themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from docs import overview

RESULTS = Path(__file__).resolve().parents[2] / "results"


def areas(experiment: str, strategy: str) -> dict[int, float]:
    """By seed, of the latest attempt: the trapezoids' mean accuracy in points."""
    found = {}
    for path in sorted((RESULTS / experiment / "runs" / strategy).glob("supervised-seed*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        rounds = [line for line in lines if line["kind"] == "round"]
        labels, accuracy = zip(*((line["num_labelled"], line["accuracy"]) for line in rounds), strict=True)
        key = (lines[0]["key"]["seed"], lines[0]["engine_version"])
        found[key] = 100 * np.trapezoid(accuracy, labels) / (labels[-1] - labels[0])
    return {seed: area for (seed, _), area in sorted(found.items())}


def test_gains_are_paired_means_of_areas_with_the_verdict_behind() -> None:
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in overview.table(RESULTS).splitlines()]
    assert len(head) == 1 + len(overview.SETTINGS)
    by_strategy = {row[0]: dict(zip(overview.SETTINGS, row[1:], strict=True)) for row in rows}
    for strategy, mark in (("margin", " ▲"), ("coreset", " ▼")):
        random, ours = (areas("cifar10-embeddings-10000", who) for who in ("random", strategy))
        assert random.keys() == ours.keys()
        gain = np.mean([ours[seed] - random[seed] for seed in ours])
        assert by_strategy[strategy]["cifar10-embeddings-10000"] == f"{gain:+.1f}{mark}".replace("-", "−")
    assert by_strategy["alfa-mix"]["cifar10"] == "", "it was not run there"
    assert by_strategy["bald"]["mnist-embeddings"].endswith("§")
    assert "random" not in by_strategy
    assert "greedy-oracle" not in by_strategy


def test_strategies_that_are_better_in_more_settings_come_first() -> None:
    rows = overview.table(RESULTS).splitlines()[2:]
    scores = [row.count("▲") - row.count("▼") for row in rows]
    assert scores == sorted(scores, reverse=True)
