"""Reports across several experiments: what the command writes, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.articles import check_article
from support.report_lines import BUDGETS, accuracy_of, write_experiment, write_grid, write_run

import run_benchmark
from benchmark.reports import read_report
from benchmark.reports.bibliography import read_entries
from benchmark.reports.settings import of_plain, settings_of, to_plain
from benchmark.results.records import DatasetRecord

CIFAR10 = DatasetRecord("cifar10", "1" * 64, "", "1" * 64, None)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("results")
    one = write_grid(folder / "mnist", ["random", "margin", "entropy"], seeds=5)
    two = write_experiment(folder / "cifar10")
    for seed in range(3):
        for strategy, shift in (("random", 0.0), ("margin", -0.1), ("badge", 0.02)):
            write_run(two, strategy, seed, shift=shift, dataset=CIFAR10)
    return [one, two]


def report(roots: list[Path], *flags: str) -> int:
    return run_benchmark.main(["--report", *map(str, roots), *flags])


def area(strategy: str, seed: int, shift: float = 0.0) -> float:
    curve = [accuracy_of(strategy, seed, labels) + shift for labels in BUDGETS]
    return float(np.trapezoid(curve, BUDGETS) / (BUDGETS[-1] - BUDGETS[0]))


def test_the_numbers_are_those_of_the_records(
    roots: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(roots, "--output", str(tmp_path)) == 0
    table = pd.read_csv(tmp_path / "tables" / "across.csv").set_index("strategy")
    reductions, improvements = [], []
    for seeds, shift in ((5, 0.0), (3, -0.1)):
        ours = np.array([area("margin", seed, shift) for seed in range(seeds)])
        theirs = np.array([area("random", seed) for seed in range(seeds)])
        reductions.append((ours.mean() - theirs.mean()) / (1 - theirs.mean()))
        improvements.append(np.mean([[x > y for y in theirs] for x in ours]))
    assert table.loc["margin", "reduction"] == pytest.approx(np.mean(reductions), abs=1e-4)
    assert table.loc["margin", "improvement"] == pytest.approx(np.mean(improvements))
    assert table.loc["margin", ["datasets", "settings", "compared", "not_worse", "better"]].tolist() == [2, 2, 2, 1, 1]
    warm = pd.read_csv(tmp_path / "tables" / "warm-up.csv").set_index(["strategy", "experiment"])["labels"]
    assert warm["margin", "mnist"] == BUDGETS[0]
    assert np.isinf(warm["margin", "cifar10"])
    said = capsys.readouterr().out
    page, readme = ((tmp_path / name).read_text() for name in ("index.html", "README.md"))
    for root in roots:
        sentence = read_report(root).sentence
        assert sentence in said.replace("\n", " ")
        assert sentence in page
    assert "![Across data sets and protocols](figures/across.png)" in readme
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"across{width}.{kind}" for width in ("", "-single") for kind in ("png", "pdf")}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


@pytest.mark.parametrize(("seeds", "compared"), [(1, 1), (2, 1), (3, 2)])
def test_a_setting_with_too_few_seeds_for_a_test_counts_for_no_verdict(
    roots: list[Path], tmp_path: Path, seeds: int, compared: int
) -> None:
    few = write_grid(tmp_path / "digits", ["random", "margin"], seeds=seeds)
    assert report([roots[0], few], "--output", str(tmp_path / "across")) == 0
    table = pd.read_csv(tmp_path / "across" / "tables" / "across.csv").set_index("strategy")
    assert table.loc["margin", ["settings", "compared"]].tolist() == [2, compared]


def test_an_article_has_all_of_it_and_cites_what_ran(roots: list[Path], tmp_path: Path) -> None:
    one = write_experiment(tmp_path / "50%_of {mnist}", papers=["gal2017", "yoo2019"], fingerprint="a" * 64)
    for seed in range(3):
        for strategy in ("random", "margin", "typiclust"):
            write_run(one, strategy, seed, commit="fedcba9", fingerprint="a" * 64)
    paper = tmp_path / "paper"
    assert report([one, roots[1]], "--output", str(paper)) == 0
    text = (paper / "article.tex").read_text()
    tables = {f"tables/{path.name}" for path in (paper / "tables").glob("*.tex")}
    assert set(re.findall(r"\\input\{(.*?)\}", text)) == tables == {"tables/across.tex", "tables/warm-up.tex"}
    figures = {f"figures/{path.name}" for path in (paper / "figures").glob("*.pdf")}
    assert "% For one column: figures/across-single.pdf in the environment figure.\n" in text
    figures.remove("figures/across-single.pdf")
    assert sorted(re.findall(r"\\includegraphics\{(.*?)\}", text)) == sorted(figures)
    assert "(protocol 50\\%\\_of \\{mnist\\}, seeds 0--2; protocol cifar10, seeds " in text
    labels = re.findall(r"\\label\{(.*?)\}", "".join([text, *((paper / path).read_text() for path in tables)]))
    assert len(labels) == len(set(labels)) == len(tables) + len(figures)
    cited = (paper / "tables" / "strategies.bib").read_text()
    entries = read_entries(cited)
    assert set(entries) == {"acqbench", "gal2017", "yoo2019", "scheffer2001", "ash2020", "hacohen2022"}
    for part in ("fingerprint aaaaaaaa, protocol cifar10, fingerprint ffffffff, ", "commits fedcba9, abcdef0"):
        assert part in entries["acqbench"]
    assert re.findall(r"^% margin$", cited, flags=re.M)  # once, though in both
    check_article(paper)


def test_a_selection_and_a_baseline(roots: list[Path], tmp_path: Path) -> None:
    flags = ["--strategies", "random", "--seeds", "0", "1", "2", "--baseline", "margin", "--output", str(tmp_path)]
    assert report(roots, *flags) == 0
    table = pd.read_csv(tmp_path / "tables" / "across.csv").set_index("strategy")
    assert set(table.index) == {"random", "margin"}
    assert np.isnan(table.loc["margin", "reduction"])
    assert "random's" not in (tmp_path / "tables" / "across.md").read_text()


def test_a_setting_reads_back(roots: list[Path]) -> None:
    for root in roots:
        (one,) = settings_of(read_report(root))
        again = of_plain(to_plain(one))
        assert to_plain(again) == to_plain(one)
        assert again.warm_up.keys() == one.warm_up.keys()
        for name, found in one.warm_up.items():
            assert again.warm_up[name] == pytest.approx(tuple(found), nan_ok=True)


def test_what_cannot_be_reported_is_one_line(
    roots: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = write_grid(tmp_path / "alone", ["random"], seeds=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    for given, flags, said in (
        ([roots[0], roots[0]], [], "mnist is named twice"),
        ([roots[0], alone], [], "a report across experiments takes two"),
        (roots, ["--output", str(roots[0])], "holds an experiment"),
        (roots, ["--output", str(tmp_path / "mine")], "would be overwritten"),
        (roots, ["--export-indices", str(tmp_path)], "give --report one"),
        (roots, ["--strategies", "badge", "--seeds", "4"], "experiment 'cifar10' has no complete round"),
    ):
        assert report(given, *flags) == 2
        printed, error = capsys.readouterr()
        assert not printed
        assert said in error
        assert error.count("\n") == 1
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"
