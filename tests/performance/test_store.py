"""A run's file: appending a round's line, until it is on the disk, and reading the run.

    python -m pytest -o addopts= tests/performance/test_store.py

The baseline rewrites the whole run after every round, as safely: a file beside it, fsync, rename. Lines are those of
a run of 10 rounds that buys 1,000 labels in each. Depends on the disk; without meaning under ``PERF_CLOCK=cpu``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from comparison import compare, size, timed

from benchmark.results import store

BOUGHT = size(1000, 10)
ROUNDS = 10


def line(number: int) -> dict[str, Any]:
    """A round's line of the size of a real one."""
    bins = [[137, 0.123456789, 0.123456789]] * 15
    return {
        "kind": "round",
        "round": number,
        "labels": BOUGHT * (number + 1),
        "bought": [(7919 * i + number) % 50_000 for i in range(BOUGHT)],
        "answers": [i % 10 for i in range(BOUGHT)],
        "held_out": [],
        "accuracy": 0.123456789,
        "nll": 1.23456789,
        "ece": 0.0123456789,
        "bins": bins,
        "class_accuracy": [0.123] * 10,
        "seconds": {"train": 12.3456, "query": 1.2345, "evaluate": 0.1234},
        "shared": False,
        "diagnostics": {},
    }


LINES = [{"kind": "header", "format": store.FORMAT, "fingerprint": "f" * 64}, *map(line, range(ROUNDS))]


@pytest.mark.benchmark(group="store")
def test_append_a_run(benchmark: Any, tmp_path: Path) -> None:
    path = tmp_path / "experiment" / "runs" / "random" / "supervised-seed0.jsonl"

    def append() -> None:
        path.unlink(missing_ok=True)
        with store.RunFile(path, wait=True) as file:
            for each in LINES:
                file.append(each)

    def rewrite() -> None:
        beside, whole = tmp_path / "beside", tmp_path / "whole"
        for end in range(1, len(LINES) + 1):
            with beside.open("w") as file:
                file.writelines(json.dumps(each) + "\n" for each in LINES[:end])
                file.flush()
                os.fsync(file.fileno())
            beside.replace(whole)

    compare(benchmark, timed(append), timed(rewrite), items=(len(LINES), len(LINES)), unit="lines")


@pytest.mark.benchmark(group="store")
def test_read_a_run(benchmark: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in LINES))

    def read() -> None:
        record = store.read_run(path)
        assert record is not None
        assert len(record.rounds) == ROUNDS

    compare(benchmark, timed(read))
