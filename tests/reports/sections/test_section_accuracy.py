"""The table of accuracies."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_lines import BUDGETS, accuracy_of, write_grid

from benchmark.reports import write_report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


def test_tables_show_what_the_lines_say(root: Path) -> None:
    report = write_report(root)
    bare = pd.read_csv(root / "tables" / "accuracy.csv").set_index(["strategy", "labels"])
    for strategy, labels in itertools.product(("random", "margin"), BUDGETS):
        values = [accuracy_of(strategy, s, labels) for s in range(3)]
        row = bare.loc[(strategy, labels)]
        assert (row["mean"], row["sd"], row["n"]) == pytest.approx((np.mean(values), np.std(values, ddof=1), 3))
    text = (root / "tables" / "accuracy.md").read_text()
    mean, sd = (
        100 * f([accuracy_of("margin", s, 80) for s in range(3)]) for f in (np.mean, lambda v: np.std(v, ddof=1))
    )
    assert f"**{mean:.1f}** ± {sd:.1f}" in text
    tex = (root / "tables" / "accuracy.tex").read_text()
    assert rf"\textbf{{{mean:.1f}}} $\pm$ {sd:.1f}" in tex
    for said in ("seeds 0--2", "cpu (X)", "torch 2.15.0", "0123456789ab", "abcdef0", "fingerprint ffffffff"):
        assert said in tex
    assert report.accuracy["n"].eq(3).all()
    assert "| seeds" in text


def test_a_long_ladder_prints_ten_columns_at_most_and_says_so(tmp_path: Path) -> None:
    budgets = list(range(20, 301, 20))
    root = write_grid(tmp_path / "e", ["random", "margin"], budgets=budgets)
    write_report(root)
    assert pd.read_csv(root / "tables" / "accuracy.csv")["labels"].nunique() == 15
    header = (root / "tables" / "accuracy.md").read_text().splitlines()[0]
    assert [int(n) for n in re.findall(r"\d+", header)] == [20, 60, 100, 140, 180, 220, 260, 300]
    assert "The table shows 8 of 15 label counts" in (root / "tables" / "accuracy.tex").read_text()
