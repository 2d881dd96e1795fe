"""What the choice of labels is worth with each learner: paired tests against SciPy, and the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_reports import report_of
from support.report_lines import write_experiment, write_run

from benchmark.reports import write_report
from benchmark.reports.sections import interactions
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


def test_interactions_are_differences_of_gains_and_scipys() -> None:
    frame = curves(5, ("random", "margin", "badge"))
    worth = frame["strategy"].eq("margin") & frame["learner"].eq("fixmatch")
    frame.loc[worth, "accuracy"] -= 0.03  # margin gains less with FixMatch than with supervised learning
    found = interactions.interactions(run_areas(frame))
    assert list(zip(found["strategy"], found["learner"], strict=True)) == [
        (strategy, learner) for strategy in ("margin", "badge") for learner in GAINS
    ]
    for row in found.itertuples():
        with_it, without = (
            areas(frame, row.strategy, learner) - areas(frame, "random", learner)
            for learner in (row.learner, "supervised")
        )
        expected = stats.ttest_rel(with_it, without)
        assert (row.n, row.p) == (5, pytest.approx(expected.pvalue))
        assert (row.gain, row.supervised) == pytest.approx((with_it.mean(), without.mean()))
        assert row.change == pytest.approx((with_it - without).mean())
        assert (row.change_low, row.change_high) == pytest.approx(tuple(expected.confidence_interval()))
    first = found.set_index(["strategy", "learner"]).loc[("margin", "fixmatch")]
    assert first["change"] == pytest.approx(-0.03, abs=0.02)
    assert first["p_holm"] == pytest.approx(4 * found["p"].min())
    notes = interactions.notes(report_of(frame))
    assert notes[-1] == (
        "The gain over random is smaller than with supervised learning – the 95 % interval of the change over 5 paired "
        "seeds lies below 0: margin (fixmatch)."
    )
    assert all("margin (fixmatch)" not in note for note in notes[:-1])


def test_interactions_take_all_four_runs_of_a_seed() -> None:
    frame = curves(4)
    lacking = frame["strategy"].eq("random") & frame["learner"].eq("fixmatch") & frame["seed"].eq(2)
    found = interactions.interactions(run_areas(frame[~lacking])).set_index("learner")
    assert found["n"].to_dict() == {"fixmatch": 3, "pseudo-label": 4}
    assert len(interactions.interactions(run_areas(frame[frame["strategy"] == "random"]))) == 0
    assert len(interactions.interactions(run_areas(frame[frame["learner"] != "supervised"]))) == 0
    assert interactions.notes(report_of(frame[frame["seed"] == 0])) == []


def test_a_page_says_what_the_choice_is_worth(tmp_path: Path) -> None:
    root, learner = tmp_path / "mnist", "fixmatch[mu=3,steps=1000]"
    write_experiment(root, [20, 40], learners=("supervised", learner))
    for seed in range(3):
        for strategy, of_learner, shift in (
            ("random", "supervised", 0.0),
            ("margin", "supervised", 0.04 + 0.001 * seed),
            ("random", learner, 0.1),
            ("margin", learner, 0.11),
        ):
            write_run(root, strategy, seed, [20, 40], learner=of_learner, shift=shift)
    report = write_report(root)
    gains = report.summary.set_index(["strategy", "learner"])["gain_mean"]["margin"]
    table = (root / "tables" / "interactions.md").read_text()
    row = [cell.strip() for cell in table.splitlines()[2].strip("|").split("|")]
    assert (row[0], row[1], row[6]) == ("margin (fixmatch)", "3", "−3.10\\*")
    assert (row[2], row[4]) == tuple(f"{100 * gains[who]:+.2f}" for who in ("supervised", learner))
    page = (root / "README.md").read_text()
    assert "## Gain over random by learner" in page
    assert "| random (fixmatch)" in page
    assert "lies below 0: margin (fixmatch\\[mu=3,steps=1000\\])." in page
