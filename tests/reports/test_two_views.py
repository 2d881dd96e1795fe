"""Unequal seeds: a few strategies with many and many with few are both shown at their best, and it is said how."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.report_lines import BUDGETS, accuracy_of, data_of, write_experiment, write_run

from benchmark.reports import read_report, write_report
from benchmark.reports.report import tables_of
from benchmark.reports.sections import tests_by_seed
from benchmark.reports.statistics.significance import holm

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
        assert row["gain_n"] == MANY  # whatever the view: a difference is over all seeds that the two share


def test_each_test_is_over_the_seeds_that_the_two_share(root: Path) -> None:
    report = read_report(root)
    tests = tests_by_seed.compute(report).set_index(["strategy", "reference"])
    assert len(tests) == len([*CORE, *OTHERS]) - 1 + len([*CORE, *OTHERS]) - 2  # all against two
    for family in (CORE, OTHERS):  # those with few seeds do not weaken the others
        own = tests[tests.index.get_level_values("strategy").isin(family)]
        assert own["p_holm"].tolist() == pytest.approx(holm(own["p"].tolist()))
    for name, reference, n in (("margin", "random", MANY), ("method3", "random", FEW), ("method3", "margin", FEW)):
        row = tests.loc[(name, reference)]
        expected = stats.ttest_rel([area(name, s) for s in range(n)], [area(reference, s) for s in range(n)])
        assert (row["n"], row["p"]) == (n, pytest.approx(expected.pvalue))
    table = {made.name: made.content for made in tables_of(report)}["tests"]
    assert table.header.count("seeds") == 2
    rows = {row[0].text: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert [row[0].text for row in table.rows][:3] == report.views[0].summary["strategy"].tolist()
    assert rows["margin"]["rank"].text != "–"
    assert rows["method3"]["rank"].text == "–"
    assert rows["margin"]["Wilcoxon"].text != "–"
    assert rows["method3"]["Wilcoxon"].text == "–"
    assert sum(map(int, rows["method3"]["W–T–L"].text.split("–"))) == len(BUDGETS)
    assert (
        "3 seeds are too few for Wilcoxon's signed-rank test (at least 9 are needed): its cells are empty."
        in table.caption
    )
    assert "over the 3 tests of the strategies with a rank and, separately, over the 14 others" in table.caption
    assert "Each test is over all seeds that the two strategies share" in table.caption
    assert (
        "Rank is the mean rank of the 3 strategies with a rank by area under the budget curve over 10 seeds"
        in table.caption
    )


def test_both_views_are_written_and_say_what_they_are(root: Path) -> None:
    for name in ("summary", "accuracy", "labels", "pairwise"):
        shown, wide = ((root / "tables" / f"{name}{suffix}.md").read_text() for suffix in ("", "-all"))
        assert "Shown are the 3 of 10 strategies with the most seeds, over the 10 seeds 0–9 that they share" in shown
        assert "Shown are all 10 strategies, over the 3 seeds 0–2 that they share; 3 of them have 10 seeds" in wide
        assert ("method3" in shown, "method3" in wide, "margin" in wide) == (False, True, True)
    for name in ("accuracy", "areas", "labels-saved", "pairwise", "calibration", "seconds"):
        assert (root / "figures" / f"{name}.png").is_file()
        assert (root / "figures" / f"{name}-all.pdf").is_file()
    assert (root / "figures" / "ranks.png").is_file()  # 3 strategies, 10 blocks
    assert not (root / "figures" / "ranks-all.png").exists()
    page = (root / "README.md").read_text()
    assert "## Summary, all strategies" in page
    assert page.count("10 paired seeds") >= 1
    assert page.count("3 paired seeds") >= 1
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
