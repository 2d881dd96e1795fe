"""What a run carries from round to round belongs to its file and to its data."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark.loop.carried import Carried


def test_state_is_never_taken_up_on_other_data_or_by_another_run(tmp_path: Path) -> None:
    run = tmp_path / "results" / "x" / "runs" / "random" / "supervised-seed0.jsonl"
    elsewhere = tmp_path / "results" / "y" / "runs" / "random" / "supervised-seed0.jsonl"
    Carried(tmp_path / "cache", run, "a" * 64).save(2, {"probs": torch.ones(3)})
    assert Carried(tmp_path / "cache", run, "a" * 64).latest(5) == 2
    for path, data in ((run, "b" * 64), (elsewhere, "a" * 64), (run, "a" * 63 + "b")):
        other = Carried(tmp_path / "cache", path, data)
        assert (other.latest(5), other.load(2)) == (0, {})
