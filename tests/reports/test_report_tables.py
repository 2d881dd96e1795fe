"""The tables of comparisons: what they print, what they leave empty and say so, and their LaTeX."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import write_grid, write_run

from benchmark.reports import read_report
from benchmark.reports.findings import tables
from benchmark.reports.report import Report
from benchmark.reports.tables.render import Cell, Table, latex, markdown


def tables_of(report: Report) -> dict[str, Table]:
    return {table.name: table for table in tables(report.findings, report.views, report.source)}


def test_few_seeds_leave_cells_empty_and_the_caption_says_so(tmp_path: Path) -> None:
    report = read_report(write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=2))
    made = tables_of(report)
    row = next(row for row in made["tests"].rows if row[0].text == "margin")
    assert [row[made["tests"].header.index(column)].text for column in ("p", "Holm", "Wilcoxon", "W–T–L")] == ["–"] * 4
    assert "*" not in "".join(cell.text for row in made["tests"].rows for cell in row)
    assert "2 seeds are too few for a t-test (from 3 on): its cells are empty." in made["tests"].caption
    assert "2 seeds are too few for Wilcoxon's signed-rank test (from 9 on)" in made["tests"].caption
    assert "2 seeds are too few for a bootstrap interval (from 5 on)" in made["labels"].caption
    assert "2 seeds are too few for a t-test" in made["pairwise"].caption
    assert {cell.text for row in made["pairwise"].rows for cell in row[1:]} == {"–", ""}


def test_marks_are_those_of_holm_and_the_baseline_can_be_chosen(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=5)
    report = read_report(root, baseline="entropy")
    table = tables_of(report)["tests"]
    assert table.header.count("95 % interval") == 2
    assert "vs. entropy" in table.header
    tests = report.findings.tests.set_index(["strategy", "reference"])
    for row in table.rows:
        for reference in ("random", "entropy"):
            if (row[0].text, reference) in tests.index:
                marked = row[table.header.index(f"vs. {reference}")].text.endswith("*")
                assert marked == (tests.loc[(row[0].text, reference), "p_holm"] < 0.05)
    assert tests["p_holm"].lt(0.05).any()
    assert "Holm's correction over the 3 tests" in table.caption
    for part in ("Protocol e", "seeds 0–4", "cpu (X)", "torch 2.15.0", "SHA-256 0123456789ab", "abcdef0", "ffffffff"):
        assert part in table.source
    assert read_report(root, target=0.6).views[0].saved["target"].eq(0.6).all()


def test_a_report_of_unequal_seeds_prints_the_seeds_it_compares(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin"], seeds=4)
    write_run(root, "margin", 7)
    report = read_report(root)
    assert report.findings.tests["n"].tolist() == [4]
    assert "mean over 4 seeds" in tables_of(report)["tests"].caption
    assert any("seed 7, which random did not run" in note for note in report.notes)


def table_with(*cells: Cell) -> Table:
    return Table("t", "t", pd.DataFrame(), ["a", "b"], [[Cell("x"), cell] for cell in cells], "c", "s")


@pytest.mark.parametrize(
    ("cells", "column", "shown"),
    [
        ([Cell("+10.5*"), Cell("−2.25"), Cell("–")], "S[table-format=+2.2, table-space-text-post={*}]", "-2.25"),
        ([Cell("3"), Cell("12")], "S[table-format=2]", "12"),
        ([Cell("1.5"), Cell("<0.01")], "r", r"\textless{}0.01"),
        ([Cell("1.5", bold=True), Cell("1.4")], "r", r"\textbf{1.5}"),
        ([Cell("1.5", spread="0.1")], "r", r"1.5 $\pm$ 0.1"),
        ([Cell("–")], "r", "--"),
    ],
)
def test_columns_of_plain_numbers_are_set_by_siunitx(cells: list[Cell], column: str, shown: str) -> None:
    text = latex(table_with(*cells))
    assert rf"\begin{{tabular}}{{l{column}}}" in text
    assert f"x & {shown}" in text
    assert ("& {b}" in text) == column.startswith("S")


def test_a_mark_is_escaped_in_markdown() -> None:
    assert re.search(r"\+1\.5\\\*", markdown(table_with(Cell("+1.5*"))))


def test_a_column_of_one_character_has_a_rule_that_markdown_takes() -> None:
    header, rule, *_ = markdown(table_with(Cell("–"), Cell("–"))).splitlines()
    assert (header, rule) == ("| a  |  b |", "| :- | -: |")
