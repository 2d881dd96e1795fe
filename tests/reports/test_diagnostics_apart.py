"""Diagnostics, which read true labels, take nothing from the verdicts on strategies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import write_grid, write_run

from benchmark.reports import read_report
from benchmark.reports.sections.pairwise import wins
from benchmark.reports.sections.signs import compute
from benchmark.reports.verdicts import method, reach, sentence

STRATEGIES = ["random", "margin", "entropy"]


@pytest.mark.parametrize("seeds", [4, 12])
def test_to_run_diagnostics_changes_no_verdict(tmp_path: Path, seeds: int) -> None:
    reports = []
    for diagnostics in (0, 3):
        root = write_grid(tmp_path / str(diagnostics), STRATEGIES, seeds=seeds)
        for place in range(diagnostics):
            for seed in range(3):  # fewer than the others have
                write_run(root, f"oracle{place}", seed, shift=0.05 + place / 100, diagnostic=True)
        reports.append(read_report(root))
    alone, beside = (report.inference for report in reports)
    rows = beside.findings[beside.findings["strategy"].isin(STRATEGIES)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.findings, rows)
    assert (sentence(alone), reach(alone)) == (sentence(beside), reach(beside))
    assert method(beside) == f"{method(alone)} Diagnostics (oracle0, oracle1, oracle2) are a family of their own."
    cells, theirs = (compute(report).findings for report in reports)
    pd.testing.assert_frame_equal(cells, theirs[theirs["strategy"].isin(STRATEGIES)].reset_index(drop=True))


def test_diagnostics_are_corrected_among_themselves(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "grid", STRATEGIES, seeds=3)
    for seed in range(3):
        write_run(root, "one", seed, shift=0.02, diagnostic=True)
        write_run(root, "two", seed, shift=0.03, diagnostic=True)
    found = read_report(root).inference.findings
    own = found[found["strategy"].isin(["one", "two"])]
    largest = own.loc[own["p"].idxmin()]
    assert largest["p_corrected"] == pytest.approx(min(1, 8 * largest["p"]))  # two of them at four endpoints


def test_they_have_no_part_in_pairwise_wins(tmp_path: Path) -> None:
    found = []
    for diagnostics in (0, 1):
        root = write_grid(tmp_path / str(diagnostics), STRATEGIES, seeds=3)
        for seed in range(3 * diagnostics):
            write_run(root, "true-loss", seed, shift=0.3, diagnostic=True)
        report = read_report(root)
        found.append(wins(report, report.views[0]))
    alone, beside = found
    assert (alone.keys, alone.tests) == (beside.keys, beside.tests)
    assert (alone.penalties == beside.penalties).all()


def test_diagnostics_alone_are_the_family(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "grid", ["random"])
    for seed in range(3):
        write_run(root, "true-loss", seed, shift=0.3, diagnostic=True)
    found = read_report(root).inference
    assert (found.apart, found.tests) == ((), 4)
    assert sentence(found).startswith("Compared with random (3 seeds): ")
