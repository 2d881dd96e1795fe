"""The statistics that all of a report shares, against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_reports import LABELS, curves_with_effects

from benchmark.reports.statistics.family import contrasts
from benchmark.reports.statistics.inference import infer
from benchmark.reports.statistics.seeds import comparable, compared
from benchmark.reports.statistics.summary import (
    accuracies,
    area_under_budget_curve,
    areas,
    intervals,
    mean_interval,
    summarise,
)


def test_the_area_is_the_mean_of_the_piecewise_linear_curve() -> None:
    rng = np.random.default_rng(0)
    labels = np.sort(rng.choice(1000, 8, replace=False)).tolist()
    accuracy = rng.random(8).tolist()
    fine = np.linspace(labels[0], labels[-1], 200_001)
    assert area_under_budget_curve(labels, accuracy) == pytest.approx(
        np.interp(fine, labels, accuracy).mean(), abs=1e-5
    )
    assert area_under_budget_curve([10], [0.7]) == 0.7
    assert area_under_budget_curve([10, 30, 100], [0.4] * 3) == pytest.approx(0.4)


@pytest.mark.parametrize(("labels", "accuracy"), [([], []), ([1, 2], [0.5]), ([2, 2], [0.5, 0.6]), ([3, 1], [0, 1])])
def test_the_area_refuses_what_is_no_curve(labels: list[float], accuracy: list[float]) -> None:
    with pytest.raises(ValueError, match=r"labels and accuracy must be|label counts must"):
        area_under_budget_curve(labels, accuracy)


def test_the_interval_is_the_one_of_students_test() -> None:
    values = np.random.default_rng(1).normal(0.3, 0.1, 6)
    for level in (0.9, 0.95):
        expected = stats.ttest_1samp(values, 0).confidence_interval(level)
        assert mean_interval(values, level)[1:3] == pytest.approx(tuple(expected))
    single = mean_interval([0.5])
    assert (single.mean, single.n, math.isnan(single.low)) == (0.5, 1, True)
    assert mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5, 3)
    assert math.isnan(mean_interval([]).mean)


def frame_of(rows: list[tuple[str, int, int, float]], learner: str = "supervised") -> pd.DataFrame:
    """Curves from (strategy, seed, labels, accuracy)."""
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "labels", "accuracy"])
    return frame.assign(learner=learner, train_seconds=2.0, query_seconds=0.5)


def test_means_that_stand_beside_each_other_are_over_the_same_seeds() -> None:
    rows = [("random", s, b, 0.5 + s) for s in range(3) for b in (10, 20)]
    rows += [("margin", s, b, 0.5 + s) for s in (1, 2) for b in (10, 20) if not (s == 2 and b == 20)]
    rows += [("badge", 7, 10, 0.1)]
    shared, notes = comparable(frame_of(rows))
    kept = {(r.strategy, r.labels, r.seed) for r in shared.itertuples()}
    assert kept == {(s, b, k) for s in ("random", "margin") for b, k in ((10, 1), (10, 2), (20, 1))}
    assert notes == [
        "Left out at 10 labels: badge, which shares no seed with the others.",
        "Left out at 10 to 20 labels: seed 0, which margin did not run.",
        "Left out at 20 labels: seed 2, which margin did not run.",
    ]
    table = intervals(shared, "accuracy").set_index(["strategy", "labels"])
    assert table.loc[("random", 10), "mean"] == pytest.approx(2.0)
    assert table.loc[("random", 20), "n"] == 1


def test_a_query_behind_the_last_label_count_is_no_cost_of_what_is_compared() -> None:
    rows = [(name, s, b, 0.5) for name in ("random", "margin") for s in range(2) for b in (10, 20, 50)]
    frame = frame_of(rows)
    frame.loc[frame["labels"] == 50, "query_seconds"] = 100.0
    assert summarise(frame)["query_seconds"].tolist() == [0.5, 0.5]
    assert summarise(frame[frame["labels"] == 50])["query_seconds"].isna().all()


def test_the_summary_is_of_all_shared_seeds() -> None:
    rng = np.random.default_rng(2)
    seeds, labels = range(5), [10, 20, 50]
    easy = {s: rng.normal(0, 0.3) for s in seeds}  # a large effect of the seed, which pairing removes
    value = {
        (name, s, b): easy[s] + 0.5 + gain + rng.normal(0, 0.01)
        for name, gain in (("random", 0.0), ("margin", 0.05), ("same", 0.0), ("bad", -0.05))
        for s in seeds
        for b in labels
    }
    summary = summarise(frame_of([(*key, accuracy) for key, accuracy in value.items()])).set_index("strategy")

    def area(name: str, s: int) -> float:
        y = [value[name, s, b] for b in labels]
        return (10 * (y[0] + y[1]) / 2 + 30 * (y[1] + y[2]) / 2) / 40

    for name in ("margin", "same", "bad"):
        row = summary.loc[name]
        assert row["area_sd"] == pytest.approx(np.std([area(name, s) for s in seeds], ddof=1))
        assert row["final_mean"] == pytest.approx(np.mean([value[name, s, 50] for s in seeds]))
    assert summary.loc["margin", "n"] == 5
    assert summary.loc["margin", "train_seconds"] == 6.0
    assert summary.loc["margin", "query_seconds"] == pytest.approx(0.5)
    assert summary["area_mean"].is_monotonic_decreasing


def test_a_strategy_that_stops_early_ends_the_comparison_unless_others_complete_it() -> None:
    rows = [(s, k, b, 0.5) for s in ("random", "margin") for k in (0, 1) for b in (10, 20, 30)]
    rows += [("broken", 0, b, 0.4) for b in (10, 20)]
    everyone = summarise(frame_of(rows)).set_index("strategy")
    assert everyone["labels"].tolist() == [20] * 3
    assert everyone["n"].tolist() == [1] * 3
    complete = summarise(frame_of(rows), end=30).set_index("strategy")
    assert complete["labels"].tolist() == [30] * 3
    assert complete["n"].to_dict() == {"random": 2, "margin": 2, "broken": 0}
    assert complete.loc["margin", "area_mean"] == pytest.approx(0.5)  # whole curves of both seeds
    assert math.isnan(complete.loc["broken", "area_mean"])


def test_every_learner_is_compared_with_its_own_random() -> None:
    rows = [("random", s, b, 0.5) for s in (0, 1, 2) for b in (10, 20)]
    rows += [("margin", s, b, 0.6 + 0.01 * s) for s in (0, 1, 2) for b in (10, 20)]
    strong = frame_of(rows, "fixmatch").assign(accuracy=lambda f: f["accuracy"] + 0.2)
    found = infer(contrasts(pd.concat([frame_of(rows), strong], ignore_index=True), "margin"), ("area", "last"))
    gains = found.of("random")["difference"]
    assert gains["margin", "supervised"] == pytest.approx(0.11)
    assert gains["margin", "fixmatch"] == pytest.approx(0.11)


def test_unequal_seeds_are_made_equal_before_means_are_compared() -> None:
    curves = curves_with_effects(["random", "margin", "badge"], 5)
    short = curves[~((curves["strategy"] == "badge") & (curves["seed"] == 3))]
    order, seeds, labels, array = accuracies(compared(short))
    assert (seeds, labels, array.shape) == ([0, 1, 2, 4], LABELS, (3, 4, 4))
    expected = curves.set_index(["strategy", "seed", "labels"])["accuracy"]
    assert array[order.index(("margin", "supervised")), 3, 2] == expected["margin", 4, 50]


def test_the_log_area_is_the_mean_over_the_logarithm_of_labels() -> None:
    curves = curves_with_effects(["random"], 1)
    fine = np.geomspace(LABELS[0], LABELS[-1], 100_001)
    expected = np.interp(np.log(fine), np.log(LABELS), curves["accuracy"]).mean()
    assert areas(curves)["log_area"].iloc[0] == pytest.approx(expected, abs=1e-5)
