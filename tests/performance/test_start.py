"""From the command to the first training step, on a warm disk: the whole command in a process of its own.

    python -m pytest -o addopts= tests/performance/test_start.py

A run's file appears, with its header, when data are read, workers are up and the first training begins; the first
step is some milliseconds later. Needs MNIST and CIFAR-10 in ``data/``. ``--list`` is the whole command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from comparison import CPU_TIME, SMOKE, compare

CHECKOUT = Path(__file__).resolve().parents[2]
STEP, LIST = 5.0, 3.0  # seconds

pytestmark = pytest.mark.skipif(CPU_TIME, reason="what is measured is waiting, and processes beside this one")


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "run_benchmark.py"), *arguments]


@pytest.mark.benchmark(group="start")
def test_list(benchmark: Any) -> None:
    def listed() -> float:
        began = time.perf_counter()
        subprocess.run(command("--list"), check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    compare(benchmark, listed, limit=LIST)


@pytest.mark.benchmark(group="start")
@pytest.mark.parametrize("protocol", ["digits"] if SMOKE else ["digits", "mnist", "cifar10"])
def test_first_step(benchmark: Any, tmp_path: Path, protocol: str) -> None:
    turns = iter(range(1000))

    def first_step() -> float:
        folder = tmp_path / str(next(turns))
        (folder / "nothing").mkdir(parents=True)
        places = [
            "--published",
            folder / "nothing",
            "--results-dir",
            folder / "results",
            "--cache-dir",
            folder / "cache",
            "--data-dir",
            CHECKOUT / "data",
        ]
        asked = ["--strategies", "random", "margin", "--seeds", "0"]
        began = time.perf_counter()
        process = subprocess.Popen(
            command("--protocol", protocol, *asked, *map(str, places)), stdout=subprocess.DEVNULL, env=os.environ
        )
        try:
            while not any(folder.glob("results/*/runs/*/*.jsonl")):
                assert process.poll() is None, "the command ended before its first step"
                time.sleep(0.005)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()

    compare(benchmark, first_step, limit=STEP)
