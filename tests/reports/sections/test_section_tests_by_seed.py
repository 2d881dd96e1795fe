"""The table of comparisons: every cell from the inference, and a baseline that can be chosen."""

from __future__ import annotations

from pathlib import Path

from support.report_lines import write_grid

from benchmark.reports import read_report
from benchmark.reports.rendering.tables.cells import points
from benchmark.reports.report import tables_of
from benchmark.reports.verdicts import in_words


def test_cells_are_the_findings_and_the_baseline_can_be_chosen(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=5)
    report = read_report(root, baseline="entropy")
    found = report.inference
    (table,) = [made.content for made in tables_of(report) if made.name == "tests"]
    assert table.header.count("95 % interval") == table.header.count("verdict") == 2
    assert found.references == ["random", "entropy"]
    for row in table.rows:
        cells = [cell.text for cell in row]
        key = (cells[0], "supervised")
        for reference in found.references:
            if key not in found.of(reference).index:
                continue
            start = table.header.index(f"vs. {reference}")
            finding = found.of(reference).loc[key]
            mark = "*" if finding["verdict"] in ("better", "worse") else ""
            assert cells[start].rstrip("*") in {points(finding["difference"], places) for places in (1, 2)}
            assert cells[start].endswith("*") == bool(mark)
            end = table.header.index("verdict", start)
            assert cells[end] == in_words(found.verdicts(key, reference))
        last = found.of("random", "last").loc[key]
        assert cells[table.header.index("last")].endswith("*") == (last["verdict"] in ("better", "worse"))
    assert any(cell.text.endswith("*") for row in table.rows for cell in row)
    assert len(table.data) == found.tests == 3 * 4
    assert "one family of 12 t-tests" in table.caption
    for part in ("Protocol e", "seeds 0–4", "cpu (X)", "torch 2.15.0", "SHA-256 0123456789ab", "abcdef0", "ffffffff"):
        assert part in table.source
    assert read_report(root, target=0.6).target == 0.6


def test_console_page_and_captions_repeat_one_sentence(tmp_path: Path) -> None:
    from benchmark.reports import notes_of, write_report
    from benchmark.reports.verdicts import sentence

    report = write_report(write_grid(tmp_path / "e", ["random", "margin", "entropy"], seeds=5))
    said = sentence(report.inference)
    assert said in notes_of(report)
    for path in ("README.md", "index.html", "tables/summary.md", "tables/signs.md", "tables/summary.tex"):
        assert said in (report.root / path).read_text().replace("\\%", "%").replace("--", "–"), path
