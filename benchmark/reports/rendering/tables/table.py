"""A table as CSV, Markdown and LaTeX. The same table gives the same bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.results.atomic import write_atomically
from benchmark.text import escapes


class Cell(NamedTuple):
    """A cell, as plain text; ``bold`` applies to ``text`` alone, not to the ± ``spread``."""

    text: str
    bold: bool = False
    spread: str = ""


MISSING = Cell("–")


@dataclass(frozen=True)
class Table:
    """A table ready to be written: ``data`` has the bare numbers for the CSV, the rest is what a reader sees.

    The first ``text_columns`` columns are aligned left, the others right. A thin rule stands before the row
    ``rule_before``.
    """

    data: pd.DataFrame
    header: list[str]
    rows: list[list[Cell]]
    caption: str
    label: str = ""  # for \ref
    source: str = ""  # where the numbers come from, printed after the caption
    footnotes: tuple[str, ...] = ()
    text_columns: int = 1
    rule_before: int | None = None

    @classmethod
    def of_columns(
        cls, columns: Mapping[str, Sequence[Cell]], data: pd.DataFrame, caption: str, rule_before: int | None = None
    ) -> Table:
        """A table from its columns by title."""
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        return cls(data, list(columns), rows, caption, rule_before=rule_before)

    @property
    def heading(self) -> str:
        """The caption up to its first colon or full stop: what the table shows, in two printed lines at most."""
        return _FIRST.split(self.caption, maxsplit=1)[0].rstrip(".:") + "."

    @property
    def notes(self) -> str:
        """The rest of the caption: how to read the table."""
        _, *rest = _FIRST.split(self.caption, maxsplit=1)
        return "".join(text[:1].upper() + text[1:] for text in rest)


_FIRST = re.compile(r"(?<!\bvs)[.:] ")

SUFFIXES = (".csv", ".md", ".tex")
PACKAGES = ("booktabs", "graphicx", "siunitx")  # of LaTeX, that every table needs


def write(table: Table, stem: Path) -> None:
    """Write ``stem``.csv, ``stem``.md and ``stem``.tex."""
    for suffix, text in zip(SUFFIXES, (csv(table), markdown(table), latex(table)), strict=True):
        write_atomically(stem.with_name(stem.name + suffix), text.encode())


def csv(table: Table) -> str:
    """The bare numbers to 10 significant digits: more than a test set resolves, and the same on every machine."""
    return escapes.csv_table(table.data, float_format="%.10g")


def markdown(table: Table, source: bool = True) -> str:
    """A GitHub-flavoured table in aligned columns, then the caption, the ``source`` if wanted, and the footnotes."""
    cells = [[escapes.markdown(title) for title in table.header]]
    for row in table.rows:
        cells.append([_markdown(cell) for cell in row])
    shortest = 2  # of a rule: a dash and a colon
    widths = [max(shortest, *(len(row[i]) for row in cells)) for i in range(len(table.header))]
    left = [i < table.text_columns for i in range(len(widths))]
    lines = [
        "| "
        + " | ".join(c.ljust(w) if at_left else c.rjust(w) for c, w, at_left in zip(row, widths, left, strict=True))
        + " |"
        for row in cells
    ]
    rule = [":" + "-" * (w - 1) if at_left else "-" * (w - 1) + ":" for w, at_left in zip(widths, left, strict=True)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    lines += ["", escapes.markdown(f"{table.caption} {table.source}" if source else table.caption)]
    for footnote in table.footnotes:
        lines += ["", f"† {escapes.markdown(footnote)}"]
    return "\n".join(lines) + "\n"


def _markdown(cell: Cell) -> str:
    text = escapes.markdown(cell.text)
    return (f"**{text}**" if cell.bold else text) + (f" ± {cell.spread}" if cell.spread else "")


_TALL, _MOST = 30, 50  # rows: a table of more may be too high for a page with its note; one of still more is


def latex(table: Table) -> str:
    """A ``table*`` for a two-column paper, scaled down if too wide; its first line names the packages that it needs.

    The caption is the table's heading; how to read the table, and where its numbers come from, is a note below it.
    Columns of plain numbers become siunitx's S columns; columns with spreads, bold or intervals are aligned right.
    A table that is too wide is scaled down, and so is one of more than ``_TALL`` rows, with its note, that is too high.
    One of more than ``_MOST`` comes in parts, all of one number, with the note below the last.
    """
    formats = ["l"] * table.text_columns
    formats += [_format([row[i] for row in table.rows]) for i in range(table.text_columns, len(table.header))]
    body = [
        " & ".join(_number(cell) if how[0] == "S" else _latex(cell) for cell, how in zip(row, formats, strict=True))
        + r" \\"
        for row in table.rows
    ]
    titles = [
        f"{{{escapes.latex(title)}}}" if how[0] == "S" else escapes.latex(title)
        for title, how in zip(table.header, formats, strict=True)
    ]
    if table.rule_before is not None and table.rule_before < len(body):
        body[table.rule_before] = "\\midrule\n    " + body[table.rule_before]
    head = [rf"\begin{{tabular}}{{{''.join(formats)}}}", r"  \toprule", f"  {' & '.join(titles)} \\\\", r"  \midrule"]
    notes = " ".join(filter(None, [table.notes, *(f"† {footnote}" for footnote in table.footnotes), table.source]))
    number = max(math.ceil(len(body) / _MOST), 1)
    size = math.ceil(len(body) / number)
    lines = [rf"% \usepackage{{{','.join(PACKAGES)}}}"]
    for i in range(number):
        where = f"; notes below part {number}" if notes and i < number - 1 else ""
        part = f" Part {i + 1} of {number}{where}." if number > 1 else ""
        title = [
            rf"\caption{{{escapes.latex(table.heading)}{part}}}",
            rf"\label{{tab:{re.sub('[^A-Za-z0-9:-]+', '-', table.label)}}}",
        ]
        if i:
            title = [r"\addtocounter{table}{-1}", title[0]]
        rows = [f"  {row}" for row in body[i * size : (i + 1) * size]]
        lines += _float(title, [*head, *rows, r"  \bottomrule"], notes if i == number - 1 else "", len(rows) > _TALL)
    return "\n".join([*lines, ""])


def _float(title: list[str], tabular: list[str], notes: str, tall: bool) -> list[str]:
    """The lines of a ``table*``."""
    lines = [
        *title,
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        *tabular,
        r"\end{tabular}}",
    ]
    if notes:
        lines += [r"\par\medskip", rf"\parbox{{\textwidth}}{{\footnotesize {escapes.latex(notes)}}}"]
    if tall:
        lines[len(title) : len(title)] = [
            r"\resizebox*{!}{\ifdim\totalheight>0.92\textheight 0.92\textheight\else\totalheight\fi}{%",
            r"\begin{minipage}{\textwidth}\centering",
        ]
        lines.append(r"\end{minipage}}")
    return [r"\begin{table*}[t]", r"  \centering\small", *(f"  {line}" for line in lines), r"\end{table*}"]


_NUMBER = re.compile(r"([+−]?)(\d+)(?:\.(\d+))?(\*?)")  # sign, digits, decimals, mark


def _format(cells: list[Cell]) -> str:
    """The column's type: S with the digits that its numbers need, or r if it holds anything but plain numbers."""
    shown = [cell for cell in cells if cell.text not in ("", MISSING.text)]
    found = [_NUMBER.fullmatch(cell.text) for cell in shown if not cell.bold and not cell.spread]
    numbers = [match.groups(default="") for match in found if match]
    if not numbers or len(numbers) < len(shown):
        return "r"
    sign = "+" if any(number[0] for number in numbers) else ""
    whole, decimals = (max(len(number[i]) for number in numbers) for i in (1, 2))
    mark = ", table-space-text-post={*}" if any(number[3] for number in numbers) else ""
    return f"S[table-format={sign}{whole}.{decimals}{mark}]" if decimals else f"S[table-format={sign}{whole}{mark}]"


def _number(cell: Cell) -> str:
    """A number in siunitx's syntax; anything else in braces."""
    if _NUMBER.fullmatch(cell.text):
        return cell.text.replace("−", "-").replace("*", "{*}")
    return f"{{{escapes.latex(cell.text)}}}" if cell.text else ""


def _latex(cell: Cell) -> str:
    text = escapes.latex(cell.text)
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return text + (rf" $\pm$ {escapes.latex(cell.spread)}" if cell.spread else "")
