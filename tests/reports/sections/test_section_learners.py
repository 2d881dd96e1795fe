"""Learners beside supervised learning: paired tests against SciPy, the table, and what a page leaves out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_reports import report_of
from support.report_lines import write_experiment, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.rendering.web.page import page_data
from benchmark.reports.sections import learners
from benchmark.reports.statistics.summary import run_areas

LABELS = [10, 20, 50]
GAINS = {"fixmatch": 0.05, "pseudo-label": -0.001}


def curves(seeds: int, strategies: tuple[str, ...] = ("random", "margin")) -> pd.DataFrame:
    """Curves with effects of seed and strategy, which pairing removes."""
    draw = np.random.default_rng(0)
    effect = draw.normal(0, 0.1, (seeds, len(strategies)))
    rows = [
        (strategy, learner, seed, labels, 0.6 + effect[seed, i] + gain + draw.normal(0, 0.01))
        for i, strategy in enumerate(strategies)
        for learner, gain in {"supervised": 0.0, **GAINS}.items()
        for seed in range(seeds)
        for labels in LABELS
    ]
    frame = pd.DataFrame(rows, columns=["strategy", "learner", "seed", "labels", "accuracy"])
    return frame.assign(train_seconds=1.0, query_seconds=0.1)


def areas(frame: pd.DataFrame, strategy: str, learner: str) -> np.ndarray:
    chosen = frame[(frame["strategy"] == strategy) & (frame["learner"] == learner)]
    table = chosen.pivot(index="seed", columns="labels", values="accuracy").to_numpy()
    return np.trapezoid(table, LABELS, axis=1) / (LABELS[-1] - LABELS[0])


def against_supervised(frame: pd.DataFrame) -> pd.DataFrame:
    return learners.against_supervised(frame, run_areas(frame))


def test_gains_and_p_values_are_scipys() -> None:
    frame = curves(5)
    tests = against_supervised(frame)
    assert list(zip(tests["strategy"], tests["learner"], strict=True)) == [
        (strategy, learner) for strategy in ("random", "margin") for learner in GAINS
    ]
    for row in tests.itertuples():
        own, other = (areas(frame, row.strategy, learner) for learner in (row.learner, "supervised"))
        expected = stats.ttest_rel(own, other)
        assert (row.n, row.gain, row.p) == (5, pytest.approx((own - other).mean()), pytest.approx(expected.pvalue))
        assert (row.low, row.high) == pytest.approx(tuple(expected.confidence_interval()))
        chosen = frame[(frame["strategy"] == row.strategy) & (frame["labels"] == 20)].groupby("learner")["accuracy"]
        assert row.gain_20 == pytest.approx(chosen.mean()[row.learner] - chosen.mean()["supervised"])
    adjusted = stats.false_discovery_control(tests["p"])  # Holm is never below Benjamini-Hochberg's
    assert (tests["p_holm"] >= adjusted - 1e-12).all()
    assert tests["p_holm"].min() == pytest.approx(4 * tests["p"].min())


def test_only_shared_seeds_count() -> None:
    frame = curves(4, ("random",))
    frame = frame[~((frame["learner"] == "supervised") & (frame["seed"] == 3))]
    tests = against_supervised(frame).set_index("learner")
    assert tests["n"].tolist() == [3, 3]
    own, other = areas(frame, "random", "fixmatch")[:3], areas(frame, "random", "supervised")
    assert tests.loc["fixmatch", "gain"] == pytest.approx((own - other).mean())


def test_nothing_to_compare_gives_no_rows() -> None:
    frame = curves(3)
    assert len(against_supervised(frame[frame["learner"] == "supervised"])) == 0
    assert len(against_supervised(frame[frame["learner"] != "supervised"])) == 0
    assert learners.notes(report_of(frame[frame["learner"] == "supervised"])) == []


def test_notes_say_what_is_shown_and_what_is_not() -> None:
    notes = learners.notes(report_of(curves(5, ("random",))))
    assert notes == [
        "Better than with supervised learning – the 95 % interval of the difference in area over 5 paired seeds lies "
        "above 0: random (fixmatch).",
        "Not shown to differ from supervised learning – the 95 % interval of the difference in area over 5 paired "
        "seeds includes 0: random (pseudo-label).",
    ]
    one = learners.notes(report_of(curves(1, ("random",))))
    assert one == ["One seed only: any difference to supervised learning may be chance."]


def test_a_page_of_one_label_count_and_one_strategy(tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    write_experiment(root, [20], learners=("supervised", "fixmatch"))
    for seed in range(3):
        write_run(root, "random", seed, [20])
        write_run(root, "random", seed, [20], learner="fixmatch", shift=0.1 + 0.01 * seed)
    (root / "tables").mkdir()
    (root / "tables" / "labels.md").write_text("of another time")
    report = read_report(root)
    assert notes_of(report)[0] == (
        "Better than with supervised learning – the 95 % interval of the difference in accuracy over 3 paired seeds "
        "lies above 0: random (fixmatch)."
    )
    assert page_data(report)["overview"]["labels"] == "20"
    colours = {line["learner"]: line["colour"] for line in page_data(report)["lines"]}
    assert colours["supervised"] is None
    assert colours["fixmatch"] is not None
    write_report(root)
    assert {path.stem for path in (root / "tables").glob("*.md")} == {
        "accuracy",
        "cost",
        "learners",
        "pairwise",
        "summary",
    }
    summary = (root / "tables" / "summary.md").read_text()
    assert "| strategy | seeds | accuracy | train (s) | query (s) |" in " ".join(summary.splitlines()[0].split())
    assert "area" not in summary
    printed = (root / "tables" / "learners.md").read_text()
    assert "+11.0\\*" in printed
    assert "the difference in accuracy at 20 labels" in printed
    page = (root / "README.md").read_text()
    assert page.index("## Summary") < page.index("## Compared with supervised learning") < page.index("## Cost")


def test_two_seeds_have_an_interval_and_no_test(tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    write_experiment(root, [20, 40], learners=("supervised", "fixmatch"))
    for seed in range(2):
        for learner in ("supervised", "fixmatch"):
            write_run(root, "random", seed, [20, 40], learner=learner, shift=0.1 * seed * (learner == "fixmatch"))
    tests = learners.compute(read_report(root))
    assert math.isnan(tests["p"].iloc[0])
    assert tests["low"].iloc[0] < 0.05 < tests["high"].iloc[0]
    write_report(root)
    printed = (root / "tables" / "learners.md").read_text()
    assert "Fewer than 3 seeds are too few for a t-test: the cells are empty." in printed
    assert "at 20" in printed.splitlines()[0]
