"""From lines on disk to learning curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import (
    BUDGETS,
    accuracy_of,
    change_rounds,
    round_of,
    write_experiment,
    write_grid,
    write_run,
)

from benchmark.reports import notes_of, write_report
from benchmark.reports.sections.balance import class_balance
from benchmark.reports.statistics import tidy as tidy_module
from benchmark.reports.statistics.curves import curves, select
from benchmark.reports.statistics.premises import measures
from benchmark.reports.statistics.tidy import table_of, tidy
from benchmark.results.records import RoundRecord
from benchmark.results.run_file import RunFile
from benchmark.results.store import read_experiment


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


def test_curves_hold_every_round_in_the_protocols_order(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e", strategies=["random", "margin"])
    for strategy in ("badge", "margin", "random", "coreset"):
        write_run(root, strategy, 1)
        write_run(root, strategy, 0)
    frame = curves(read_experiment(root))
    assert list(frame.columns) == [
        *("strategy", "learner", "seed", "labels", "accuracy"),
        *("nll", "ece", "train_seconds", "query_seconds"),
    ]
    expected = [(s, k, b) for s in ("random", "margin", "badge", "coreset") for k in (0, 1) for b in BUDGETS]
    assert list(zip(frame["strategy"], frame["seed"], frame["labels"], strict=True)) == expected
    assert frame["accuracy"].tolist() == [accuracy_of(s, k, b) for s, k, b in expected]
    assert frame["query_seconds"].isna().tolist() == [b == BUDGETS[-1] for _, _, b in expected]


def test_a_torn_last_line_and_a_superseded_round_do_not_count(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "random", 0, [20, 40], tail='{"kind":"round","round":2,"labels":60,"accu')
    path = write_run(root, "random", 1, [20, 40])
    with RunFile(path) as file:
        file.append_round(round_of(1, 40, accuracy=0.125))
    frame = curves(read_experiment(root))
    assert frame["labels"].tolist() == [20, 40, 20, 40]
    assert frame["accuracy"].tolist()[3] == 0.125


def test_selection_by_strategy_learner_seed_and_budget(root: Path) -> None:
    write_run(root, "margin", 0, learner="fixmatch")
    experiment = read_experiment(root)
    frame = curves(experiment, strategies=["margin"], learners=["fixmatch"], seeds=[0], budgets=[20, 60])
    assert list(zip(frame["learner"], frame["labels"], strict=True)) == [("fixmatch", 20), ("fixmatch", 60)]


def test_the_newest_complete_attempt_counts(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "margin", 0)
    write_run(root, "margin", 0, attempt=2, shift=0.02)
    write_run(root, "margin", 0, [20, 40], attempt=3, shift=0.04)
    write_run(root, "entropy", 0, [20, 40, 60])
    write_run(root, "entropy", 0, [20, 40], attempt=2, shift=0.04)
    frame = curves(read_experiment(root))
    final = frame.groupby("strategy")["accuracy"].last()
    assert final["margin"] == accuracy_of("margin", 0, 80) + 0.02
    assert final["entropy"] == accuracy_of("entropy", 0, 60)  # none complete: the one that reaches furthest
    shorter = curves(read_experiment(root), budgets=[20, 40])
    assert shorter[shorter["strategy"] == "margin"]["accuracy"].iloc[-1] == accuracy_of("margin", 0, 40) + 0.04
    notes = notes_of(write_report(root))
    assert "margin: attempt 2 is shown (attempt 3 is not complete), seed 0." in notes
    assert "entropy is incomplete: seed 0 at 60 of 80 labels." in notes


def test_runs_that_all_end_early_are_not_called_incomplete(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    for name, seed in (("random", 0), ("random", 1), ("margin", 0)):
        write_run(root, name, seed, [20, 40, 60])
    notes = notes_of(write_report(root))
    assert "All runs end at 60 of 80 labels." in notes
    assert "incomplete" not in notes
    assert "Areas and final accuracies end" not in notes
    write_run(root, "margin", 1, [20, 40])
    notes = notes_of(write_report(root))
    assert "margin is incomplete: seed 0 at 60, seed 1 at 40 of 80 labels." in notes


def test_curves_csv_keeps_full_precision_and_rounds_seconds(root: Path) -> None:
    write_report(root)
    rows = (root / "curves.csv").read_text().splitlines()
    assert rows[1] == f"entropy,supervised,0,20,{accuracy_of('entropy', 0, 20)!r},{1 / 3!r},0.1,1.235,0.5"
    again = pd.read_csv(root / "curves.csv")
    pd.testing.assert_series_equal(again["nll"], curves(read_experiment(root))["nll"], check_exact=True)


def test_tables_of_many_rows_are_those_of_all_rows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin", "entropy"])

    def marked(record: RoundRecord) -> RoundRecord:
        late = {"late": 0.5} if record.round == 2 else {}  # a column that begins in another part
        return replace(record, acquired_labels=tuple(i % 3 for i in record.acquired_indices), diagnostics=late)

    for path in sorted(root.glob("runs/*/*.jsonl"))[-4:]:
        change_rounds(path, marked)
    runs = select(read_experiment(root)).runs
    tables = (tidy, measures, class_balance)
    whole = [table(runs) for table in tables]
    assert [len(frame) for frame in whole] == [36, 27, 27]
    monkeypatch.setattr(tidy_module, "AT_ONCE", 5)
    for table, expected in zip(tables, whole, strict=True):
        pd.testing.assert_frame_equal(table(runs), expected)
    assert table_of(iter(()), ["a", "b"]).columns.tolist() == ["a", "b"]
