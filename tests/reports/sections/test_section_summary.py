"""The summary: its verdicts in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.made_reports import report_of

from benchmark.reports.sections.summary import notes, table

GAINS = {"random": 0.0, "margin": 0.05, "same": 0.0, "bad": -0.05}


def curves(gains: dict[str, float] = GAINS, seeds: int = 5, learner: str = "supervised") -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        (name, learner, seed, labels, 0.5 + 0.1 * seed + gain + rng.normal(0, 0.01), 2.0, 0.5)
        for name, gain in gains.items()
        for seed in range(seeds)
        for labels in (10, 20, 50)
    ]
    columns = ["strategy", "learner", "seed", "labels", "accuracy", "train_seconds", "query_seconds"]
    return pd.DataFrame(rows, columns=columns)


def test_verdicts_are_those_of_the_intervals() -> None:
    words = notes(report_of(curves()))
    assert [text.split(" – ")[0] for text in words] == [
        *("Better than random", "Not shown to be better than random", "Worse than random")
    ]
    assert words[0].endswith("5 paired seeds lies above 0: margin.")
    assert words[1].endswith(": same.")


def test_without_random_or_with_one_seed_there_is_no_verdict() -> None:
    strong = curves(learner="fixmatch")
    frame = pd.concat([curves({"margin": 0.05}), strong], ignore_index=True)
    assert any("No run of random to compare with (learner supervised)" in text for text in notes(report_of(frame)))
    assert notes(report_of(curves(seeds=1))) == [
        "One seed only: no intervals, and any difference to random may be chance."
    ]


def test_the_strategies_stand_in_the_order_of_their_areas() -> None:
    report = report_of(curves())
    rows = table(report, report.views[0]).rows
    assert [row[0].text for row in rows][::3] == ["margin", "bad"]
    assert rows[0][2].bold
