"""The table on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from support.report_lines import BUDGETS, write_grid, write_run

from benchmark.reports import console_table, read_report, write_report
from benchmark.reports.rendering.tables.cells import decimals


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


def test_columns_over_other_seeds_say_so(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin"], seeds=3)
    out = io.StringIO()
    Console(file=out, width=100).print(console_table(read_report(root)))
    assert "seeds  " not in out.getvalue()
    write_run(root, "entropy", 0)
    write_run(root, "entropy", 2)
    write_run(root, "entropy", 1, BUDGETS[:2])
    Console(file=out, width=100).print(console_table(read_report(root)))
    *_, row = (line for line in out.getvalue().splitlines() if line.split()[:1] == ["seeds"])
    assert row.split()[1:3] == ["0–2", "0–2"]
    assert set(row.replace("0, 2", "0,2").split()[3:]) == {"0,2"}


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


def test_each_mark_is_explained_where_it_appears(tmp_path: Path) -> None:
    def said(root: Path) -> list[str]:
        out = io.StringIO()
        Console(file=out, width=100).print(console_table(read_report(root)))
        return [line.rstrip() for line in out.getvalue().splitlines() if line[:1] in "*±†‡§" and line.strip()]

    root = write_grid(tmp_path / "mnist", ["random", "margin"], seeds=1)
    assert said(root) == []
    for seed in range(8):
        write_run(root, "random", seed)
        write_run(root, "margin", seed, shift=0.05)
    assert said(root) == ["± standard deviation over seeds", "* better or worse than random in area, after correction"]
    write_run(root, "oracle", 0, diagnostic=True, device="cuda")
    assert [line[0] for line in said(root)] == ["±", "*", "†", "‡"]
    assert said(root)[-1] == "‡ diagnostic, uses true labels: not ranked"
