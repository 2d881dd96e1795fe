"""Measures across data sets, by brute force and against known answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.reports.statistics.across import (
    Setting,
    across,
    main_settings,
    probability_of_improvement,
    relative_error_reduction,
)
from benchmark.reports.statistics.warm_up import warm_up


def setting(
    areas: Mapping[str, Any], experiment: str = "mnist", dataset: str = "mnist", learner: str = "supervised"
) -> Setting:
    given = {name: np.asarray(values, dtype=float) for name, values in areas.items()}
    seeds = tuple(range(len(next(iter(given.values())))))
    return Setting(experiment, dataset, learner, "random", 20, 100, seeds, given, {}, {})


def drawn(rng: int, seeds: int, **effects: float) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(rng)
    shared = draw.normal(0.8, 0.02, seeds)
    return {name: shared + effect + draw.normal(0, 0.01, seeds) for name, effect in effects.items()}


@pytest.mark.parametrize("ties", [False, True])
def test_probability_of_improvement_is_counted_over_all_pairs(ties: bool) -> None:
    """Definition in Agarwal et al. 2021, Sec. 4.3, and rliable's code: the U statistic over the number of pairs."""
    draw = np.random.default_rng(0)
    ours, theirs = (draw.normal(size=n).round(0 if ties else 6) for n in (7, 4))
    pairs = [1.0 if x > y else 0.5 if x == y else 0.0 for x, y in itertools.product(ours, theirs)]
    found = float(probability_of_improvement(ours, theirs))
    assert found == pytest.approx(np.mean(pairs))
    assert found == pytest.approx(stats.mannwhitneyu(ours, theirs, alternative="greater").statistic / 28)
    assert found + float(probability_of_improvement(theirs, ours)) == pytest.approx(1)


def test_error_reduction_is_a_share_of_the_references_errors() -> None:
    found = relative_error_reduction(np.array([0.95, 0.85, 0.9, 1.0]), np.array([0.9, 0.9, 0.9, 1.0]))
    assert found[:3] == pytest.approx([0.5, -0.5, 0.0])
    assert math.isnan(found[3])


def test_a_data_set_with_many_protocols_counts_once() -> None:
    given = [
        setting({"random": [0.8] * 3, "margin": [0.9] * 3}),
        setting({"random": [0.8] * 3, "margin": [0.8] * 3}, "mnist-slow"),
        setting({"random": [0.6] * 3, "margin": [0.5] * 3, "badge": [0.7] * 3}, "cifar10", "cifar10"),
    ]
    table = across(given).table.set_index("strategy")
    assert table.loc["margin", "reduction"] == pytest.approx(((0.5 + 0.0) / 2 - 0.25) / 2)
    assert table.loc["margin", "improvement"] == pytest.approx(((1 + 0.5) / 2 + 0) / 2)
    assert table.loc["margin", ["settings", "datasets"]].tolist() == [3, 2]
    assert table.loc["badge", ["settings", "datasets", "reduction"]].tolist() == pytest.approx([1, 1, 0.25])
    assert table.loc["margin", "rank"] == pytest.approx(((1 + 1.5) / 2 + 2) / 2)  # of random and margin alone
    assert math.isnan(table.loc["badge", "rank"])
    assert table.loc["random", ["settings", "datasets"]].tolist() == [3, 2]
    assert table.loc["random", ["reduction", "improvement"]].isna().all()


def test_ranks_are_those_of_the_mean_areas() -> None:
    given = [
        setting(drawn(k, 4, random=0, margin=0.01, badge=0.012, bald=-0.01), name, name)
        for k, name in enumerate(("a", "b", "c"))
    ]
    found = across(given)
    means = np.array([[values.mean() for values in one.areas.values()] for one in given])
    expected = stats.rankdata(-means, axis=1).mean(axis=0)
    table = found.table.set_index("strategy")
    assert table.loc[list(given[0].areas), "rank"].tolist() == pytest.approx(expected.tolist())
    assert found.ranks.mean(axis=1).tolist() == pytest.approx(expected.tolist())
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()


def test_the_bootstraps_variance_is_that_of_the_mean_over_strata() -> None:
    """Σ s²/n over the K strata, over K²: what drawing n of n seeds would make too small by (n − 1)/n."""
    given = []
    for k, name in enumerate("abcdef"):
        own = drawn(k, 3, random=0, margin=0.02)
        given.append(setting(own | {"random": np.full(3, 0.8)}, name, name))  # the reduction is linear then
    row = across(given).table.set_index("strategy").loc["margin"]
    parts = [one.areas["margin"].var(ddof=1) / 3 / 0.2**2 for one in given]
    half = 1.96 * math.sqrt(sum(parts)) / 6
    assert (row["reduction_high"] - row["reduction_low"]) / 2 == pytest.approx(half, rel=0.06)


def test_intervals_cover() -> None:
    """Of 200 drawn benchmarks of four data sets and ten seeds, about 95 % of the intervals hold the truth."""
    hits = {"reduction": 0, "improvement": 0}
    for k in range(200):
        given = [setting(drawn(4 * k + i, 10, random=0, margin=0.01), str(i), str(i)) for i in range(4)]
        row = across(given).table.set_index("strategy").loc["margin"]
        chance = stats.norm.cdf(0.01 / math.sqrt(2 * (0.02**2 + 0.01**2)))
        for measure, truth in (("reduction", 0.05), ("improvement", chance)):
            hits[measure] += bool(row[f"{measure}_low"] <= truth <= row[f"{measure}_high"])
    assert hits["reduction"] == pytest.approx(190, abs=10)
    assert hits["improvement"] >= 185  # sides that share seeds are drawn apart: rather too wide


def test_settings_of_a_data_set_share_draws_and_those_of_others_do_not() -> None:
    """Two protocols with the same seeds and areas say no more than one; two data sets halve the variance."""
    areas = drawn(3, 6, random=0, margin=0.02)

    def width(*given: Setting) -> float:
        row = across(given).table.set_index("strategy").loc["margin"]
        return float(row["reduction_high"] - row["reduction_low"])

    alone = width(setting(areas))
    assert width(setting(areas), setting(areas, "mnist-slow")) == pytest.approx(alone)
    assert width(setting(areas), setting(areas, "other", "other")) == pytest.approx(alone / math.sqrt(2), rel=0.15)


def test_too_few_seeds_have_no_interval() -> None:
    def low(*seeds: int) -> float:
        given = [setting(drawn(n, n, random=0, margin=0.02), str(k), str(k)) for k, n in enumerate(seeds)]
        row = across(given).table.set_index("strategy").loc["margin"]
        assert math.isfinite(row["reduction"])
        return float(row["reduction_low"])

    assert all(math.isnan(low(*seeds)) for seeds in [(4,), (1, 5), (2, 3)])
    assert all(math.isfinite(low(*seeds)) for seeds in [(5,), (2, 4), (3, 3)])
    assert len(across([]).table) == 0


def test_settings_of_a_data_set_with_the_same_seeds_count_once_towards_an_interval() -> None:
    def has_interval(*places: tuple[str, int]) -> bool:
        given = [
            setting(drawn(k, n, random=0, margin=0.02), f"{dataset}-{k}", dataset)
            for k, (dataset, n) in enumerate(places)
        ]
        row = across(given).table.set_index("strategy").loc["margin"]
        return math.isfinite(row["reduction_low"])

    assert not has_interval(("mnist", 3), ("mnist", 3))
    assert not has_interval(("mnist", 3), ("mnist", 3), ("mnist", 3))
    assert has_interval(("mnist", 3), ("cifar10", 3))
    assert has_interval(("mnist", 2), ("mnist", 4))  # other seeds
    assert has_interval(("mnist", 5), ("mnist", 5))


def test_the_main_setting_of_a_data_set() -> None:
    given = [
        setting({"random": [1], "a": [1]}, "mnist-fixmatch", learner="fixmatch"),
        setting({"random": [1, 1], "a": [1, 1]}, "mnist-slow"),
        setting({"random": [1]}, "mnist", learner="fixmatch"),
        setting({"random": [1]}, "mnist"),
        setting({"random": [1]}, "svhn-short", "svhn"),
        setting({"random": [1, 1]}, "svhn-long", "svhn"),
    ]
    assert main_settings(given) == {"mnist": given[3], "svhn": given[5]}


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0, 0, 0], 10),
        ([0, -0.02, 0.01], 30),
        ([-0.02, 0.03, -0.0049], 20),
        ([-0.02, 0.03, -0.005], math.inf),  # at the margin is behind
        ([0.05, 0.05, -0.1], math.inf),
    ],
)
def test_warm_up_is_after_the_last_label_count_behind_random(differences: list[float], expected: float) -> None:
    found = warm_up([10, 20, 30], np.array([differences] * 3))
    assert found.labels == expected
    assert math.isnan(found.low)
    assert warm_up([10, 20, 30], np.array([differences] * 5)) == (expected, expected, expected)


def test_the_interval_of_warm_up_labels_is_over_seeds() -> None:
    differences = np.zeros((8, 4))
    differences[:, 1] = np.linspace(-0.05, 0.04, 8)  # −0.005 on average
    differences[:3, 3] = 0.01
    found = warm_up([10, 20, 30, 40], differences)
    draw = np.random.default_rng(1)
    means = [differences[draw.integers(0, 8, 7), 1].mean() for _ in range(4000)]
    assert 0.2 < np.mean(np.array(means) > -0.005) < 0.8  # so both ends are met
    assert (found.low, found.high) == (10, 30)
