"""A protocol so small that a round takes a few hundredths of a second, and the command line on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import run_benchmark
from benchmark.experiment import Protocol
from benchmark.experiment.keys import RunKey
from benchmark.loop.task import RunTask
from benchmark.results.paths import run_path

TIMELY = (
    "seconds",
    "sha256",
    "calibration_seconds",
    "shared_training",
    "commit",
    "experiment",
    "previous_sha256",
)  # fields that differ between equal runs
PROTOCOL = """\
description = "Digits, tiny."
dataset = "digits"
strategies = ["random", "margin"]
seeds = [0, 1]
budgets = [10, 20, 30]

[model]
name = "cnn"
parameters = { width = 4, hidden = 16, dropout = 0.1 }

[recipe]
learning_rate = 0.1
nesterov = true
min_steps = 12
batch_size = 16
augmentation = "crop"
strong_augmentation = "strong-no-flip"
precision = "float32"
"""


def bench(folder: Path, *arguments: str, report: bool = False) -> int:
    """Run the command line on the tiny protocol with everything in ``folder``; the exit status.

    Without ``report`` no tables and figures are drawn, which takes longer than the runs. In this process, unless
    the arguments say ``--workers``.
    """
    toml = folder / "tiny.toml"
    if not toml.exists():
        toml.write_text(PROTOCOL)
    places = [f"--{place}-dir={folder / place}" for place in ("data", "results", "cache")]
    workers = [] if "ray" in arguments else ["--workers", "1"]
    command = ["--protocol", str(toml), "--device", "cpu", *workers, *places, *arguments]
    if "--verify" in arguments:
        command = ["--device", "cpu", *workers, places[0], *arguments]
    elif {"--list", "--report", "--compare"} & set(arguments):
        command = [*arguments]
    try:
        if report:
            return run_benchmark.main(command)
        with patch("benchmark.commands.computing.show"):
            return run_benchmark.main(command)
    except SystemExit as leave:  # argparse's way
        return leave.code if isinstance(leave.code, int) else 1


def run_task(folder: Path, protocol: Protocol, key: RunKey) -> RunTask:
    """A run to compute on the CPU, with everything in ``folder``, of a strategy that the caller has."""
    return RunTask(
        key=key,
        reference=key.strategy,
        source_sha256=None,
        protocol=protocol,
        path=run_path(folder / "results" / "made-up", key),
        cache=folder / "cache",
        data_dir=folder / "data",
        dataset_sha256="0" * 64,
        manifest_sha256="0" * 64,
        device="cpu",
    )


def experiment(folder: Path) -> Path:
    """The folder of the only experiment there is."""
    (description,) = folder.glob("results/*/experiment.json")
    return description.parent


def run_lines(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All lines of all runs by their path, without what depends on time and on who was first."""
    runs = experiment(folder) / "runs"
    return {
        str(path.relative_to(runs)): [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
        for path in sorted(runs.glob("*/*.jsonl"))
    }


def _timeless(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in TIMELY}


def plugin(folder: Path, source: str, name: str = "mine.py") -> str:
    """Write a plugin module with this class body for ``Mine``; what ``--strategies`` calls it."""
    text = "import torch\nfrom torch import Tensor\nfrom strategies import ScoreStrategy, Strategy\n\n\n" + source
    (folder / name).write_text(text)
    return f"{folder / name}:Mine"


SCORES = """\
class Mine(ScoreStrategy):
    def score(self, pool):
        return pool.probs[:, 0]
"""

RAISES = """\
class Mine(Strategy):
    def select(self, pool, n, generator):
        if len(pool.indices) > 1000:  # a run's pool, not one of the check's
            raise RuntimeError("no luck\\ntoday")
        return torch.randperm(len(pool.indices), generator=generator)[:n]
"""
