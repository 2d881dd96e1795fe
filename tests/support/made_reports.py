"""Made-up learning curves as tables, and reports of them without files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.seeds import REFERENCE, horizon
from benchmark.reports.statistics.views import views
from benchmark.reports.unranked import Unranked

LABELS = [10, 20, 50, 100]


def curves_with_effects(names: list[str], seeds: int, rng: int = 0) -> pd.DataFrame:
    """Curves with an effect of the seed, which pairing removes; all start alike."""
    draw = np.random.default_rng(rng)
    effect = draw.normal(0, 0.05, seeds)
    rows = [
        (name, seed, b, 0.6 + effect[seed] + (0.02 * i * j + draw.normal(0, 0.02) if j else 0))
        for i, name in enumerate(names)
        for seed in range(seeds)
        for j, b in enumerate(LABELS)
    ]
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "labels", "accuracy"])
    return frame.assign(learner="supervised", train_seconds=1.0, query_seconds=0.1)


def area_of(curves: pd.DataFrame, name: str) -> np.ndarray:
    """Areas by seed, by NumPy's trapezoids."""
    table = curves[curves["strategy"] == name].pivot(index="seed", columns="labels", values="accuracy")
    return np.trapezoid(table.to_numpy(), LABELS, axis=1) / (LABELS[-1] - LABELS[0])


def rising_curves(strategies: int, seeds: int, labels: int, learners: int = 1) -> pd.DataFrame:
    """Rising curves that lie close together at the end; some names are long."""
    rng = np.random.default_rng(0)
    names = ["random", *(f"strategy-{i}[with=a,long=name]" if i % 5 == 0 else f"method{i}" for i in range(1, 40))]
    axes = itertools.product(names[:strategies], ("supervised", "fixmatch")[:learners], range(seeds), range(labels))
    frame = pd.DataFrame(axes, columns=["strategy", "learner", "seed", "labels"])
    speed = frame["strategy"].map({name: 0.2 + 0.01 * i for i, name in enumerate(names)})
    accuracy = 0.95 - 0.35 * np.exp(-speed * frame["labels"]) + rng.normal(0, 0.003, len(frame))
    return frame.assign(labels=20 * frame["labels"] + 20, accuracy=accuracy, train_seconds=1.0, query_seconds=0.1)


def curves_of(accuracies: dict[str, np.ndarray], labels: Sequence[int]) -> pd.DataFrame:
    """Curves of given accuracies (seeds, labels) by strategy; each round trains 10 seconds longer."""
    rows = [
        (name, "supervised", seed, count, array[seed, k], 10.0 * (k + 1), 0.5 * len(name) if k < 2 else math.nan)
        for name, array in accuracies.items()
        for seed in range(len(array))
        for k, count in enumerate(labels)
    ]
    columns = ["strategy", "learner", "seed", "labels", "accuracy", "train_seconds", "query_seconds"]
    return pd.DataFrame(rows, columns=columns)


def report_of(
    curves: pd.DataFrame,
    diagnostic: Sequence[str] = (),
    baseline: str | None = None,
    target: float | None = None,
    reference: str = REFERENCE,
) -> Report:
    """A report of the curves, which has no runs."""
    unranked = Unranked(tuple(diagnostic))
    source = Provenance(
        results_version=None,
        experiment="e",
        protocol={"name": "e"},
        fingerprint="f" * 64,
        strategies=tuple(dict.fromkeys(curves["strategy"])),
        learners=tuple(dict.fromkeys(curves["learner"])),
        seeds=tuple(sorted(set(curves["seed"]))),
        datasets=(("mnist", "0" * 64, ""),),
        devices=("cpu",),
        engines=(1,),
        versions={},
        commits=("abcdef0",),
        plugins=(),
        unranked=unranked,
        marked=frozenset(),
        footnotes=(),
    )
    last = int(curves["labels"].max())
    both = views(curves, horizon(curves, last), unranked, reference)
    return Report(Path("e"), [], curves, last, both, source, [], baseline, target, reference)
