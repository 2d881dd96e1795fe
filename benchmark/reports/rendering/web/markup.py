"""Parts of web pages: a self-contained document, tables that its script can sort, lists of names and values."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import Any

import pandas as pd

from benchmark.reports.rendering.tables.table import Cell
from benchmark.text import escapes

SHORT, LONG = 16, 24  # characters of a cell that does not wrap, and of one that does, in any table
OURS = '<meta name="generator" content="acqbench">'


def document(title: str, header: str, main: str, data: dict[str, Any]) -> str:
    """A whole page. Its security policy allows its own script and style only, and no requests."""
    script, sheet = _part("page.js"), _part("page.css")
    policy = f"script-src {_digest(script)}; style-src {_digest(sheet)}"
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Template(_part("page.html")).substitute(
        title=escapes.html(title), header=header, main=main, data=text, script=script, style=sheet, policy=policy
    )


def _part(file: str) -> str:
    return resources.files("benchmark.reports.rendering.web").joinpath(file).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def sortable(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    text: Sequence[int],
    title: str,
    foot: Sequence[Sequence[Cell]] = (),
    links: Sequence[str] = (),
    cards: bool = False,
) -> str:
    """A table that the script can sort; ``text`` lists the columns of words, ``links`` the addresses of the rows.

    A column with a cell that wraps is one of words, too. With ``cards`` the table fits a narrow window: each row is a
    card there, with a line for each column. In a wider one a dozen columns fit, in words that wrap, and more scroll.
    """
    of_words = {*text, *(i for cells in rows for i, cell in enumerate(cells) if _length(cell) > LONG)}
    words = [' class="text"' if i in of_words else "" for i in range(len(header))]

    def kind(cell: Cell, column: int) -> str:
        """The class of a cell: long words wrap, short ones do not."""
        length = _length(cell)
        names = ["text"] * (column in of_words) + ["long"] * (length > LONG) + ["short"] * (length <= SHORT)
        return f' class="{" ".join(names)}"' if names else ""

    titles = [f' data-title="{escapes.html(title)}"' * cards for title in header]

    def row(cells: Sequence[Cell], link: str = "") -> str:
        first = named(cells[0])
        if link:
            first = f'<a href="{escapes.html(link)}">{first}</a>'
        rest = "".join(f"<td{kind(cell, i)}{titles[i]}>{_cell(cell)}</td>" for i, cell in enumerate(cells[1:], start=1))
        return f'<tr><th scope="row"{words[0]}>{first}</th>{rest}</tr>'

    heads = "".join(
        f'<th scope="col"{word}><button type="button">{escapes.html(text)}</button></th>'
        for word, text in zip(words, header, strict=True)
    )
    bodies = "".join(row(cells, links[i] if links else "") for i, cells in enumerate(rows))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escapes.html(title)}">'
        f'<table class="sortable{" cards" * cards}">'
        f'<caption class="unseen">{escapes.html(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{bodies}</tbody>'
        + (f"<tfoot>{''.join(map(row, foot))}</tfoot>" if foot else "")
        + "</table></div>"
    )


def _length(cell: Cell) -> int:
    return len(cell.text) + len(cell.spread)


def _cell(cell: Cell) -> str:
    text = f"<b>{escapes.html(cell.text)}</b>" if cell.bold else escapes.html(cell.text)
    return f"{text} <i>± {escapes.html(cell.spread)}</i>" if cell.spread else text


def named(cell: Cell) -> str:
    return _cell(cell).replace(",", ",<wbr>")  # long parameters break there


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A description list of names and values."""
    return f"<dl>{''.join(f'<dt>{escapes.html(key)}</dt><dd>{escapes.html(value)}</dd>' for key, value in pairs)}</dl>"


def plain(column: pd.Series[Any]) -> list[Any]:
    """A column for JSON: floats rounded to 6 decimals, None for NaN."""
    return [
        (round(value, 6) if math.isfinite(value) else None) if isinstance(value, float) else value
        for value in column.tolist()
    ]
