"""Everything that a selection writes compiles in a two-column article, without a line too long or a float too high."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.articles import check_article
from support.report_lines import write_grid, write_run

from benchmark.reports import bibliography as citing
from benchmark.reports import read_report
from benchmark.reports.rendering.article import article
from benchmark.reports.rendering.tables.table import Cell, Table, latex
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


@pytest.mark.parametrize("strategies", [45, 110])
def test_a_table_of_many_strategies_fits_its_page(strategies: int, tmp_path: Path) -> None:
    """With notes as long as those of published tables, and beyond what a page holds in parts."""
    rows = [
        [Cell(f"strategy-{i}"), Cell(f"{i}.25"), Cell("+1.50*"), Cell("12.3", True, "0.4")] for i in range(strategies)
    ]
    caption = "Costs on mnist. " + "A sentence on how to read the table, which explains one of its columns. " * 45
    table = Table(pd.DataFrame(), ["strategy", "time (s)", "difference", "area"], rows, caption, "made-up", "Source.")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "cost.tex").write_text(text := latex(table))
    (tmp_path / "tables" / "strategies.bib").write_text(citing.bibliographies())
    (tmp_path / "article.tex").write_text(
        article("Tables", ["tables/cost.tex"], [], "tables/strategies.bib", "Source.")
    )
    parts = text.split(r"\begin{table*}")[1:]
    assert [len(re.findall(r"strategy-\d", part)) for part in parts] == {45: [45], 110: [37, 37, 36]}[strategies]
    assert [part.count("how to read") > 0 for part in parts] == [False] * (len(parts) - 1) + [True]
    assert text.count(r"\label") == 1
    assert text.count(r"\addtocounter{table}{-1}") == len(parts) - 1
    check_article(tmp_path)


def test_an_article_has_every_table_and_figure(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    write_selection(read_report(root), paper)
    text = (paper / "article.tex").read_text()
    tables = {f"tables/{path.name}" for path in (paper / "tables").glob("*.tex")}
    figures = {f"figures/{path.name}" for path in (paper / "figures").glob("*.pdf")}
    variants = {path for path in figures if re.search(r"-(single|double)\.pdf$", path)}
    assert len(variants) > 3
    assert set(re.findall(r"\\input\{(.*?)\}", text)) == tables
    assert sorted(re.findall(r"\\includegraphics\{(.*?)\}", text)) == sorted(figures - variants)  # each in one width
    said = dict(re.findall(r"^% For (?:one|both) columns?: (\S+) in the environment (figure\*?)\.$", text, flags=re.M))
    assert said == {path: "figure" if path.endswith("-single.pdf") else "figure*" for path in variants}
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels))


def test_a_caption_says_what_a_figure_is_of(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    write_selection(read_report(root), paper)
    captions = re.findall(r"\\caption\{(.*)\}$", (paper / "article.tex").read_text(), flags=re.M)
    assert len(captions) >= 6
    for caption in captions:
        assert re.search(
            r"\w on mnist \(protocol 50\\%\\_of \\\{mnist\\\}, seeds 0--4, 20 to 80 labels\): \S", caption
        ), caption
    (accuracy,) = (
        caption for caption in captions if caption.startswith("Test accuracy over the number of labels, and")
    )
    assert "mean over 5 seeds; bands: 95 \\% interval of " in accuracy
    assert "$^\\ddagger$ diagnostic, uses true labels" in accuracy


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
