"""What a measurement depends on goes into pytest-benchmark's record, under ``machine_info["conditions"]``."""

from __future__ import annotations

import os
from typing import Any

import torch
from comparison import CPU_TIME, ROUNDS, SMOKE

from benchmark.results import environment


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Machine, versions, threads and clock, a line each."""
    versions = ", ".join(f"{name} {version}" for name, version in environment.libraries().items())
    clock = "CPU seconds of the working process" if CPU_TIME else "wall-clock"
    sizes = "tiny, so the numbers say nothing" if SMOKE else "as the files state"
    machine_info["conditions"] = [
        f"machine: {environment.device_name(torch.device('cpu'))}, {os.cpu_count()} cores",
        f"versions: {versions}; commit {environment.commit()}",
        f"threads: {torch.get_num_threads()}; clock: {clock}",
        f"sizes: {sizes}; rounds: {ROUNDS}, of queries at most 3",
    ]
