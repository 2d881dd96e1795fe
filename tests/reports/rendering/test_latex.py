"""Everything that a selection writes compiles in a two-column article, without a line too long or a float too high."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.articles import check_article
from support.report_lines import write_grid, write_run

from benchmark.reports import bibliography as citing
from benchmark.reports import read_report
from benchmark.reports.rendering.tables.table import Table
from benchmark.reports.report import tables_of, write_selection

LINE = 110  # characters of a caption in both columns, at LaTeX's normal size


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ["random", "margin", "entropy", "badge", "bald[samples=50]", "power[beta=2]:bald", "typiclust", "coreset"]
    root = write_grid(tmp_path_factory.mktemp("results") / "50%_of {mnist}", names, seeds=5, papers=["yoo2019"])
    for seed in range(5):
        write_run(root, "true-loss", seed, shift=0.3, diagnostic=True)
        write_run(root, "margin", seed, learner="fixmatch")
        write_run(root, "random", seed, learner="fixmatch")
    return root


def test_the_article_compiles(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    write_selection(read_report(root), paper)
    assert all((paper / "figures" / f"accuracy{kind}.pdf").exists() for kind in ("", "-single"))
    check_article(paper)


def test_an_article_has_every_table_and_figure(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    write_selection(read_report(root), paper)
    text = (paper / "article.tex").read_text()
    tables = {f"tables/{path.name}" for path in (paper / "tables").glob("*.tex")}
    figures = {f"figures/{path.name}" for path in (paper / "figures").glob("*.pdf")}
    assert set(re.findall(r"\\input\{(.*?)\}", text)) == tables
    assert set(re.findall(r"\\includegraphics\{(.*?)\}", text)) == figures
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels))


def test_captions_take_two_lines_and_the_rest_is_a_note(root: Path) -> None:
    made = tables_of(read_report(root))
    assert {"summary", "accuracy", "tests", "cost", "learners", "interactions"} <= {one.name for one in made}
    for one in made:
        assert len(one.content.heading) <= 2 * LINE, one.name
        assert one.content.heading.count(". ") == 0
        shown = f"{one.content.heading[:-1]} {one.content.notes}".casefold()
        said = one.content.caption.casefold().replace(": ", " ", 1)
        words = lambda text: re.findall(r"\w+", text)  # noqa: E731
        assert words(shown) == words(said), one.name


@pytest.mark.parametrize(
    ("caption", "heading", "notes"),
    [
        ("Costs, by hand. Lower is better.", "Costs, by hand.", "Lower is better."),
        ("Costs vs. random: lower is better. Or not.", "Costs vs. random.", "Lower is better. Or not."),
        ("Costs", "Costs.", ""),
        ("Costs.", "Costs.", ""),
    ],
)
def test_a_heading_ends_with_the_first_colon_or_full_stop(caption: str, heading: str, notes: str) -> None:
    table = Table(np.nan, [], [], caption)  # type: ignore[arg-type]
    assert (table.heading, table.notes) == (heading, notes)


def test_every_entry_has_an_address_and_a_year() -> None:
    entries = citing.read_entries(citing.bibliographies())
    assert len(entries) > 30
    for key, entry in entries.items():
        assert len(re.findall(r"^  url = \{https://[^\s{}]+\},$", entry, flags=re.M)) == 1, key
        assert len(re.findall(r"^  year = \{\d{4}\},$", entry, flags=re.M)) == 1, key
