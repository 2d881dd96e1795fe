"""What ran, and how to run it again."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.report_lines import write_grid

from benchmark.reports import write_report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


def test_the_page_tells_what_ran_and_how_to_repeat_it(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin[a=1]"], notes="Too short for *hard* images.")
    page = write_report(root).root.joinpath("README.md").read_text()
    assert page.startswith("# mnist\n\nA test.\n\nToo short for \\*hard\\* images.\n\n")
    assert "python run_benchmark.py --protocol mnist --strategies 'margin[a=1]' random --seeds 0 1 2" in page
    assert "(figures/accuracy.png)" in page
    assert "f" * 64 in page
    for table in ("summary", "accuracy"):
        assert (root / "tables" / f"{table}.md").read_text().splitlines()[3] in page
    shorter = write_grid(tmp_path / "shorter", ["random"], seeds=1, budgets=[20, 40])
    write_report(shorter)
    assert "--seeds 0\n" in (shorter / "README.md").read_text()
