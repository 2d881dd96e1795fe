"""Runs as Ray tasks; skipped where the extra is not installed."""

from pathlib import Path

import pytest
from support.tiny import bench, run_lines

pytest.importorskip("ray", reason="the extra 'ray' is not installed")


def test_ray_computes_the_same_bits(tmp_path: Path) -> None:
    for folder, executor in ((tmp_path / "here", "local"), (tmp_path / "ray", "ray")):
        folder.mkdir()
        assert bench(folder, "--strategies", "random", "margin", "--seeds", "0", "--executor", executor) == 0
    here, there = run_lines(tmp_path / "here"), run_lines(tmp_path / "ray")
    assert here.keys() == there.keys()
    for name, (_, *rounds) in here.items():
        for a, b in zip(rounds, there[name][1:], strict=True):
            assert {**a, "shared_training": None} == {**b, "shared_training": None}
