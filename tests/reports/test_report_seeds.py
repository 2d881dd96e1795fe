"""Unequal seeds: a few strategies with many and many with few are both shown at their best, and it is said how."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.report_lines import BUDGETS, accuracy_of, data_of, write_experiment, write_run

from benchmark.reports import read_report, write_report
from benchmark.reports.findings import tables
from benchmark.reports.statistics.seeds import comparable, parties
from benchmark.reports.statistics.significance import holm
from benchmark.reports.web import html
from benchmark.reports.web.overview import overview_page
from benchmark.results.records import DatasetRecord

CORE = ["random", "margin", "entropy"]
OTHERS = [f"method{i}" for i in range(7)]
MANY, FEW = 10, 3


def frame_of(seeds: dict[str, range | list[int]], labels: list[int] = [10, 20]) -> pd.DataFrame:  # noqa: B006
    rows = [(name, "supervised", s, n, 0.5) for name, some in seeds.items() for s in some for n in labels]
    frame = pd.DataFrame(rows, columns=["strategy", "learner", "seed", "labels", "accuracy"])
    return frame.assign(train_seconds=1.0, query_seconds=0.1)


def names(keys: list[tuple[str, str]]) -> list[str]:
    return [strategy for strategy, _ in keys]


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


# Who is in which party


@pytest.mark.parametrize(
    ("seeds", "most", "fewer", "guests"),
    [
        ({"random": range(10), "a": range(10), "b": range(3)}, ["random", "a"], ["b"], []),
        ({"random": range(10), "a": range(9), "b": range(8), "c": range(7)}, ["random", "a", "b"], ["c"], []),
        ({"random": range(5), "a": range(5), "b": range(4), "c": range(3)}, ["random", "a", "b"], ["c"], []),
        ({"random": range(2), "a": range(2), "b": range(1)}, ["random", "a", "b"], [], []),  # too few for any test
        ({"random": range(3), "a": range(20), "b": range(3)}, ["random", "a", "b"], [], []),  # what random has too
        ({"random": range(10), "a": range(3), "b": range(3)}, ["random", "a", "b"], [], []),  # random alone is no party
        ({"random": range(5), "a": range(5), "b": [7, 8]}, ["random", "a"], [], ["b"]),
        ({"a": range(10), "b": range(3)}, ["a"], ["b"], []),
        ({"random": range(3)}, ["random"], [], []),
    ],
)
def test_parties(seeds: dict[str, range | list[int]], most: list[str], fewer: list[str], guests: list[str]) -> None:
    found = parties(frame_of(seeds))
    assert [names(keys) for keys in found] == [most, fewer, guests]


def test_who_is_not_done_takes_no_seed_from_the_others() -> None:
    begun = frame_of({"late": [0], "early": range(5)}, [10])
    frame = pd.concat([frame_of({"random": range(5), "a": range(5)}), begun], ignore_index=True)
    found = parties(frame, last=20)
    assert names(found.guests) == ["late", "early"]
    shared, notes = comparable(frame, found.guests)
    assert shared.groupby(["strategy", "labels"]).size().to_dict() == {
        **{(name, labels): 5 for name in ("random", "a") for labels in (10, 20)},
        ("early", 10): 5,
    }
    assert notes == ["Left out at 10 labels: late, which lacks seeds of the others."]


def test_notes_on_what_is_left_out_stay_short() -> None:
    _, notes = comparable(frame_of({"random": range(10), **{f"m{i}": range(3) for i in range(30)}}))
    assert notes == ["Left out at 10 to 20 labels: seeds 3–9, which m0, m1, m2, … (30 strategies) did not run."]


# What is printed


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
    tests = report.findings.tests.set_index(["strategy", "reference"])
    assert len(tests) == len([*CORE, *OTHERS]) - 1 + len([*CORE, *OTHERS]) - 2  # all against two
    for family in (CORE, OTHERS):  # those with few seeds do not weaken the others
        own = tests[tests.index.get_level_values("strategy").isin(family)]
        assert own["p_holm"].tolist() == pytest.approx(holm(own["p"].tolist()))
    for name, reference, n in (("margin", "random", MANY), ("method3", "random", FEW), ("method3", "margin", FEW)):
        row = tests.loc[(name, reference)]
        expected = stats.ttest_rel([area(name, s) for s in range(n)], [area(reference, s) for s in range(n)])
        assert (row["n"], row["p"]) == (n, pytest.approx(expected.pvalue))
    table = {made.name: made for made in tables(report.findings, report.views, report.source)}["tests"]
    assert table.header.count("seeds") == 2
    rows = {row[0].text: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert [row[0].text for row in table.rows][:3] == report.views[0].summary["strategy"].tolist()
    assert rows["margin"]["rank"].text != "–"
    assert rows["method3"]["rank"].text == "–"
    assert rows["margin"]["Wilcoxon"].text != "–"
    assert rows["method3"]["Wilcoxon"].text == "–"
    assert sum(map(int, rows["method3"]["W–T–L"].text.split("–"))) == len(BUDGETS)
    assert "3 seeds are too few for Wilcoxon's signed-rank test (from 9 on): its cells are empty." in table.caption
    assert "over the 3 tests of the strategies with a rank and, by itself, over the 14 others" in table.caption
    assert "Each test is over all seeds that the two strategies share" in table.caption
    assert "Rank is the mean over 10 seeds of the rank of the 3 strategies with a rank" in table.caption


def test_both_views_are_written_and_say_what_they_are(root: Path) -> None:
    for name in ("summary", "accuracy", "labels", "pairwise"):
        shown, wide = ((root / "tables" / f"{name}{suffix}.md").read_text() for suffix in ("", "-all"))
        assert "Here are the 3 of 10 strategies with the most seeds, over the 10 seeds 0–9 that they share" in shown
        assert "Here are all 10 strategies, over the 3 seeds 0–2 that they share; 3 of them have 10" in wide
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


# Ranks over data sets, on the page over all experiments


def experiment(results: Path, name: str, dataset: str, strategies: list[str], seeds: int) -> None:
    root = write_experiment(results / name)
    for strategy, seed in itertools.product(strategies, range(seeds)):
        write_run(root, strategy, seed, dataset=DatasetRecord(dataset, "0" * 64, "", "0" * 64))
    report = read_report(root)
    html.write_page(report, {}, [], "")


def test_ranks_are_over_seeds_and_independent_data_sets(tmp_path: Path) -> None:
    experiment(tmp_path, "mnist", "mnist", [*CORE, *OTHERS[:4]], 7)
    experiment(tmp_path, "mnist-slow", "mnist", CORE, 6)  # the same data again: no further blocks
    assert "Mean ranks over data sets" not in overview_page(tmp_path)
    experiment(tmp_path, "cifar10", "cifar10", ["entropy", "badge", "margin", "random"], 2)
    page = overview_page(tmp_path)
    assert "over 9 blocks, the seeds of independent data sets (2 of cifar10, 7 of mnist)" in page
    assert "No test of the ranks and no diagram: they take at least 10 blocks and 3 to 10 strategies." in page
    experiment(tmp_path, "cifar10", "cifar10", ["entropy", "badge", "margin", "random"], 3)
    page = overview_page(tmp_path)
    areas = np.array([[area(s, k) for s in CORE] for n in (3, 7) for k in range(n)])
    ranks = stats.rankdata(-areas, axis=1).mean(axis=0)
    for strategy, rank in zip(CORE, ranks, strict=True):
        assert re.search(rf">{strategy}</th><td>{rank:.2f}</td>", page.split("Mean ranks over data sets")[-1])
    p = stats.friedmanchisquare(*areas.T).pvalue
    assert f"Friedman's test: p {'&lt; 0.001' if p < 0.001 else f'= {p:.3f}'}" in page.replace("&#x27;", "'")
    assert page.count('src="data:image/png;base64,') == 1
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
