"""The terminal: text as it is, whole words, tables at any width, encodings without a dash."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich import box
from rich.table import Table

from benchmark.text.escapes import one_line, visible
from benchmark.text.terminal import Fitted, Prose, Terminal, words

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "semi-supervised-learning-loss[ranking=ranknet]"
parts = st.sampled_from(
    ["a", "[bold]", "[/]", "\x1b[2J", "\x07", ":bug:", "word", "机器", "\ud800", "\n", "\t", "\u202e", " "]
)
texts = st.one_of(st.lists(parts, max_size=12).map("".join), st.text(max_size=80))


def printed(*things: object, width: int = 40, terminal: bool = True, **options: object) -> str:
    out = io.StringIO()
    Terminal(file=out, width=width, force_terminal=terminal, color_system=None).print(*things, **options)
    return out.getvalue()


@given(texts, st.integers(1, 120))
def test_text_is_printed_as_it_is_at_any_width(text: str, width: int) -> None:
    shown = printed(text, width=width)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", visible(text, keep="\n"))


@given(texts)
def test_cells_are_printed_as_they_are(text: str) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name")
    table.add_row(words(text))
    shown = printed(Fitted(table), width=2000)
    assert one_line(text) in shown
    assert "\x1b" not in shown


def table_of(names: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("strategy")
    table.add_column("100", justify="right", no_wrap=True)
    table.add_column("verdict")
    for name in names:
        table.add_row(words(name), "97.1 ± 0.2", "better than random and margin")
    return table


@pytest.mark.parametrize("width", [1, 10, 40, 60, 73, 80, 100, 200])
def test_no_word_of_a_table_is_broken_at_any_width(width: int) -> None:
    shown = printed(Fitted(table_of([NAME, "random"])), width=width)
    for word in (NAME, "random", "97.1", "better", "margin"):
        assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", shown), shown
    if width >= 73:
        assert max(map(len, shown.splitlines())) <= width
        assert len([line for line in shown.splitlines() if NAME in line and "97.1 ± 0.2" in line]) == 1
    if width == 40:
        assert "  100: 97.1" in shown


def test_long_lines_break_between_words_on_a_terminal_and_stay_whole_elsewhere() -> None:
    text = f"left out: {NAME}: it needs dropout, and the model has none"
    lines = printed(text, soft_wrap=True).splitlines()
    assert len(lines) > 1
    assert NAME in lines[1]
    assert printed(text, soft_wrap=True, terminal=False) == text + "\n"
    assert printed(Prose(text, indent=4)).startswith("    left out:")


def test_entries_stand_beside_or_below_their_names() -> None:
    for width, terminal, count in ((40, True, 4), (100, True, 2), (40, False, 1)):
        out = io.StringIO()
        Terminal(file=out, width=width, force_terminal=terminal, color_system=None).entry(
            "margin", "word " * 18 + "end"
        )
        lines = out.getvalue().splitlines()
        assert len(lines) == count
        assert lines[0].startswith("  margin")
        assert "".join(lines).count("word") == 18


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "cp932"])
@pytest.mark.parametrize("columns", ["40", ""])
def test_a_stream_of_any_encoding_never_fails(encoding: str, columns: str) -> None:
    code = (
        "import sys\n"
        "from benchmark.text.streams import let_streams_degrade\n"
        "let_streams_degrade()\n"
        "from benchmark.text.terminal import Fitted, Terminal\n"
        "from text.test_terminal import table_of\n"
        "console = Terminal()\n"
        "console.print('– … ± × 机 🦀 \\ud800')\n"
        "console.print(Fitted(table_of(['é', '机器'])))\n"
        "console.entry('naïve', '±')\n"
        "print('error: – 机', file=sys.stderr)\n"
    )
    variables = {
        **os.environ,
        "PYTHONIOENCODING": encoding,
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'tests'}",
    }
    variables |= {"COLUMNS": columns} if columns else {}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert "97.1" in shown
    if encoding == "ascii":
        assert shown.startswith("- ... +/- x \\u673a")
        assert done.stderr.decode(encoding).strip() == "error: - \\u673a"
