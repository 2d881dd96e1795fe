"""A whole report of 10,050 lines: tables, figures and page.

python -m pytest -o addopts= tests/performance/test_report.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comparison import compare, size, timed
from support.report_lines import write_grid

from benchmark.reports import write_report

METHODS = size(66, 3)


@pytest.mark.benchmark(group="report")
def test_report_of_ten_thousand_lines(benchmark: Any, tmp_path: Path) -> None:
    names = [f"method{i}" for i in range(METHODS)]
    root = write_grid(tmp_path / "e", [*names, "random"], 10, list(range(20, 301, 20)))
    lines: list[int] = []
    work = timed(lambda: lines.append(len(write_report(root).curves)))
    compare(benchmark, work, rounds=1, warm_up=False)
    assert lines == [(METHODS + 1) * 10 * 15]
