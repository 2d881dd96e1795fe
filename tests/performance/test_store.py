"""A run's file: appending the lines of a run, until they are on the disk, and reading it.

    python -m pytest -o addopts= tests/performance/test_store.py

The baseline rewrites the whole run after every round: a file beside it, fsync, rename. Lines are those of
a run of 10 rounds that acquires 1,000 labels in each. Depends on the disk; without meaning under ``PERF_CLOCK=cpu``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from comparison import compare, size, timed
from support.report_lines import header_of, round_of, write_lines

from benchmark.experiment.keys import RunKey
from benchmark.results import lines, store
from benchmark.results.records import RoundRecord, RunHeader
from benchmark.results.run_file import RunFile

ACQUIRED = size(1000, 10)
ROUNDS = 10
HEADER: RunHeader = header_of(RunKey("random", "supervised", 0), ACQUIRED)


def round_like_a_real_one(number: int) -> RoundRecord:
    return round_of(
        number,
        ACQUIRED * (number + 1),
        accuracy=12 / 100,
        ece=0.123456789 - 12 / 100,
        bins=((100, 0.123456789, 12),) * 15,
        class_accuracy=(12 / 100,) * 10,
        acquired_indices=tuple(range(ACQUIRED * (number + 1), ACQUIRED * (number + 2))),
        acquired_labels=tuple(i % 10 for i in range(ACQUIRED)),
    )


RECORDS = [round_like_a_real_one(number) for number in range(ROUNDS)]


@pytest.mark.benchmark(group="store")
def test_append_a_run(benchmark: Any, tmp_path: Path) -> None:
    path = tmp_path / "experiment" / "runs" / "random" / "supervised-seed0.jsonl"

    def append() -> None:
        path.unlink(missing_ok=True)
        with RunFile(path) as file:
            file.append_header(HEADER)
            for record in RECORDS:
                file.append_round(record)

    def rewrite() -> None:
        beside, whole = tmp_path / "beside", tmp_path / "whole"
        for end in range(ROUNDS + 1):
            with beside.open("wb") as file:
                file.write(lines.header_bytes(HEADER) + b"\n")
                file.writelines(lines.round_bytes(record, "0" * 64) + b"\n" for record in RECORDS[:end])
                file.flush()
                os.fsync(file.fileno())
            beside.replace(whole)

    compare(benchmark, timed(append), timed(rewrite), items=(ROUNDS + 1, ROUNDS + 1), unit="lines")


@pytest.mark.benchmark(group="store")
def test_read_a_run(benchmark: Any, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.jsonl", HEADER, RECORDS)

    def read() -> None:
        record = store.read_run(path)
        assert record is not None
        assert len(record.rounds) == ROUNDS

    compare(benchmark, timed(read))
