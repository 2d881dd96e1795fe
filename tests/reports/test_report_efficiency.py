"""Labels saved, costs and class balance, against loops written independently."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.bought import class_balance, evenness
from benchmark.reports.statistics.efficiency import costs, elapsed, first_crossing, labels_saved
from benchmark.results.records import LabelsRecord, RunRecord

LABELS = [20, 40, 80]


def crossing(labels: list[int], curve: np.ndarray, target: float) -> float:
    """By looking at every piece in turn."""
    if curve[0] >= target:
        return labels[0]
    for k in range(1, len(labels)):
        if curve[k] >= target:
            return labels[k - 1] + (labels[k] - labels[k - 1]) * (target - curve[k - 1]) / (curve[k] - curve[k - 1])
    return math.inf


def rows_of(curves: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = [
        (name, "supervised", seed, labels, array[seed, k], 10.0 * (k + 1), 0.5 * len(name) if k < 2 else math.nan)
        for name, array in curves.items()
        for seed in range(len(array))
        for k, labels in enumerate(LABELS)
    ]
    columns = ["strategy", "learner", "seed", "labels", "accuracy", "train_seconds", "query_seconds"]
    return pd.DataFrame(rows, columns=columns)


def test_the_first_crossing_is_on_the_line_between_two_label_counts() -> None:
    rng = np.random.default_rng(0)
    curves, targets = rng.random((200, 3)), rng.random(200)
    found = first_crossing(np.array(LABELS, dtype=float), curves, targets)
    assert found.tolist() == pytest.approx([crossing(LABELS, c, t) for c, t in zip(curves, targets, strict=True)])
    assert np.isinf(found).any()
    assert (found == 20).any()
    dip = first_crossing(np.array(LABELS, dtype=float), np.array([[0.5, 0.9, 0.6]]), np.array([0.7]))
    assert dip.tolist() == [30.0]  # the first of two crossings


@pytest.mark.parametrize("target", [None, 0.62])
def test_labels_saved_and_their_bootstrap_interval(target: float | None) -> None:
    rng = np.random.default_rng(1)
    base = np.sort(rng.uniform(0.5, 0.8, (6, 3)), axis=1)
    curves = {
        "random": base,
        "margin": base + np.array([0, 0.08, 0.05]) + rng.normal(0, 0.01, (6, 3)),
        "bad": base - 0.2,
    }
    found = labels_saved(rows_of(curves), target).set_index("strategy")
    drawn = np.random.default_rng(0).integers(0, 6, (2000, 6))
    saved = []
    for draw in [range(6), *drawn]:
        mean = {name: np.mean([array[seed] for seed in draw], axis=0) for name, array in curves.items()}
        goal = mean["random"][-1] if target is None else target
        saved.append(crossing(LABELS, mean["random"], goal) - crossing(LABELS, mean["margin"], goal))
    row = found.loc["margin"]
    assert (row["n"], row["saved"]) == (6, pytest.approx(saved[0]))
    assert row["target"] == pytest.approx(base[:, -1].mean() if target is None else target)
    ordered = sorted(saved[1:])
    assert (row["low"], row["high"]) == pytest.approx((ordered[49], ordered[1949]))  # 2.5 % and 97.5 % of 2,000
    assert math.isinf(found.loc["bad", "needed"])
    assert found.loc["bad", "saved"] == -math.inf
    assert math.isnan(found.loc["random", "saved"])


def test_few_seeds_give_no_interval_and_no_random_no_savings() -> None:
    curves = {"random": np.full((4, 3), 0.5), "margin": np.full((4, 3), 0.6)}
    few = labels_saved(rows_of(curves)).set_index("strategy").loc["margin"]
    assert (few["needed"], few["saved"], math.isnan(few["low"])) == (20, 0, True)
    alone = labels_saved(rows_of({"margin": curves["margin"]})).iloc[0]
    assert alone[["target", "needed", "saved"]].isna().all()
    assert labels_saved(rows_of({"margin": curves["margin"]}), 0.55).iloc[0]["needed"] == 20
    beyond = labels_saved(rows_of({name: np.tile(c, (2, 1)) for name, c in curves.items()}), 0.55).set_index("strategy")
    assert beyond.loc["margin", "saved"] == math.inf
    assert labels_saved(rows_of(curves), 0.99)["saved"].isna().all()  # nobody gets there


def test_costs_add_up() -> None:
    rows = rows_of({"random": np.zeros((2, 3)), "margin": np.zeros((2, 3))})
    slow = (rows["strategy"] == "margin") & (rows["seed"] == 1)
    rows.loc[slow, "query_seconds"] *= 3
    cost = costs(rows).set_index("strategy")
    assert cost.loc["random", ["query_mean", "query", "train", "total"]].tolist() == [3, 6, 60, 66]
    assert cost.loc["margin", ["query_mean", "query", "total"]].tolist() == [6, 12, 72]
    assert cost.loc["margin", "query_sd"] == pytest.approx(np.std([3, 9], ddof=1))
    assert cost.loc["margin", "factor"] == pytest.approx(72 / 66)
    shuffled = elapsed(rows.sample(frac=1, random_state=0)).sort_index()
    assert shuffled.loc[slow, "seconds"].tolist() == [10, 10 + 9 + 20, 10 + 9 + 20 + 9 + 30]


def test_class_balance_counts_the_answers() -> None:
    assert evenness([5, 5, 5, 5], 4) == pytest.approx(1)
    assert evenness([7, 0], 2) == 0
    assert evenness([3, 1], 4) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4))
    assert math.isnan(evenness([], 4))
    header = replace(header_of(RunKey("margin", "supervised", 0)), initial=LabelsRecord((0, 1), (0, 1), ()))
    rounds = (
        round_of(0, 2, 2, acquired_labels=(0, 0), class_accuracy=(1.0, 1.0)),
        round_of(1, 4, 2, acquired_labels=(1, 1), class_accuracy=(1.0, 1.0)),
        round_of(2, 6, class_accuracy=(1.0, 1.0)),
    )
    table = class_balance([RunRecord(header, rounds, Path("x"))])
    assert table["labels"].tolist() == [2, 4]
    assert table["batch"].tolist() == [0, 0]
    shares = (0.75, 0.25)
    expected = -sum(share * math.log2(share) for share in shares)
    assert table["labelled"].tolist() == pytest.approx([expected, 1])
