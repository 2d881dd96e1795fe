"""Tables as Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_lines import write_grid

from benchmark.reports import write_report
from benchmark.reports.rendering.tables import table as render
from benchmark.reports.rendering.tables.cells import marked_best, thin_out
from benchmark.reports.rendering.tables.table import Cell, Table, latex, markdown

NASTY = ["my_module:Mine[a=1,b=50%]", "[odd]", "*a&b#c$d^e~f{g}h\\i|<j>"]


def table_with(*cells: Cell) -> Table:
    return Table(pd.DataFrame(), ["a", "b"], [[Cell("x"), cell] for cell in cells], "c", source="s")


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


def test_bold_marks_equal_digits_but_not_everything() -> None:
    def bold(*means: float) -> list[bool]:
        return [cell.bold for cell in marked_best(pd.Series(means), pd.Series([math.nan] * len(means)), 1)]

    assert bold(0.9012, 0.9013, 0.8) == [True, True, False]
    assert bold(0.9, 0.9) == [False, False]
    assert bold(0.9, math.nan, 0.8) == [True, False, False]
    assert bold(0.9) == [False]


@pytest.mark.parametrize(("n", "most"), [(15, 10), (10, 10), (12, 10), (40, 10), (20, 6), (3, 6), (1, 6), (15, 6)])
def test_long_ladders_are_thinned_out_evenly(n: int, most: int) -> None:
    counts = list(range(20, 20 * n + 1, 20))
    shown = thin_out(counts, most)
    assert len(shown) <= most
    assert len(shown) >= min(n, most // 2)
    assert (shown[0], shown[-1]) == (counts[0], counts[-1])
    gaps = np.diff(shown)
    assert n == 1 or gaps.max() - gaps.min() <= 20


def test_names_are_escaped(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "odd_50%", ["random", *NASTY], seeds=2)
    write_report(root)
    tex = (root / "tables" / "summary.tex").read_text()
    code = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert r"my\_module:Mine{[}a=1,b=50\%{]}" in code
    assert r"{*}a\&b\#c\$d\textasciicircum{}e\textasciitilde{}f\{g\}h\textbackslash{}i\textbar{}" in code
    assert not re.search(r"\\\\\s*[\[*]", code)  # no row starts with what \\ would take as its option
    assert len(set(re.findall(r"\\(?:begin|end)\{tabular\}", code))) == 2
    rows = [line for line in (root / "tables" / "summary.md").read_text().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert set(pd.read_csv(root / "tables" / "summary.csv")["strategy"]) == {"random", *NASTY}


def test_a_note_with_a_line_break_stays_on_its_line() -> None:
    table = render.Table(pd.DataFrame(), ["a"], [[render.Cell("1")]], "one\ntwo", source="three\nfour")
    assert r"  \caption{one two.}" in render.latex(table).splitlines()
    assert r"  \parbox{\textwidth}{\footnotesize three four}" in render.latex(table).splitlines()
    assert all(line[0] in "% \\" for line in render.latex(table).splitlines() if line)
