"""The last checkpoints of averaged networks: kept by learners, in the lines, in the table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.report_lines import BUDGETS, accuracy_of, change_rounds, write_experiment, write_run
from support.tiny import bench, experiment
from torch import nn

from benchmark.reports import write_report
from benchmark.reports.sections.checkpoints import last_checkpoints
from benchmark.results.lines import record_bytes
from benchmark.results.paths import traces_path
from benchmark.results.records import RoundRecord, TraceRecord
from benchmark.training.averaging import KEPT, Average


def test_an_average_keeps_its_latest_states() -> None:
    module = nn.Linear(2, 1)
    average = Average([module], decay=0.5)
    seen = []
    for done in range(1, KEPT + 4):
        with torch.no_grad():
            module.weight.add_(done)
        average.update(done)
        average.keep()
        seen.append(average.copies[0].weight.detach().clone())
    assert len(average.kept) == KEPT
    for state, weight in zip(average.kept, seen[-KEPT:], strict=True):
        assert torch.equal(state["weight"], weight)
    again = Average([module], decay=0.5)
    again.load_state_dict(average.state_dict())
    assert [state["weight"].tolist() for state in again.kept] == [weight.tolist() for weight in seen[-KEPT:]]


@pytest.mark.parametrize("learner", ["fixmatch[mu=2]", "self-training[mu=2]", "noisy-student[iterations=2,mu=2]"])
def test_a_round_has_the_accuracies_of_its_last_checkpoints(tmp_path: Path, learner: str) -> None:
    arguments = ("--seeds", "0", "--budgets", "10", "20", "--strategies", "random", "margin")
    assert bench(tmp_path, *arguments, "--learner", "supervised", learner, report=True) == 0
    root = experiment(tmp_path)
    rounds = {}
    for path in root.glob("runs/*/*-seed0.jsonl"):
        header, *lines = map(json.loads, path.read_text().splitlines())
        rounds[header["key"]["strategy"], header["key"]["learner"].split("[")[0]] = lines
    name = learner.split("[")[0]
    for strategy in ("random", "margin"):  # the second took round 0 over
        assert not any(line["checkpoint_accuracies"] for line in rounds[strategy, "supervised"])
        for line in rounds[strategy, name]:
            assert len(line["checkpoint_accuracies"]) == KEPT
            assert line["checkpoint_accuracies"][-1] == line["accuracy"]
    table = pd.read_csv(root / "tables" / "checkpoints.csv").set_index(["strategy", "learner"])
    (mine,) = [row for (strategy, who), row in table.iterrows() if (strategy, who.split("[")[0]) == ("random", name)]
    assert mine["median_mean"] == pytest.approx(sorted(rounds["random", name][-1]["checkpoint_accuracies"])[KEPT // 2])
    assert math.isnan(table.loc[("random", "supervised"), "median_mean"])


def with_checkpoints(*accuracies: float) -> Callable[[RoundRecord], RoundRecord]:
    """Gives a round checkpoints with these accuracies and then its own."""
    return lambda record: replace(record, checkpoint_accuracies=(*accuracies, record.accuracy))


def test_the_table_has_medians_of_runs_and_the_last_noted_shares(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist", learners=["supervised", "fixmatch"])
    for seed in range(3):
        write_run(root, "random", seed)
        path = write_run(root, "random", seed, learner="fixmatch", shift=0.02)
        change_rounds(path, with_checkpoints(0.1, 0.9, 0.2 + 0.1 * seed, 0.3 + 0.1 * seed))
        last = len(BUDGETS) - 1
        noted = [
            TraceRecord(last, 5, {"accepted": 0.1, "precision": 0.2, "right": 0.3}),
            TraceRecord(last, 10, {"accepted": 0.5, "precision": 0.8 + 0.01 * seed}),
            TraceRecord(last - 1, 10, {"accepted": 0.9}),
        ]
        traces_path(path).write_bytes(record_bytes(noted))
    report = write_report(root)
    table = last_checkpoints(report.runs, report.ranking, BUDGETS[-1]).set_index("learner")
    finals = [accuracy_of("random", seed, BUDGETS[-1]) + 0.02 for seed in range(3)]
    medians = [sorted([0.1, 0.9, 0.2 + 0.1 * seed, 0.3 + 0.1 * seed, finals[seed]])[2] for seed in range(3)]
    row = table.loc["fixmatch"]
    assert (row["labels"], row["n"]) == (BUDGETS[-1], 3)
    assert row["final_mean"] == pytest.approx(sum(finals) / 3)
    assert row["median_mean"] == pytest.approx(sum(medians) / 3)
    assert (row["accepted_mean"], row["precision_mean"], row["right_mean"]) == pytest.approx((0.5, 0.81, 0.3))
    assert "## Last checkpoints" in (root / "README.md").read_text()
    lines = (root / "tables" / "checkpoints.md").read_text().splitlines()
    assert next(line for line in lines if "(supervised)" in line).count(" – ") == 4


def test_without_checkpoints_there_is_no_table(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist")
    write_run(root, "random", 0)
    write_report(root)
    assert not list((root / "tables").glob("checkpoints*"))
