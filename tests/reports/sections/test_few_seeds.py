"""What sections leave empty for few seeds, and that they say so."""

from __future__ import annotations

from pathlib import Path

from support.report_lines import write_grid, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.report import tables_of
from benchmark.reports.sections.tests_by_seed import compute


def test_few_seeds_leave_cells_empty_and_the_caption_says_so(tmp_path: Path) -> None:
    report = read_report(write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=2))
    made = {one.name: one.content for one in tables_of(report)}
    row = next(row for row in made["tests"].rows if row[0].text == "margin")
    assert [row[made["tests"].header.index(column)].text for column in ("p", "Holm", "Wilcoxon", "W–T–L")] == ["–"] * 4
    assert "*" not in "".join(cell.text for row in made["tests"].rows for cell in row)
    assert "2 seeds are too few for a t-test (at least 3 are needed): its cells are empty." in made["tests"].caption
    assert "2 seeds are too few for Wilcoxon's signed-rank test (at least 9 are needed)" in made["tests"].caption
    assert "2 seeds are too few for a bootstrap interval (at least 5 are needed)" in made["labels"].caption
    assert "2 seeds are too few for a t-test" in made["pairwise"].caption
    assert {cell.text for row in made["pairwise"].rows for cell in row[1:]} == {"–", ""}


def test_a_report_of_unequal_seeds_prints_the_seeds_it_compares(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin"], seeds=4)
    write_run(root, "margin", 7)
    report = read_report(root)
    assert compute(report)["n"].tolist() == [4]
    assert "budget curve over 4 seeds" in next(one.content.caption for one in tables_of(report) if one.name == "tests")
    assert any("seed 7, which random did not run" in note for note in notes_of(report))


def test_one_seed_shows_no_spread(tmp_path: Path) -> None:
    report = write_report(write_grid(tmp_path / "e", ["random", "margin"], seeds=1))
    text = (report.root / "tables" / "accuracy.md").read_text()
    assert "±" not in text
    assert "one seed" in text
    assert any("One seed only" in note for note in notes_of(report))
