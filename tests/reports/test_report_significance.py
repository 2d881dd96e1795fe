"""Tests by seed, pairwise wins and ranks, against SciPy called directly and against enumeration."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.reports.statistics.seeds import compared
from benchmark.reports.statistics.significance import (
    accuracies,
    blocks,
    holm,
    mean_ranks,
    paired_t,
    pairwise,
    primary_tests,
    rank_tests,
    ranks_allowed,
    records,
    signed_rank,
)
from benchmark.reports.statistics.summary import areas, keys

LABELS = [10, 20, 50, 100]


def curves_of(names: list[str], seeds: int, rng: int = 0) -> pd.DataFrame:
    """Curves with an effect of the seed, which pairing removes; all start alike."""
    draw = np.random.default_rng(rng)
    effect = draw.normal(0, 0.05, seeds)
    rows = [
        (name, seed, b, 0.6 + effect[seed] + (0.02 * i * j + draw.normal(0, 0.02) if j else 0))
        for i, name in enumerate(names)
        for seed in range(seeds)
        for j, b in enumerate(LABELS)
    ]
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "labels", "accuracy"])
    return frame.assign(learner="supervised", train_seconds=1.0, query_seconds=0.1)


def area_of(curves: pd.DataFrame, name: str) -> np.ndarray:
    """Areas by seed, by NumPy's trapezoids."""
    table = curves[curves["strategy"] == name].pivot(index="seed", columns="labels", values="accuracy")
    return np.trapezoid(table.to_numpy(), LABELS, axis=1) / (LABELS[-1] - LABELS[0])


def test_the_log_area_is_the_mean_over_the_logarithm_of_labels() -> None:
    curves = curves_of(["random"], 1)
    fine = np.geomspace(LABELS[0], LABELS[-1], 100_001)
    expected = np.interp(np.log(fine), np.log(LABELS), curves["accuracy"]).mean()
    assert areas(curves)["log_area"].iloc[0] == pytest.approx(expected, abs=1e-5)


def test_holm_by_hand() -> None:
    # sorted 0.01 0.02 0.03 0.04 times 4 3 2 1: 0.04 0.06 0.06 0.04, made monotone from the smallest on
    assert holm([0.04, 0.01, math.nan, 0.03, 0.02]) == pytest.approx([0.06, 0.04, math.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_family_is_every_strategy_against_random_and_the_baseline() -> None:
    curves = curves_of(["random", "margin", "badge", "bald"], 9)
    tests = primary_tests(areas(curves), "margin")
    pairs = list(zip(tests["strategy"], tests["reference"], strict=True))
    assert pairs == [(s, "random") for s in ("margin", "badge", "bald")] + [(s, "margin") for s in ("badge", "bald")]
    raw = []
    for row in tests.itertuples():
        own, other = area_of(curves, row.strategy), area_of(curves, row.reference)
        expected = stats.ttest_rel(own, other)
        assert (row.t, row.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert (row.low, row.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert row.wilcoxon == pytest.approx(stats.wilcoxon(own - other, method="exact").pvalue)
        raw.append(expected.pvalue)
    order = np.argsort(raw)
    by_hand, largest = [0.0] * 5, 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (5 - place) * raw[i]))
        by_hand[i] = largest
    assert tests["p_holm"].tolist() == pytest.approx(by_hand)


def test_too_few_seeds_give_no_p_value() -> None:
    assert math.isnan(paired_t([0.1, 0.2])[1])
    assert paired_t([0.1, 0.2, 0.4])[1] == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.4], 0).pvalue)
    assert math.isnan(signed_rank([0.1 * i for i in range(1, 9)]))
    assert paired_t([0.0, 0.0, 0.0]) == (0.0, 1.0)
    assert paired_t([-0.5, -0.5, -0.5]) == (-math.inf, 0.0)
    assert signed_rank([0.0] * 9) == 1.0


def test_wilcoxon_by_enumeration_of_all_signs() -> None:
    values = [0.3, -0.1, 0.55, 0.2, -0.05, 0.7, 0.41, 0.62, 0.13]
    ranks = stats.rankdata(np.abs(values))
    observed = sum(r for r, v in zip(ranks, values, strict=True) if v > 0)
    sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=9)]
    middle = ranks.sum() / 2
    extreme = sum(abs(s - middle) >= abs(observed - middle) for s in sums)
    assert signed_rank(values) == pytest.approx(extreme / 2**9)


def test_pairwise_wins_are_those_of_a_t_test_at_each_label_count() -> None:
    curves = curves_of(["random", "margin", "badge"], 5)
    found = pairwise(compared(curves), [(s, "supervised") for s in ("badge", "margin", "random", "absent")])
    assert ([s for s, _ in found.keys], found.labels, found.n) == (["badge", "margin", "random"], LABELS, 5)
    assert stats.t.ppf(0.975, 4) == pytest.approx(2.776, abs=1e-3)
    table = curves.pivot(index=["strategy", "labels"], columns="seed", values="accuracy")
    for (i, (own, _)), (j, (other, _)) in itertools.permutations(enumerate(found.keys), 2):
        scores = [stats.ttest_rel(table.loc[(own, b)], table.loc[(other, b)]).statistic for b in LABELS[1:]]
        won = sum(score > 2.7764451 for score in scores)  # where all start alike there is no test and no win
        assert found.wins[i, j] == won
        assert found.penalties[i, j] == won / 4
    assert found.wins[0].max() >= 2  # the data tell some apart
    badge, random = ("badge", "supervised"), ("random", "supervised")
    won, lost = found.wins[0, 2], found.wins[2, 0]
    assert records(curves)[badge] == (won, 4 - won - lost, lost)
    assert random not in records(curves)
    few = pairwise(compared(curves_of(["random", "margin"], 2)), [random, ("margin", "supervised")])
    assert np.isnan(few.penalties).all()
    assert records(curves_of(["random", "margin"], 2)) == {}


def test_unequal_seeds_are_made_equal_before_anything_is_compared() -> None:
    curves = curves_of(["random", "margin", "badge"], 5)
    short = curves[~((curves["strategy"] == "badge") & (curves["seed"] == 3))]
    order, seeds, labels, array = accuracies(compared(short))
    assert (seeds, labels, array.shape) == ([0, 1, 2, 4], LABELS, (3, 4, 4))
    expected = curves.set_index(["strategy", "seed", "labels"])["accuracy"]
    assert array[order.index(("margin", "supervised")), 3, 2] == expected["margin", 4, 50]
    assert primary_tests(areas(short))["n"].eq(4).all()


def test_ranks_and_tests_of_ranks() -> None:
    names = ["random", "margin", "badge", "bald"]
    first, second = curves_of(names, 6, rng=1), curves_of(["bald", *names[:3]], 5, rng=2)
    table = blocks(areas(first), areas(second))
    assert table.shape == (11, 4)
    assert ranks_allowed(table)
    assert not ranks_allowed(table[:9])
    assert not ranks_allowed(pd.concat([table] * 3, axis=1))
    values = np.array([[area_of(c, s)[k] for s in names] for c, n in ((first, 6), (second, 5)) for k in range(n)])
    ranks = stats.rankdata(-values, axis=1).mean(axis=0)
    assert mean_ranks(table).tolist() == pytest.approx(ranks.tolist())
    found = rank_tests(table)
    assert found.friedman == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    assert found.critical_difference == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 11)), rel=1e-3)  # Demšar, table 5
    for i, j in itertools.combinations(range(4), 2):
        apart = abs(ranks[i] - ranks[j]) > found.critical_difference
        assert (found.nemenyi.iloc[i, j] < 0.05) == apart
    assert keys(first)[0] == table.columns[0]


def test_ranks_need_the_library_only_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scikit_posthocs", None)
    table = blocks(areas(curves_of(["random", "margin", "badge"], 10)))
    assert mean_ranks(table).sum() == pytest.approx(6)
    with pytest.raises(ImportError):
        rank_tests(table)
