"""The cache stays below its limit, and what a person answered stays whatever it takes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.tiny import bench

from benchmark.campaign import cache_limit
from benchmark.campaign.cache_limit import keep_below

DAY = 24 * 3600.0


def write(path: Path, size: int, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_the_longest_unused_goes_first_and_nothing_that_may_be_in_use(tmp_path: Path) -> None:
    oldest = write(tmp_path / "carried" / "run-1" / "round3.pt", 100, 9)
    index = write(tmp_path / "runs-1.sqlite", 100, 8)
    middle = write(tmp_path / "embeddings" / "0a" / "train-00000.pt", 100, 5)
    young = write(tmp_path / "round0" / "b.pt", 1000, 0.5)
    answers = write(tmp_path / "answers" / "mine.jsonl", 1000, 99)
    other = write(tmp_path / "notes.txt", 1000, 99)
    assert keep_below(tmp_path, 1300) == ""
    assert keep_below(tmp_path, 1150).startswith(f"{tmp_path}: removed the 2 files that were not used for longest, ")
    assert not oldest.parent.exists()
    assert not index.exists()
    assert middle.exists()
    keep_below(tmp_path, 0)
    assert not middle.exists()
    assert young.exists()
    assert answers.exists()
    assert other.exists()
    assert keep_below(tmp_path / "not there", 0) == ""


def test_a_campaign_cleans_up_and_what_it_uses_counts_as_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0", "1", "--budgets", "10") == 0
    models = sorted((tmp_path / "cache" / "round0").glob("*.pt"))
    for path in models:
        os.utime(path, (0, 0))
    assert bench(tmp_path, "--strategies", "margin", "--seeds", "0", "--budgets", "10") == 0  # uses one of them
    assert sorted(path.stat().st_mtime > 0 for path in models) == [False, True]
    monkeypatch.setattr(cache_limit, "LIMIT", 0)
    assert bench(tmp_path, "--strategies", "entropy", "--seeds", "0", "--budgets", "10") == 0
    assert "removed the 1 files" in capsys.readouterr().out
    assert sum(path.exists() for path in models) == 1
