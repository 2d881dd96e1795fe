"""What sections leave empty for few seeds, and that they say so."""

from __future__ import annotations

from pathlib import Path

from support.report_lines import write_grid, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.report import tables_of


def test_few_seeds_leave_cells_empty_and_the_caption_says_so(tmp_path: Path) -> None:
    report = read_report(write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=2))
    made = {one.name: one.content for one in tables_of(report)}
    header = made["tests"].header
    row = next(row for row in made["tests"].rows if row[0].text == "margin")
    assert [row[header.index(column)].text for column in ("95 % interval", "p", "verdict")] == ["–", "–", "–"]
    assert "*" not in "".join(cell.text for row in made["tests"].rows for cell in row)
    assert "Fewer than 3 seeds (2) are too few for a test." in made["tests"].caption
    assert any("too few seeds for a test, which takes 3" in note for note in notes_of(report))
    assert "2 seeds are too few for a bootstrap interval (at least 5 are needed)" in made["labels"].caption
    assert "2 seeds are too few for a t-test" in made["pairwise"].caption
    assert {cell.text for row in made["pairwise"].rows for cell in row[1:]} == {"–", ""}


def test_a_report_of_unequal_seeds_prints_the_seeds_it_compares(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin"], seeds=4)
    write_run(root, "margin", 7)
    report = read_report(root)
    assert report.inference.of("random")["n"].tolist() == [4]
    assert "4 seeds show a difference" in next(one.content.caption for one in tables_of(report) if one.name == "tests")
    assert any("seed 7, which random did not run" in note for note in notes_of(report))


def test_one_seed_shows_no_spread(tmp_path: Path) -> None:
    report = write_report(write_grid(tmp_path / "e", ["random", "margin"], seeds=1))
    text = (report.root / "tables" / "accuracy.md").read_text()
    assert "±" not in text
    assert "one seed" in text
    assert any("(1 seed): too few seeds for a test" in note for note in notes_of(report))
