"""The page over all experiments."""

from __future__ import annotations

import itertools
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.report_lines import BUDGETS, accuracy_of, change_rounds, write_experiment, write_grid, write_run

from benchmark.reports import read_report, write_report
from benchmark.reports.rendering.web.advice import advice
from benchmark.reports.rendering.web.overview import overview_page, write_overview
from benchmark.reports.rendering.web.page import experiment_page
from benchmark.results.records import DatasetRecord

CORE = ["random", "margin", "entropy"]
OTHERS = [f"method{i}" for i in range(7)]


def area(strategy: str, seed: int) -> float:
    curve = [accuracy_of(strategy, seed, labels) for labels in BUDGETS]
    return float(np.trapezoid(curve, BUDGETS) / (BUDGETS[-1] - BUDGETS[0]))


def experiment(results: Path, name: str, dataset: str, strategies: list[str], seeds: int, **protocol: str) -> None:
    root = write_experiment(results / name, **protocol)
    for strategy, seed in itertools.product(strategies, range(seeds)):
        write_run(root, strategy, seed, dataset=DatasetRecord(dataset, "0" * 64, "", "0" * 64, None))
    report = read_report(root)
    (report.root / "index.html").write_text(experiment_page(report, [], [], []))


def test_ranks_are_over_independent_data_sets_and_never_over_seeds(tmp_path: Path) -> None:
    experiment(tmp_path, "mnist", "mnist", [*CORE, *OTHERS[:4]], 7)
    experiment(tmp_path, "mnist-slow", "mnist", CORE, 6)  # the same data again: no further block
    assert "Mean ranks over data sets" not in overview_page(tmp_path)
    experiment(tmp_path, "cifar10", "cifar10", ["entropy", "badge", "margin", "random"], 12)
    page = overview_page(tmp_path)
    assert "over 2 data sets (cifar10, mnist)" in page
    assert "The ranks are not tested or drawn: that takes at least 10 data sets and 3 to 10 strategies." in page
    assert "Critical-difference diagram" not in page
    areas = np.array([[np.mean([area(s, k) for k in range(n)]) for s in CORE] for n in (12, 7)])
    ranks = stats.rankdata(-areas, axis=1).mean(axis=0)
    for strategy, rank in zip(CORE, ranks, strict=True):
        assert re.search(rf">{strategy}</th><td[^>]*>{rank:.2f}</td>", page.split("Mean ranks over data sets")[-1])
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_ten_data_sets_are_tested(tmp_path: Path) -> None:
    for number in range(10):
        experiment(tmp_path, f"set{number}", f"set{number}", CORE, 2)
    page = overview_page(tmp_path)
    assert "Friedman" in page
    assert page.count("Critical-difference diagram of the mean ranks") == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_grid(tmp_path_factory.mktemp("results") / "mnist", ["random", "margin", "entropy"])
    write_report(root)
    return root


def test_the_overview_has_a_row_for_each_experiment(root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(root, tmp_path / name)
    report = read_report(write_grid(tmp_path / "three, & <more>", ["random", "margin"], seeds=1))
    write_run(report.root, "true-loss", 0, shift=0.3, diagnostic=True)
    (report.root / "index.html").write_text(experiment_page(read_report(report.root), [], [], []))
    write_overview(tmp_path)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "index.html").write_text("<p>else</p>")
    page = overview_page(tmp_path)
    experiments = page.split("<h2>All experiments</h2>")[1]
    rows = re.findall(r'<tr><th scope="row"[^>]*><a href="([^"]*)">.*?</tr>', experiments)
    assert [unquote(unescape(row)) for row in rows] == [
        "one/index.html",
        "three, & <more>/index.html",
        "two/index.html",
    ]
    best = pd.read_csv(root / "tables" / "summary.csv").iloc[0]
    assert best["strategy"] == "margin"
    assert experiments.count(f">{100 * best['area_mean']:.1f} ± {100 * best['area_sd']:.1f}</td>") == 2
    assert (
        len(re.findall(r'<td class="text[^"]*" data-title="best">margin</td>', experiments)) == 3
    )  # the one that reads the labels is not the best
    assert (tmp_path / "index.html").read_text() == page


def test_a_page_of_others_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    report = read_report(write_grid(tmp_path / "e", ["random"], seeds=1))
    (report.root / "index.html").write_text(experiment_page(report, [], [], []))
    write_overview(tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"
    assert (tmp_path / "e" / "index.html").is_file()


def test_the_page_says_which_strategy_to_use_where_it_is_shown(tmp_path: Path) -> None:
    results = tmp_path / "results"
    root = write_grid(results / "mnist", ["entropy"], seeds=10)
    for seed in range(10):
        write_run(root, "random", seed, shift=-0.1 - 0.001 * seed)
        write_run(root, "true-loss", seed, diagnostic=True)
    undecided = write_grid(results / "cifar10", ["random", "margin"], seeds=1)
    for seed in range(1, 4):
        write_run(undecided, "random", seed, dataset=DatasetRecord("cifar10", "0" * 64, "", "0" * 64, None))
    report = read_report(root)
    found = advice(report)
    assert {one["use"] for one in found} == {"entropy"}
    assert all(one["certain"] and one["certainty"].startswith("better than random (p ") for one in found)
    assert found[-1]["labels"] == f"{max(BUDGETS)}"
    gain, low, high = map(float, re.findall(r"[+−][\d.]+", found[-1]["gain"].replace("−", "-")))
    assert low < gain < high
    assert gain == pytest.approx(100 * last_gain("entropy", 10), abs=0.06)
    assert advice(read_report(undecided)) == []  # one seed of margin
    write_report(root)
    page = (results / "index.html").read_text()
    section = page.split("<h2>Which strategy to use</h2>")[1].split("</section>")[0]
    assert len(re.findall(r'data-title="use"><b>entropy</b></td>', section)) == len(found)


def test_embeddings_of_a_data_set_have_advice_of_their_own(tmp_path: Path) -> None:
    experiment(tmp_path, "mnist", "mnist", CORE, 3)
    experiment(tmp_path, "mnist-slow", "mnist", CORE, 5)  # another protocol on the same images
    experiment(tmp_path, "mnist-heads", "mnist", CORE, 4, embedding="lite0[size=96]")
    experiment(tmp_path, "mnist-more-heads", "mnist", CORE, 5, embedding="lite0[size=96]")
    page = overview_page(tmp_path)
    section = page.split("<h2>Which strategy to use</h2>")[1].split("</section>")[0]
    assert set(re.findall(r'<a href="([^"]*)/index.html">([^<]*)</a>', section)) == {
        ("mnist", "mnist"),
        ("mnist-more-heads", "mnist as embeddings"),  # of two the one with the most runs
    }
    everything = page.split("<h2>All experiments</h2>")[1].split("</section>")[0]
    assert everything.count(">mnist as embeddings</td>") == 2
    assert "Mean ranks over data sets" not in page  # embeddings of the same images are no further data set


def last_gain(strategy: str, seeds: int) -> float:
    last = max(BUDGETS)
    return float(
        np.mean(
            [
                accuracy_of(strategy, seed, last) - accuracy_of("random", seed, last) + 0.1 + 0.001 * seed
                for seed in range(seeds)
            ]
        )
    )


def test_without_a_better_one_random_is_advised_and_said_to_be_undecided(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random"], seeds=4)
    for seed in range(4):
        path = write_run(root, "margin", seed)
        change_rounds(
            path,
            lambda r, seed=seed: replace(r, accuracy=accuracy_of("random", seed, r.num_labelled) + 0.01 * (-1) ** seed),
        )
    for one in advice(read_report(root)):
        assert (one["use"], one["certain"], one["gain"]) == ("random", False, "")
        assert one["certainty"].startswith("undecided: no strategy is shown to be better; margin comes nearest")


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ({"margin": -0.1, "entropy": -0.2}, "no strategy is better than random: all are worse"),
        ({"margin": 0.0, "entropy": -0.2}, "no strategy is better than random: all are equivalent or worse"),
        ({"margin": 0.0, "entropy": 0.0}, "no strategy is better than random: all are equivalent"),
        ({"margin": -0.1}, "no strategy is better than random: margin is worse"),
        ({"margin": 0.0, "entropy": None}, "undecided: no strategy is shown to be better; entropy comes nearest (p = "),
    ],
)
def test_where_none_is_better_the_verdicts_are_told(gains: dict[str, float | None], said: str, tmp_path: Path) -> None:
    """A gain of None differs from seed to seed."""
    root = write_grid(tmp_path / "mnist", ["random"], seeds=10)
    for (strategy, gain), seed in itertools.product(gains.items(), range(10)):
        shift = gain + 1e-4 * (-1) ** seed if gain is not None else -0.01 + 0.05 * (-1) ** seed
        change_rounds(
            write_run(root, strategy, seed),
            lambda r, seed=seed, shift=shift: replace(r, accuracy=accuracy_of("random", seed, r.num_labelled) + shift),
        )
    found = advice(read_report(root))
    assert {(one["use"], one["certain"], one["gain"], one["also"]) for one in found} == {("random", False, "", "")}
    assert all(one["certainty"].startswith(said) for one in found)
    assert all(("p = " in one["certainty"]) == said.startswith("undecided") for one in found)
