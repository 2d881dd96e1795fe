"""Seconds scaled by the speed of the machine, and what a table says of them."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.speed import UNIT, calibrated, calibrations, told
from benchmark.results.records import RoundRecord, RunRecord, Seconds

SAID = """
from benchmark.reports.statistics.speed import told
print(told([f"reason {i % 7}" for i in range(14)]))
"""


def test_the_most_frequent_reasons_come_first_and_ties_are_alphabetical() -> None:
    assert told(["b", "a", "b"]) == "b; a"
    assert told(["b", "a"]) == told(["a", "b"]) == "a; b"
    assert told([]) == ""


def test_reasons_come_in_the_same_order_in_every_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", SAID],
            env={"PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in (1, 2, 3)
    }
    assert found == {"; ".join(f"reason {i}" for i in range(7)) + "\n"}


def timed_round(
    number: int, train: float, query: float, calibration: float | None, shared: bool = False
) -> RoundRecord:
    record = round_of(number, 20 * (number + 1), 20, shared_training=shared)
    return replace(record, seconds=Seconds(train, query, 0.0), calibration_seconds=calibration)


def timed_run(strategy: str, *rounds: RoundRecord, seed: int = 0) -> RunRecord:
    return RunRecord(header_of(RunKey(strategy, "supervised", seed)), rounds, Path())


TRAINED = timed_run("random", timed_round(0, 3.0, 0.5, 0.010), timed_round(1, 4.0, 0.0, 0.010))
TAKEN = timed_run("margin", timed_round(0, 3.0, 1.0, 0.002, shared=True), timed_round(1, 4.0, 0.0, 0.002))


def test_a_shared_training_is_scaled_by_the_calibration_of_the_run_that_trained() -> None:
    of_run = calibrations([TAKEN, TRAINED])
    assert list(of_run(TRAINED)) == [(0.010, 0.010), (0.010, 0.010)]
    assert list(of_run(TAKEN)) == [(0.010, 0.002), (0.002, 0.002)]
    totals = calibrated([TAKEN, TRAINED], 40).set_index("strategy")["calibrated"] / UNIT
    assert totals["random"] == pytest.approx(3 / 0.010 + 0.5 / 0.010 + 4 / 0.010)
    assert totals["margin"] == pytest.approx(3 / 0.010 + 1 / 0.002 + 4 / 0.002)


def test_of_a_training_by_a_run_that_is_not_there_those_who_took_it_over_share_one_calibration() -> None:
    others = [
        timed_run(f"s{i}", timed_round(0, 3.0, 0.0, speed, shared=True)) for i, speed in enumerate((1.0, 2.0, 9.0))
    ]
    of_run = calibrations([*others, timed_run("random", timed_round(0, 3.0, 0.0, 5.0), seed=1)])
    assert [list(of_run(run)) for run in others] == [[(2.0, 1.0)], [(2.0, 2.0)], [(2.0, 9.0)]]


def test_an_untimed_training_has_no_calibrated_seconds() -> None:
    untimed = timed_run("random", timed_round(0, 3.0, 0.0, None), timed_round(1, 4.0, 0.0, 0.01))
    assert calibrated([untimed], 40)["calibrated"].isna().all()
    shared = timed_run("random", timed_round(0, 3.0, 0.0, None, shared=True))
    assert all(math.isnan(value) for pair in calibrations([shared])(shared) for value in pair)
