"""The command line's replays of the tiny experiment, and what they left."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import run_benchmark
from benchmark.results.store import read_experiment


def replay(folder: Path, *arguments: str, given: str | Path = "tiny") -> int:
    """The command line's replay of the tiny experiment."""
    places = [f"--{place}-dir={folder / place}" for place in ("data", "results", "cache")]
    command = ["--replay", str(given), "--device", "cpu", "--workers", "1", *places, *arguments]
    with patch("benchmark.commands.computing.show"):
        return run_benchmark.main(command)


def rounds(root: Path) -> dict[tuple[str, int], list[Any]]:
    return {(run.key.strategy, run.key.seed): list(run.rounds) for run in read_experiment(root).runs}


def experiments(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "results").glob("*replay*/experiment.json"))


def tiny_of(folder: Path) -> Path:
    (root,) = {
        path.parent for path in (folder / "results").glob("tiny*/experiment.json") if "replay" not in path.parent.name
    }
    return root
