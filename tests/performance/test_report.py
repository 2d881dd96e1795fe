"""A whole report of 10,050 lines: tables, figures and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from report_lines import write_grid

from benchmark.reports import write_report


def test_report_of_ten_thousand_lines(benchmark: Any, tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", [f"method{i}" for i in range(66)] + ["random"], 10, list(range(20, 301, 20)))
    report = benchmark.pedantic(write_report, args=(root,), rounds=1)
    assert len(report.curves) == 10_050
