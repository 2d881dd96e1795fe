"""The fixed computation that is timed beside each round."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from support.tiny import bench, experiment

from benchmark.loop.calibration import calibration_seconds
from benchmark.results.store import read_experiment


def test_it_takes_time_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    assert 0 < calibration_seconds(torch.device("cpu")) < 60
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_each_round_records_it_and_no_other_seconds_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(device: torch.device) -> float:
        time.sleep(1.5)
        return 0.125

    monkeypatch.setattr("benchmark.loop.run.calibration_seconds", slow)
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0") == 0
    (run,) = read_experiment(experiment(tmp_path)).runs
    assert [record.calibration_seconds for record in run.rounds] == [0.125] * 3
    assert all(value < 1.5 for record in run.rounds for value in vars(record.seconds).values())
