"""A report as a whole: its files, and what it takes to write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.report_lines import BUDGETS, write_experiment, write_grid, write_run

from benchmark.reports import read_report, write_report

TABLES = ("accuracy", "summary", "premises", "tests", "signs", "labels", "pairwise", "cost")
SINGLE = ("accuracy-single", "areas-single", "signs-single", "calibration-single")  # a column of a paper wide
FIGURES = ("accuracy", "areas", "signs", "labels-saved", "pairwise", "calibration", "seconds", *SINGLE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


@pytest.mark.parametrize("budgets", [None, [999]])
def test_an_experiment_without_a_complete_round_is_refused(tmp_path: Path, budgets: list[int] | None) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "random", 0, [] if budgets is None else BUDGETS)
    with pytest.raises(ValueError, match=r"'e' has no complete round .* run it first"):
        read_report(root, budgets=budgets)
    assert not (root / "README.md").exists()


def test_written_twice_gives_the_same_bytes(root: Path) -> None:
    """In another process, with another hash seed, from another working directory."""

    def contents() -> dict[str, bytes]:
        made = [p for p in root.rglob("*") if p.is_file() and "runs" not in p.parts]
        return {str(p.relative_to(root)): p.read_bytes() for p in made}

    write_report(root)
    first = contents()
    code = f"from pathlib import Path; from benchmark.reports import write_report; write_report(Path({str(root)!r}))"
    here = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": here, "PYTHONHASHSEED": "7"}, cwd="/")
    assert contents() == first
    assert set(first) == {
        *("curves.csv", "README.md", "index.html", "experiment.json", "tables/strategies.bib"),
        *(f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "md", "tex")),
        *(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf")),
    }


def test_nothing_unfinished_is_left_behind(root: Path) -> None:
    write_report(root)
    assert not [path for path in root.rglob(".*") if path.is_file()]


def test_a_single_label_count_is_reported(tmp_path: Path) -> None:
    report = write_report(write_grid(tmp_path / "e", ["random", "margin"], budgets=[500]))
    assert (report.root / "figures" / "accuracy.png").stat().st_size > 5000
    assert report.summary["area_mean"].tolist() == report.summary["final_mean"].tolist()


def test_reports_need_no_torch() -> None:
    code = "import sys, benchmark.reports; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
