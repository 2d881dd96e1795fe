"""The table on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from support.report_lines import write_grid

from benchmark.reports import console_table, write_report
from benchmark.reports.rendering.tables.cells import decimals


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


@pytest.mark.parametrize(
    "strategies", [["random", "margin"], [f"typiclust[clusters={n}00,neighbours=20]" for n in range(9)]]
)
def test_the_console_table_fits_100_columns(tmp_path: Path, strategies: list[str]) -> None:
    report = write_report(write_grid(tmp_path / "e", strategies, budgets=list(range(1000, 15001, 1000))))
    out = io.StringIO()
    Console(file=out, width=100).print(console_table(report))
    assert "15000" in out.getvalue()
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 100
    for value in report.summary["final_mean"]:
        assert f"{100 * value:.{decimals(report.accuracy['sd'])}f} ±" in out.getvalue()
