"""Runs on disk for the tests of reports: lines of made-up learning curves; and what a results page says of them."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import ENGINE_VERSION
from benchmark.experiment.keys import RunKey
from benchmark.results import lines
from benchmark.results.paths import run_path
from benchmark.results.records import (
    DatasetRecord,
    EnvironmentRecord,
    ExperimentDescription,
    LabelsRecord,
    RoundRecord,
    RunHeader,
    Seconds,
)
from benchmark.results.store import read_run

BUDGETS = [20, 40, 60, 80]
LIBRARIES = {
    "acqbench": "0.1.0",
    "python": "3.11.7",
    "torch": "2.15.0",
    "numpy": "2.2.0",
    "scipy": "1.15.0",
    "scikit-learn": "1.6.0",
}
DATASET = DatasetRecord("mnist", "0123456789abcdef" * 4, "", "9" * 64, None)


def accuracy_of(strategy: str, seed: int, labels: int) -> float:
    """A deterministic curve: rising, with its own slope and seed effect."""
    slope = {"random": 0.2, "margin": 0.26, "entropy": 0.23}.get(strategy, 0.2 + 0.01 * (len(strategy) % 7))
    wobble = 0.01 * math.sin(labels + 3 * seed + len(strategy))
    value = 0.5 + slope * math.log10(labels / 20 + 1) + 0.01 * seed + wobble
    return round(value if value < 0.95 else 1 - 0.05 * math.exp((0.95 - value) / 0.05), 4)  # never reaches 1


def header_of(key: RunKey, initial: int = 20, **changes: Any) -> RunHeader:
    """A header with ``initial`` labels; ``changes`` are fields of it, or of its environment."""
    own = {name: changes.pop(name) for name in ("device", "libraries", "cpu_capability") if name in changes}
    header = RunHeader(
        key=key,
        experiment="made-up",
        fingerprint="f" * 64,
        engine_version=ENGINE_VERSION,
        strategy_version=1,
        learner_version=1,
        strategy_source_sha256=None,
        learner_source_sha256=None,
        model_source_sha256=None,
        strategy_check=None,
        diagnostic=False,
        dataset=DATASET,
        environment=replace(EnvironmentRecord("cpu (X)", LIBRARIES, "AVX2", 1, {}), **own),
        commit="abcdef0",
        feature_seed=None,
        initial=LabelsRecord(tuple(range(initial)), (0,) * initial, ()),
    )
    return replace(header, **changes)


def round_of(number: int, labels: int, acquired: int = 0, **changes: Any) -> RoundRecord:
    """A round on ``labels`` labels that acquires ``acquired`` more; ``changes`` are fields of it."""
    record = RoundRecord(
        round=number,
        num_labelled=labels,
        accuracy=0.5,
        nll=1 / 3,
        ece=0.1,
        bins=(),
        class_accuracy=(),
        checkpoint_accuracies=(),
        seconds=Seconds(train=1.23456 + number, query=0.5, evaluate=0.1),
        calibration_seconds=None,
        shared_training=number == 0,
        acquired_indices=tuple(range(labels, labels + acquired)),
        acquired_labels=(0,) * acquired,
        held_out_indices=(),
        diagnostics={},
    )
    return replace(record, **changes)


def write_run(
    root: Path,
    strategy: str,
    seed: int,
    budgets: list[int] = BUDGETS,
    *,
    learner: str = "supervised",
    attempt: int = 1,
    shift: float = 0.0,
    tail: str = "",
    **header: Any,
) -> Path:
    """A run's file, as the benchmark leaves it; ``header`` overrides fields of its first line."""
    key = RunKey(strategy, learner, seed)
    rounds = [
        round_of(i, labels, after - labels, accuracy=accuracy_of(strategy, seed, labels) + shift)
        for i, (labels, after) in enumerate(itertools.pairwise([*budgets, *budgets[-1:]]))
    ]
    return write_lines(
        run_path(root, key, attempt), header_of(key, budgets[0] if budgets else 20, **header), rounds, tail
    )


def write_lines(path: Path, header: RunHeader, rounds: list[RoundRecord], tail: str = "") -> Path:
    """A run's file from its records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [lines.header_bytes(header)]
    for record in rounds:
        written.append(lines.round_bytes(record, lines.digest(written[-1])))
    path.write_bytes(b"".join(line + b"\n" for line in written) + tail.encode())
    return path


def change_rounds(path: Path, change: Callable[[RoundRecord], RoundRecord]) -> None:
    """Rewrite a run with its rounds changed."""
    record = read_run(path)
    assert record is not None
    write_lines(path, record.header, [change(round_) for round_ in record.rounds])


def write_experiment(root: Path, budgets: list[int] = BUDGETS, *, fingerprint: str = "f" * 64, **protocol: Any) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    described = {"name": root.name, "dataset": "mnist", "budgets": budgets, "description": "A test.", **protocol}
    description = ExperimentDescription(root.name, None, fingerprint, described)
    (root / "experiment.json").write_bytes(lines.description_bytes(description))
    return root


def write_grid(
    root: Path, strategies: list[str], seeds: int = 3, budgets: list[int] = BUDGETS, **protocol: Any
) -> Path:
    write_experiment(root, budgets, **protocol)
    for strategy, seed in itertools.product(strategies, range(seeds)):
        write_run(root, strategy, seed, budgets)
    return root


def data_of(page: str) -> dict[str, Any]:
    """What the script of a results page draws."""
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return dict(json.loads(block))
