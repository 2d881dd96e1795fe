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


def test_the_sentence_names_verdicts_and_what_the_seeds_show() -> None:
    report = report_of(curves())
    words = notes(report)
    assert words[0] == "Compared with random (5 seeds): better – margin; worse – bad; undecided – same."
    assert words[1].startswith("With a power of 80 %, 5 seeds show a difference in area of ")
    assert words[2].startswith("Verdicts hold together at 5 %: one family of ")
    made = table(report, report.views[0])
    assert words[0] in made.caption
    assert words[1] in made.caption
    assert words[2] in made.caption
    verdicts = {row[0].text: row[made.header.index("verdict")].text for row in made.rows}
    assert verdicts == {"margin": "better", "random": "–", "same": "undecided", "bad": "worse"}


def test_without_random_or_with_one_seed_there_is_no_verdict() -> None:
    strong = curves(learner="fixmatch")
    frame = pd.concat([curves({"margin": 0.05}), strong], ignore_index=True)
    assert any("No run of random to compare with (learner supervised)" in text for text in notes(report_of(frame)))
    assert notes(report_of(curves(seeds=1))) == [
        "Compared with random (1 seed): too few seeds for a test, which takes 3; any difference may be chance."
    ]


def test_the_strategies_stand_in_the_order_of_their_areas() -> None:
    report = report_of(curves())
    rows = table(report, report.views[0]).rows
    assert [row[0].text for row in rows][::3] == ["margin", "bad"]
    assert rows[0][2].bold


def test_what_the_seeds_show_is_told_of_any_reference() -> None:
    words = notes(report_of(curves(), baseline="margin", reference="margin"))
    assert words[0].startswith("Compared with margin (5 seeds): ")
    assert words[1].startswith("With a power of 80 %, 5 seeds show a difference in area of ")
