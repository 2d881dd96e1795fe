"""A report on names that are markup, formulas, mathematics or no letters at all: every file is as it should be."""

import csv
import html.parser
import io
import itertools
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.report_lines import DATASET, write_experiment, write_run

from benchmark.reports import console_table, notes_of, write_report
from benchmark.reports.comparison.compare import compare_experiments, write_comparison
from benchmark.reports.rendering.console import for_console
from benchmark.results.paths import examples_path
from benchmark.results.store import read_experiment
from benchmark.text.escapes import one_line
from benchmark.text.terminal import Terminal

NAMES = (
    "random",
    "=HYPERLINK('http://evil')",
    "@sum|x",
    "$\\frac{$_^{x}",
    "a$b$c\\",
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "| a | [b](http://c) ![d](e)",
    "机器学习 🦀 λ",
    "\x1b[31mred\x07\u202e",
    "[bold]x[/bold]:bug:",
    "- 1. `code` ```",
    "x" * 300,
)
LEARNERS = ("supervised", "<b>fix&match</b>$x$")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for name in ("first", "second <b>|$x$"):
        write_experiment(
            folder / name,
            name=f"{name} [x](http://y)",
            dataset="=data|<i>\x1b",
            description="# <b>bold</b>\n- item | $x$ https://evil {@misc}",
            notes="```\n**note**",
        )
        for number, strategy in enumerate(NAMES):
            for seed in range(3):
                write_run(
                    folder / name,
                    strategy,
                    seed,
                    learner=LEARNERS[number % 2] if number > 8 else LEARNERS[0],
                    dataset=replace(DATASET, name="=data|<i>", note="<b>note</b>|"),
                    commit="`c`|<u>",
                    device="cpu (<X> $1$ 机)",
                    strategy_source_sha256=None if number == 0 else f"{number:064x}",
                )
    return folder / "second <b>|$x$"


@pytest.fixture(scope="module")
def written(root: Path) -> Path:
    run = next((root / "runs").glob("*/*-seed0.jsonl"))
    names = np.array(["$a$", "猫", "<b>", "=1", "_x^2", "\x1b", "plain", "x" * 200])
    np.savez(
        examples_path(run),
        images=np.zeros((8, 4, 4, 1), np.uint8),
        labels=np.arange(8),
        predicted=np.arange(8)[::-1].copy(),
        confidence=np.full(8, 0.5, np.float32),
        mistakes=np.array([False] * 4 + [True] * 4),
        names=names,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_report(root)
    return root


class Reader(html.parser.HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.images: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.images |= {value or "" for name, value in attrs if tag == "img" and name == "src"}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_pages_hold_the_names_as_text(written: Path) -> None:
    for page in (written / "index.html", written.parent / "index.html"):
        reader = Reader()
        reader.feed(page.read_text(encoding="utf-8"))
        assert "u" not in reader.tags
        assert all(re.fullmatch(r"(\w+/)?figures/[\w-]+\.png", image) for image in reader.images)
        assert not {name for name in reader.attributes if name.startswith("on")}
        assert "\x1b" not in page.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed((written / "index.html").read_text(encoding="utf-8"))
    for name in NAMES:
        assert one_line(name).replace(" ", "") in re.sub(r"\s", "", reader.text), name
    assert (written / "index.html").read_text(encoding="utf-8").count("<script") == 2


def test_no_cell_of_a_csv_file_is_a_formula(written: Path) -> None:
    files = [written / "curves.csv", *(written / "tables").glob("*.csv")]
    assert len(files) > 4
    seen = set()
    for file in files:
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
        assert len({len(row) for row in rows}) == 1, file
        cells = {cell for row in rows for cell in row}
        assert not [cell for cell in cells if re.match(r"[=@\t\r]|[+-](?![0-9.]|inf)", cell)]
        seen |= cells
    assert "'=HYPERLINK('http://evil')" in seen


def test_markdown_has_our_links_and_markup_alone(written: Path) -> None:
    for file in (written / "README.md", *(written / "tables").glob("*.md")):
        text = file.read_text(encoding="utf-8")
        outside = re.sub(r"^(```+)[a-z]*\n.*?^\1$", "", text, flags=re.M | re.S)
        assert not re.search(r"(?<!\\)<[a-z/!]", outside), file
        for target in re.findall(r"(?<!\\)\]\(([^)]*)\)", outside):
            assert re.match(r"(figures|tables)/", target)
        assert not re.search(r"(?<!\\)://", outside)
        tables = [line for line in outside.splitlines() if line.startswith("|")]
        for line, after in itertools.pairwise(tables):
            if re.fullmatch(r"[|:\- ]+", after):
                assert line.count("|") - line.count(r"\|") == after.count("|")


def test_latex_tables_have_no_stray_sign(written: Path) -> None:
    for file in (written / "tables").glob("*.tex"):
        text = file.read_text(encoding="utf-8")
        body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
        assert re.fullmatch(r"[\x20-\x7e\u00c0-\u017f\n]*", body), file
        assert "\x1b" not in text
        assert not re.search(r"(?<!\\)_", body.replace("siunitx", "")), file


def test_every_figure_is_drawn(written: Path) -> None:
    figures = {file.name for file in (written / "figures").iterdir()}
    assert {"accuracy.png", "accuracy.pdf", "areas.png", "examples.png"} <= figures


def test_the_terminal_shows_names_as_text_at_40_columns(written: Path) -> None:
    report = write_report(written)
    out = io.StringIO()
    console = Terminal(file=out, width=40, force_terminal=True, color_system=None)
    console.print(console_table(report))
    for note in notes_of(report):
        console.print(note)
    shown = out.getvalue()
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "x" * 300 in shown
    assert "[bold]x[/bold]:bug:" in shown


def test_a_comparison_of_hostile_names_is_written(written: Path, tmp_path: Path) -> None:
    result = compare_experiments([read_experiment(root) for root in (written.parent / "first", written)])
    write_comparison(result, tmp_path)
    out = io.StringIO()
    console = Terminal(file=out, width=60)
    for table in result.tables:
        console.print(for_console(table))
    assert (
        "\x1b"
        not in out.getvalue() + (tmp_path / "comparison.md").read_text() + (tmp_path / "comparison.csv").read_text()
    )
