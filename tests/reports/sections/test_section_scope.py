"""Notes on what a comparison covers."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.report_lines import write_grid, write_run

from benchmark.reports import notes_of, read_report, write_report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


def test_mixed_machines_get_a_footnote(root: Path) -> None:
    write_run(root, "margin", 1, device="NVIDIA H200")
    report = write_report(root)
    assert "On NVIDIA H200 instead of cpu (X): margin (seed 1)." in notes_of(report)
    text = (root / "tables" / "summary.md").read_text()
    assert "| margin†" in text
    assert "| random " in text
    assert "† On NVIDIA H200" in text
    assert r"margin$^\dagger$" in (root / "tables" / "summary.tex").read_text()


def test_a_seed_left_out_is_named(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin", "entropy"], seeds=5)
    (root / "runs" / "margin" / "supervised-seed2.jsonl").unlink()
    report = write_report(root)
    assert "Left out at 20 to 80 labels: seed 2, which margin did not run." in notes_of(report)
    assert report.summary["n"].tolist() == [4, 4, 4]
    assert report.inference.of("random").loc[("entropy", "supervised"), "n"] == 5  # random has that seed too
    assert "margin did not run" in (root / "README.md").read_text()
    assert any("absent: no run on disk." in note for note in notes_of(read_report(root, ["random", "absent"])))


def test_a_strategy_without_a_complete_run_is_shown_but_not_ranked(root: Path) -> None:
    for seed in range(3):
        write_run(root, "broken", seed, [20, 40])
    report = write_report(root)
    assert report.summary.set_index("strategy").loc["broken", "n"] == 0
    assert report.summary["labels"].eq(80).all()
    assert "Not compared at 80 labels: broken." in notes_of(report)
    assert report.accuracy.query("strategy == 'broken'")["labels"].tolist() == [20, 40]
