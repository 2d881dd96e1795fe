"""Learners beside supervised learning: differences of areas, the table, and what a page leaves out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_reports import report_of
from support.report_lines import write_experiment, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.rendering.web.page import page_data
from benchmark.reports.sections import learners

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


def test_gains_are_those_of_the_areas() -> None:
    frame = curves(5)
    report = report_of(frame)
    compared = report.inference.compared("supervised")
    assert set(compared) == {(s, learner) for s in ("random", "margin") for learner in GAINS}
    made = learners.table(report, report.views[0])
    assert made is not None
    data = made.data[made.data["endpoint"] == "area"].set_index(["strategy", "learner"])
    for key in compared:
        own, other = (areas(frame, key[0], learner) for learner in (key[1], "supervised"))
        assert (data.loc[key, "n"], data.loc[key, "difference"]) == (5, pytest.approx((own - other).mean()))
        chosen = frame[(frame["strategy"] == key[0]) & (frame["labels"] == 20)].groupby("learner")["accuracy"]
        assert data.loc[key, "gain_20"] == pytest.approx(chosen.mean()[key[1]] - chosen.mean()["supervised"])


def test_only_shared_seeds_count() -> None:
    frame = curves(4, ("random",))
    frame = frame[~((frame["learner"] == "supervised") & (frame["seed"] == 3))]
    rows = report_of(frame).inference.of("supervised")
    assert rows["n"].tolist() == [3, 3]
    own, other = areas(frame, "random", "fixmatch")[:3], areas(frame, "random", "supervised")
    assert rows.loc[("random", "fixmatch"), "difference"] == pytest.approx((own - other).mean())


def test_nothing_to_compare_gives_no_rows() -> None:
    frame = curves(3)
    for some in (frame[frame["learner"] == "supervised"], frame[frame["learner"] != "supervised"]):
        report = report_of(some)
        assert learners.notes(report) == []
        assert learners.table(report, report.views[0]) is None


def test_notes_say_what_is_shown_and_what_is_not() -> None:
    frame = curves(5, ("random",))
    assert learners.notes(report_of(frame)) == [
        "Compared with supervised learning (5 seeds): better – random (fixmatch); undecided – random (pseudo-label)."
    ]
    assert learners.notes(report_of(curves(1, ("random",)))) == [
        "Compared with supervised learning (1 seed): too few seeds for a test, which takes 3; any difference may be "
        "chance."
    ]


def test_a_page_of_one_label_count_and_one_strategy(tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    write_experiment(root, [20], learners=("supervised", "fixmatch"))
    for seed in range(3):
        write_run(root, "random", seed, [20])
        write_run(root, "random", seed, [20], learner="fixmatch", shift=0.1 + 0.01 * seed)
    (root / "tables").mkdir()
    (root / "tables" / "labels.md").write_text("of another time")
    report = read_report(root)
    assert "Compared with supervised learning (3 seeds): better – random (fixmatch)." in notes_of(report)
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


def test_two_seeds_have_no_test(tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    write_experiment(root, [20, 40], learners=("supervised", "fixmatch"))
    for seed in range(2):
        for learner in ("supervised", "fixmatch"):
            write_run(root, "random", seed, [20, 40], learner=learner, shift=0.1 * seed * (learner == "fixmatch"))
    rows = read_report(root).inference.of("supervised")
    assert rows["p"].isna().all()
    assert rows["verdict"].tolist() == ["undecided"]
    write_report(root)
    printed = (root / "tables" / "learners.md").read_text()
    assert "Fewer than 3 seeds are too few for a test." in printed
    assert "at 20" in printed.splitlines()[0]
