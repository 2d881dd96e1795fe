"""What the choice of labels is worth with each learner: differences of gains, and the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_reports import report_of
from support.report_lines import write_experiment, write_run

from benchmark.reports import write_report
from benchmark.reports.sections import interactions
from benchmark.reports.statistics.family import GAIN

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


def test_changes_are_differences_of_gains() -> None:
    frame = curves(5, ("random", "margin", "badge"))
    worth = frame["strategy"].eq("margin") & frame["learner"].eq("fixmatch")
    frame.loc[worth, "accuracy"] -= 0.06  # margin gains less with FixMatch than with supervised learning
    report = report_of(frame)
    rows = report.inference.of(GAIN)
    assert set(rows.index) == {(strategy, learner) for strategy in ("margin", "badge") for learner in GAINS}
    for (strategy, learner), row in rows.iterrows():
        with_it, without = (
            areas(frame, strategy, one) - areas(frame, "random", one) for one in (learner, "supervised")
        )
        assert (row["n"], row["difference"]) == (5, pytest.approx((with_it - without).mean()))
    assert rows.loc[("margin", "fixmatch"), "verdict"] == "worse"
    (note,) = interactions.notes(report)
    assert note.startswith("The gain over random, compared with that of supervised learning (5 seeds): worse")
    assert "– margin (fixmatch);" in note


def test_changes_take_all_four_runs_of_a_seed() -> None:
    frame = curves(4)
    lacking = frame["strategy"].eq("random") & frame["learner"].eq("fixmatch") & frame["seed"].eq(2)
    rows = report_of(frame[~lacking]).inference.of(GAIN)
    assert dict(zip(rows["learner"], rows["n"], strict=True)) == {"fixmatch": 3, "pseudo-label": 4}
    for some in (frame[frame["strategy"] == "random"], frame[frame["learner"] != "supervised"]):
        assert interactions.notes(report_of(some)) == []


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
    gains = report.inference.of("random")["difference"]["margin"]
    table = (root / "tables" / "interactions.md").read_text()
    row = [cell.strip() for cell in table.splitlines()[2].strip("|").split("|")]
    assert (row[0], row[1], row[4], row[-1]) == ("margin (fixmatch)", "3", "−3.10\\*", "worse")
    assert (row[2].removesuffix("\\*"), row[3].removesuffix("\\*")) == tuple(
        f"{100 * gains[who]:+.2f}" for who in ("supervised", learner)
    )
    page = (root / "README.md").read_text()
    assert "## Gain over random by learner" in page
    assert "| random (fixmatch)" in page
    assert "worse – margin (fixmatch)." in page
