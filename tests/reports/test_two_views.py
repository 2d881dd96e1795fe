"""Unequal seeds: a few strategies with many and many with few are both shown at their best, and it is said how."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from support.report_lines import BUDGETS, accuracy_of, data_of, write_experiment, write_run

from benchmark.reports import notes_of, read_report, report_of, write_report
from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.report import tables_of
from benchmark.results.store import read_experiment

CORE = ["random", "margin", "entropy"]
OTHERS = [f"method{i}" for i in range(7)]
MANY, FEW = 10, 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_experiment(tmp_path_factory.mktemp("results") / "mnist")
    for name, seed in [*itertools.product(CORE, range(MANY)), *itertools.product(OTHERS, range(FEW))]:
        write_run(root, name, seed)
    write_report(root)
    return root


def area(strategy: str, seed: int) -> float:
    curve = [accuracy_of(strategy, seed, labels) for labels in BUDGETS]
    return float(np.trapezoid(curve, BUDGETS) / (BUDGETS[-1] - BUDGETS[0]))


def test_the_headline_keeps_all_seeds_of_those_with_many(root: Path) -> None:
    report = read_report(root)
    first, wide = report.views
    assert set(first.summary["strategy"]) == set(CORE)
    assert set(wide.summary["strategy"]) == {*CORE, *OTHERS}
    assert set(first.summary["n"]) == {MANY}
    assert set(wide.summary["n"]) == {FEW}
    assert first.accuracy["n"].eq(MANY).all()
    assert wide.accuracy["n"].eq(FEW).all()
    for view, seeds in ((first, MANY), (wide, FEW)):
        row = view.summary.set_index("strategy").loc["margin"]
        assert row["area_mean"] == pytest.approx(np.mean([area("margin", s) for s in range(seeds)]))


def test_each_comparison_is_over_the_seeds_that_the_two_share(root: Path) -> None:
    report = read_report(root)
    found = report.inference
    everyone = [*CORE, *OTHERS]
    assert found.tests == 4 * (len(everyone) - 1)  # all against random, at four endpoints
    assert found.permuted == 4 * (len(CORE) - 1)
    for name, reference, n in (("margin", "random", MANY), ("method3", "random", FEW)):
        row = found.of(reference).loc[(name, "supervised")]
        gains = [area(name, s) - area(reference, s) for s in range(n)]
        assert (row["n"], row["difference"]) == (n, pytest.approx(np.mean(gains)))
    table = {made.name: made.content for made in tables_of(report)}["tests"]
    assert table.header.count("seeds") == 1
    assert [row[0].text for row in table.rows][:2] == [s for s in report.summary["strategy"] if s != "random"]
    assert "the max-T correction over sign flips of seeds for the 8 with the most seeds" in table.caption
    assert "Each comparison is over all seeds that the two share" in table.caption


def test_both_views_are_written_and_say_what_they_are(root: Path) -> None:
    for name in ("summary", "accuracy", "labels", "pairwise"):
        shown, wide = ((root / "tables" / f"{name}{suffix}.md").read_text() for suffix in ("", "-all"))
        assert "Shown are the 3 of 10 strategies with the most seeds, over the 10 seeds 0–9 that they share" in shown
        assert "In both, differences to random are over all seeds that a row shares with it." in shown
        assert "Shown are all 10 strategies, over the 3 seeds 0–2 that they share; 3 of them have 10 seeds" in wide
        rows = ["\n".join(line for line in text.splitlines() if line.startswith("|")) for text in (shown, wide)]
        assert ("method3" in rows[0], "method3" in rows[1], "margin" in rows[1]) == (False, True, True)
    for name in ("accuracy", "areas", "labels-saved", "pairwise", "calibration", "seconds"):
        assert (root / "figures" / f"{name}.png").is_file()
        assert (root / "figures" / f"{name}-all.pdf").is_file()
    assert (root / "figures" / "signs.png").is_file()
    page = (root / "README.md").read_text()
    assert "## Summary, all strategies" in page
    assert "Compared with random (3 to 10 seeds): " in page
    assert "pairs" in (root / "tables" / "summary-all.md").read_text().splitlines()[0]
    assert "pairs" not in (root / "tables" / "summary.md").read_text().splitlines()[0]


def test_the_page_has_a_choice_of_views(root: Path) -> None:
    page = (root / "index.html").read_text()
    lines = {line["strategy"]: line for line in data_of(page)["lines"]}
    assert set(lines) == {*CORE, *OTHERS}
    assert lines["margin"]["accuracy"]["n"] == [MANY] * 4
    assert lines["margin"]["all"]["n"] == [FEW] * 4
    assert lines["margin"]["gain"]["n"] == [MANY] * 4
    assert lines["method3"]["accuracy"]["n"] == []
    assert lines["method3"]["gain"]["n"] == [FEW] * 4
    assert re.findall(r'name="view" value="(\w+)"', page) == ["accuracy", "all", "gain"]
    assert "Accuracy, all 10 strategies, seeds 0–2" in page


def test_a_wide_view_that_is_no_more_leaves_nothing(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    for name, seed in [*itertools.product(CORE, range(5)), *itertools.product(["late"], range(3))]:
        write_run(root, name, seed)
    write_report(root)
    assert list(root.rglob("*-all.*"))
    for seed in (3, 4):
        write_run(root, "late", seed)
    write_report(root)
    assert not list(root.rglob("*-all.*"))


def test_both_views_end_at_one_label_count(tmp_path: Path) -> None:
    """That of all strategies: a difference is then that of the areas beside it."""
    root = write_experiment(tmp_path / "mnist", [*BUDGETS, 100])
    for name, seed in itertools.product(["random", "margin"], range(5)):
        write_run(root, name, seed, BUDGETS)
    for seed in range(2):
        write_run(root, "entropy", seed, BUDGETS[:2])
    report = read_report(root)
    first, wide = report.views
    assert set(first.summary["labels"]) == set(wide.summary["labels"]) == {BUDGETS[1]}
    means = first.summary.set_index("strategy")["area_mean"]
    difference = report.inference.of("random").loc[("margin", "supervised"), "difference"]
    assert difference == pytest.approx(means["margin"] - means["random"], abs=1e-12)
    assert f"Areas and final accuracies end at {BUDGETS[1]} labels: not all strategies reach 100." in notes_of(report)
    drawn = area_figure(first, report.inference)
    (mark,) = (line for line in drawn.axes[-1].lines if line.get_markersize() == 4)
    (rings,) = (line for line in drawn.axes[-1].lines if len(line.get_xdata()) == 5)
    assert mark.get_xdata() == pytest.approx([np.mean(rings.get_xdata())])
    assert first.accuracy["labels"].max() == BUDGETS[-1]  # curves go on


def test_every_view_has_the_baseline(root: Path) -> None:
    for baseline, seeds in (("method3", [FEW]), ("margin", [MANY, FEW])):
        report = report_of(read_experiment(root), baseline=baseline, reference=baseline)
        assert [len(view.seeds) for view in report.views] == seeds
        for view in report.views:
            assert (baseline, "supervised") in view.ranking
            assert set(view.gains["strategy"]) == {strategy for strategy, _ in view.ranking} - {baseline}
