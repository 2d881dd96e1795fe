"""Rank agreement of two recipes: known curves, brute force over the splits."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.reports.statistics.agreement import compare


def curves(areas: dict[str, list[float]], labels: tuple[int, ...] = (10, 20)) -> pd.DataFrame:
    """Flat curves: a run's area is its accuracy, in points."""
    return pd.DataFrame(
        [
            (strategy, "supervised", seed, count, value / 100)
            for strategy, values in areas.items()
            for seed, value in enumerate(values)
            for count in labels
        ],
        columns=["strategy", "learner", "seed", "labels", "accuracy"],
    )


FAST = {"random": [50.0, 52, 51, 49], "margin": [60.0, 58, 61, 50], "badge": [55.3, 61.1, 50.2, 57.9]}
SLOW = {"random": [70.0, 71, 69, 72], "margin": [75.0, 80, 72, 71], "badge": [77.2, 74.5, 78.1, 70.6]}


def test_all_splits_are_averaged_and_halves_are_disjoint() -> None:
    result = compare(curves(FAST), curves(SLOW))
    rho, difference = [], []
    for half in itertools.combinations(range(4), 2):
        rest = [k for k in range(4) if k not in half]
        x = [np.mean([FAST[s][k] for k in half]) for s in FAST]
        y = [np.mean([SLOW[s][k] for k in rest]) for s in FAST]
        rho.append(stats.spearmanr(x, y).statistic)
        difference.append(np.mean([abs((x[i] - x[0]) - (y[i] - y[0])) for i in (1, 2)]))
    assert result.splits == 6
    assert result.between.spearman == pytest.approx(np.mean(rho))
    assert result.between.gains_difference == pytest.approx(np.mean(difference))
    assert result.areas.loc["margin"].tolist() == pytest.approx([57.25, 74.5])


def test_equal_seeds_agree_perfectly_and_a_reversed_ranking_not_at_all() -> None:
    steady = {s: [50.0 + 10 * i] * 4 for i, s in enumerate(FAST)}
    turned = {s: [50.0 - 10 * i] * 4 for i, s in enumerate(FAST)}
    result = compare(curves(steady), curves(turned))
    assert result.between.spearman == pytest.approx(-1)
    assert result.first.spearman == pytest.approx(1)
    assert result.second.gains_difference == pytest.approx(0)


def test_only_shared_labels_seeds_and_strategies_count() -> None:
    more = {**FAST, "entropy": [0.0] * 4, "random": [*FAST["random"], 0.0]}
    result = compare(curves(more, (10, 20, 30)), curves(SLOW))
    assert result.seeds == (0, 1, 2, 3)
    assert list(result.areas.index) == list(FAST)
    assert result.between == compare(curves(FAST), curves(SLOW)).between


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"random": None}, "takes random"),
        ({s: SLOW[s][:3] for s in SLOW}, "at least 4"),
    ],
)
def test_too_little_is_refused(change: dict[str, list[float] | None], message: str) -> None:
    slow = {s: v for s, v in {**SLOW, **change}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        compare(curves(FAST), curves(slow))


def test_gains_are_over_the_edition_of_random_that_is_shown() -> None:
    plain = compare(curves(FAST), curves(SLOW))
    older = [curves({f"{name} (engine version 1)": areas for name, areas in some.items()}) for some in (FAST, SLOW)]
    assert compare(*older).between == plain.between
