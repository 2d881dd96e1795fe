"""The terminal: any text at any width.

Text is shown as it is, never as rich's markup or as control sequences. Lines break between words only, and tables that
do not fit are shown as lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from benchmark.text.escapes import one_line, visible

UNKNOWN_WIDTH = 100  # columns, where output goes to a file or a pipe
WIDE = 80  # columns, from which on names and their descriptions stand side by side


def words(text: str, style: str = "") -> Text:
    """Text on one line as it is, for a cell of a table."""
    return Text(one_line(text), style)


class Terminal(Console):
    """rich's console, which shows text as it is and breaks lines between words only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})
        if not self.is_terminal and "width" not in options and "COLUMNS" not in self._environ:
            self.width = UNKNOWN_WIDTH

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does; lines of text with ``soft_wrap`` stay whole in a file or a pipe."""
        if objects and all(isinstance(o, str) for o in objects):
            text, style = " ".join(objects), options.pop("style", None) or ""
            if options.pop("soft_wrap", False) and not self.is_terminal:
                super().print(Text(visible(text, keep="\n"), style), soft_wrap=True, **options)
                return
            objects = (Prose(text, style),)
        super().print(*objects, **{"crop": False, **options})

    def entry(self, name: str, text: str) -> None:
        """A name with its description: on one line in a file or a pipe, beside or below each other on a terminal."""
        if not self.is_terminal:
            self.print(f"  {name:<30} {text}", soft_wrap=True)
        elif self.width < WIDE:
            self.print(Prose(name, indent=2), Prose(text, indent=4))
        else:
            lines = _wrapped(one_line(text), self.width - 33)
            self.print(
                Text("\n".join([f"  {one_line(name):<30} {lines[0]}", *(33 * " " + line for line in lines[1:])]))
            )


class Prose:
    """Text broken between words only, behind ``indent`` spaces: a word that is too long for a line stays whole."""

    def __init__(self, text: str, style: str = "", indent: int = 0) -> None:
        self.text, self.style, self.indent = text, style, indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for paragraph in visible(self.text, keep="\n").split("\n"):
            for line in _wrapped(paragraph, options.max_width - self.indent):
                yield Text(" " * self.indent + line, self.style, no_wrap=True, overflow="ignore")


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words, at most ``width`` cells wide where the words are; leading spaces stay."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1].strip() and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


class Fitted:
    """A table where no word needs to be broken for it to fit, else a list of its rows."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        _, right, _, left = self.table.padding
        columns = self.table.columns
        room = options.max_width - len(columns) - 1  # for what a box draws between columns and at the edges
        widths = [_widths(column) for column in columns]
        spare = room - sum(least + left + right for least, _ in widths)
        if spare < 0:
            yield from self._listed()
            return
        for column, (least, whole) in zip(columns, widths, strict=True):
            more = min(spare, whole - least)
            column.width, spare = least + more, spare - more
        yield self.table

    def _listed(self) -> Iterator[Prose]:
        """Each row's first cell, and below it the others with their columns' titles."""
        first, *others = self.table.columns
        cells = [list(column.cells) for column in others]
        for i, head in enumerate(first.cells):
            yield Prose(str(head), "bold")
            for column, values in zip(others, cells, strict=True):
                if str(values[i]):
                    yield Prose(f"{column.header}: {values[i]}", indent=2)


def width_of(table: Table) -> int:
    """The width of a table with a box of which no line is broken."""
    _, right, _, left = table.padding
    return sum(_widths(column)[1] + left + right for column in table.columns) + len(table.columns) + 1


def _widths(column: Column) -> tuple[int, int]:
    """A column's width with lines broken at all spaces where they may be, and with no line broken."""
    texts = [str(column.header), *map(str, column.cells)]
    whole = max(map(cell_len, texts))
    least = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return whole if column.no_wrap else least, whole
