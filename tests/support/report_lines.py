"""Runs on disk for the tests of reports: lines of made-up learning curves; and what a results page says of them."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

BUDGETS = [20, 40, 60, 80]


def accuracy_of(strategy: str, seed: int, labels: int) -> float:
    """A deterministic curve: rising, with its own slope and seed effect."""
    slope = {"random": 0.2, "margin": 0.26, "entropy": 0.23}.get(strategy, 0.2 + 0.01 * (len(strategy) % 7))
    wobble = 0.01 * math.sin(labels + 3 * seed + len(strategy))
    return round(0.5 + slope * math.log10(labels / 20 + 1) + 0.01 * seed + wobble, 4)


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
    slug = re.sub(r"[^A-Za-z0-9._=+-]+", "-", strategy).strip("-") or "x"
    path = root / "runs" / slug / f"{learner}-seed{seed}{'' if attempt == 1 else f'.{attempt}'}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = {
        "kind": "header",
        "format": 1,
        "strategy": strategy,
        "learner": learner,
        "seed": seed,
        "experiment": root.name,
        "fingerprint": "f" * 64,
        "engine": 1,
        "versions": {"acqbench": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "numpy": "2.2.0"},
        "device": "cpu (X)",
        "commit": "abcdef0",
        "dataset": {"name": "mnist", "sha256": "0123456789abcdef" * 4, "note": ""},
        "plugin_sha256": None,
        **header,
    }
    lines = [first]
    for i, labels in enumerate(budgets):
        accuracy = accuracy_of(strategy, seed, labels) + shift
        seconds = {"train": 1.23456 + i, "query": 0.5, "evaluate": 0.1}
        line = {"kind": "round", "round": i, "labels": labels, "accuracy": accuracy, "nll": 1 / 3, "ece": 0.1}
        lines.append({**line, "seconds": seconds, "bought": [1] if i < len(budgets) - 1 else [], "shared": i == 0})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return path


def write_experiment(root: Path, budgets: list[int] = BUDGETS, **protocol: Any) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    described = {"name": root.name, "dataset": "mnist", "budgets": budgets, "description": "A test.", **protocol}
    (root / "experiment.json").write_text(
        json.dumps({"name": root.name, "fingerprint": "f" * 64, "protocol": described})
    )
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
