"""Labels saved, against loops written independently."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.made_reports import curves_of, report_of, rising_curves

from benchmark.reports.sections.labels_saved import figure, first_crossing, labels_saved, savings

LABELS = [20, 40, 80]


def crossing(labels: list[int], curve: np.ndarray, target: float) -> float:
    """By looking at every piece in turn."""
    if curve[0] >= target:
        return labels[0]
    for k in range(1, len(labels)):
        if curve[k] >= target:
            return labels[k - 1] + (labels[k] - labels[k - 1]) * (target - curve[k - 1]) / (curve[k] - curve[k - 1])
    return math.inf


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
    found = labels_saved(curves_of(curves, LABELS), target).set_index("strategy")
    drawn = np.random.default_rng(0).integers(0, 6, (2000, 5))
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
    few = labels_saved(curves_of(curves, LABELS)).set_index("strategy").loc["margin"]
    assert (few["needed"], few["saved"], math.isnan(few["low"])) == (20, 0, True)
    alone = labels_saved(curves_of({"margin": curves["margin"]}, LABELS)).iloc[0]
    assert alone[["target", "needed", "saved"]].isna().all()
    assert labels_saved(curves_of({"margin": curves["margin"]}, LABELS), 0.55).iloc[0]["needed"] == 20
    twice = {name: np.tile(array, (2, 1)) for name, array in curves.items()}
    beyond = labels_saved(curves_of(twice, LABELS), 0.55).set_index("strategy")
    assert beyond.loc["margin", "saved"] == math.inf
    assert labels_saved(curves_of(curves, LABELS), 0.99)["saved"].isna().all()  # nobody gets there


def test_bars_of_labels_saved_say_where_random_is_not_reached() -> None:
    frame = rising_curves(4, 6, 8)
    frame.loc[frame["strategy"] == "method2", "accuracy"] -= 0.3
    report = report_of(frame)
    drawn = figure(report, report.views[0])
    assert drawn is not None
    axes = drawn.axes[0]
    assert [text.get_text() for text in axes.texts] == [" not reached"]
    widths = sorted(bar.get_width() for bar in axes.patches)
    saved = savings(report, report.views[0])["saved"]
    assert widths == pytest.approx(sorted(saved[np.isfinite(saved)]))
    for without in (["random"], ["random", "method2"]):  # nothing to compare, and no scale for its words
        report = report_of(frame[frame["strategy"].isin(without)])
        assert figure(report, report.views[0]) is None


@pytest.mark.parametrize(("n", "covered"), [(5, (0.81, 0.94)), (10, (0.86, 0.97))])
def test_the_intervals_cover_what_the_documentation_says(n: int, covered: tuple[float, float]) -> None:
    """Two exponential curves with noise that is correlated along them, and an effect of the seed that they share."""
    labels, draw, hits, experiments = np.arange(20.0, 320.0, 20.0), np.random.default_rng(1), 0, 300
    means = [end - (end - 0.45) * np.exp(-rate * (labels - 20)) for rate, end in ((0.012, 0.93), (0.0135, 0.936))]
    scale, goal = np.linspace(1.5, 0.5, len(labels)), means[0][-1:]
    truth = labels[-1] - first_crossing(labels, means[1][None], goal)[0]
    for _ in range(experiments):
        noise = draw.normal(0, 1, (2, n, len(labels)))
        for k in range(1, len(labels)):
            noise[..., k] = 0.6 * noise[..., k - 1] + 0.8 * noise[..., k]
        seeds = scale * draw.normal(0, 0.015, (n, 1))
        curves = {
            name: mean + seeds + 0.012 * scale * own
            for name, mean, own in zip(("random", "margin"), means, noise, strict=True)
        }
        row = labels_saved(curves_of(curves, labels.astype(int).tolist())).set_index("strategy").loc["margin"]
        hits += row["low"] <= truth <= row["high"]
    assert covered[0] <= hits / experiments <= covered[1]
