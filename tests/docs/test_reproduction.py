"""The page of reproduction: theirs with sources, ours from the lines, differences as SciPy has them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.report_lines import accuracy_of, write_experiment, write_run

from benchmark.experiment import library
from docs import reproduction
from docs.reproduction import PUBLISHED, Value, difference

LABELS = list(range(1000, 10001, 1000))


def test_the_page_is_what_results_and_published_figures_say() -> None:
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.page(), "out of date: python -m docs.generate"


def test_every_published_figure_has_a_source_and_is_whole() -> None:
    for one in json.loads(PUBLISHED.read_text(encoding="utf-8")).values():
        assert all(one[field] for field in ("title", "source", "kind", "setting", "n", "differences"))
        assert set(one["differences"]) <= set(library.names())
        assert "random" in one["curves"]
        for curve in one["curves"].values():
            assert len({len(values) for values in curve.values()}) == 1
            assert all(10 < mean < 100 for mean in curve["mean"])


def test_differences_are_those_of_welchs_test() -> None:
    ours, theirs = Value(50.0, 1.5, 5), Value(48.0, 2.5, 3)
    gap, half, beyond = difference(ours, theirs)
    test = stats.ttest_ind_from_stats(50, 1.5, 5, 48, 2.5, 3, equal_var=False)
    assert gap == 2
    assert beyond == (test.pvalue < 0.05)
    rng = np.random.default_rng(0)
    a, b = rng.normal(3, 1, 6), rng.normal(0, 2, 4)
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    gap, half, beyond = difference(*(Value(x.mean(), x.std(ddof=1), len(x)) for x in (a, b)))
    assert (gap - half, gap + half) == pytest.approx(tuple(interval))
    assert difference(ours, theirs, 0.3)[1] == pytest.approx(difference(ours, theirs)[1] + 0.3)
    unknown = difference(ours, theirs._replace(sd=math.nan))
    assert unknown == difference(ours, theirs._replace(sd=ours.sd))
    assert difference(ours._replace(sd=math.nan, n=1), theirs)[2] is False


def test_an_experiment_of_ours_is_picked_up(tmp_path: Path) -> None:
    before = reproduction.page(tmp_path)
    assert "No published runs of ours yet." in before.split("## cifar10\n")[1].split("\n## ")[0]
    own = library.load("cifar10")
    root = write_experiment(tmp_path / "cifar10", LABELS, fingerprint=own.fingerprint)
    for strategy in ("random", "entropy", "badge", "learning-loss"):
        for seed in range(3):
            write_run(root, strategy, seed, LABELS, fingerprint=own.fingerprint)
    section = reproduction.page(tmp_path).split("## cifar10\n")[1].split("\n## ")[0]
    assert "| random | ours, 3 seeds |" in section
    theirs = json.loads(PUBLISHED.read_text())["ji2023"]["curves"]["entropy"]
    mine = [100 * accuracy_of("entropy", seed, 4000) for seed in range(3)]
    row = section.split("### Ji")[1].split("| entropy | ours")[1].splitlines()
    values = [[cell.strip() for cell in line.split("|")[1:-1]] for line in row[:3]]
    assert float(values[0][3]) == pytest.approx(np.mean(mine), abs=0.06)
    test = stats.ttest_ind_from_stats(
        np.mean(mine), np.std(mine, ddof=1), 3, theirs["mean"][3], theirs["sd"][3], 3, equal_var=False
    )
    assert values[2][:2] == ["", "difference"]
    assert values[2][5].endswith(r"\*") == (test.pvalue < 0.05)
    assert "entropy − random" in section
    assert "learning-loss" in section.split("### Ji")[0]  # Yoo & Kweon have it
    assert "no run of ours isolates them" in section
