"""Learners in whole runs: an axis of the grid, traces, the shared round 0, a kill within a training, bad requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.tiny import bench, experiment, run_lines
from torch import Tensor

from benchmark.learners import supervised
from benchmark.results.records import TraceRecord
from benchmark.results.run_file import RunFile
from benchmark.results.store import read_traces
from benchmark.training import checkpoints
from benchmark.training.task import TrainingTask
from strategies.api import Output


def traces(folder: Path) -> dict[str, list[dict[str, Any]]]:
    root = experiment(folder) / "runs"
    return {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in root.glob("*/*.epochs.jsonl")
    }


def test_learners_are_an_axis_of_the_grid(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--learner", "supervised", "fixmatch[threshold=0.95,mu=2]")
    arguments += ("--strategies", "margin", "learning-loss")
    assert bench(tmp_path, *arguments) == 0
    learner = "fixmatch-mu=2-seed0"
    runs = experiment(tmp_path) / "runs"
    assert {path.name for path in (runs / "margin").iterdir()} == {
        "supervised-seed0.jsonl",
        f"{learner}.jsonl",
        f"{learner}.epochs.jsonl",
        f"{learner}.examples.npz",
    }
    lines = [json.loads(line) for line in (runs / "margin" / f"{learner}.jsonl").read_text().splitlines()]
    assert lines[0]["key"]["learner"] == "fixmatch[mu=2]"
    assert [line["num_labelled"] for line in lines[1:]] == [10, 20, 30]
    found = traces(tmp_path)
    assert [line["round"] for line in found["margin"]] == [0] * 12 + [1] * 12 + [2] * 12
    assert len(found["learning-loss"]) == 36


def test_traces_of_rounds_that_are_trained_again_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "experiment" / "runs" / "margin" / "fixmatch-seed0.jsonl"
    beside = path.with_name("fixmatch-seed0.epochs.jsonl")
    with RunFile(path) as file:
        file.keep_traces(0)
        file.append_traces([])
        assert not beside.exists()
        file.append_traces([TraceRecord(0, 4, {"loss": 0.5}), TraceRecord(0, 7, {"loss": 0.25})])
        file.append_traces([TraceRecord(1, 4, {"loss": 0.5})])
        with beside.open("a") as stream:
            stream.write('{"round":1,"st')
        file.keep_traces(1)
        file.append_traces([TraceRecord(1, 4, {"loss": 0.75})])
    left = [(trace.round, trace.step, trace.values) for trace in read_traces(path)]
    assert left == [(0, 4, {"loss": 0.5}), (0, 7, {"loss": 0.25}), (1, 4, {"loss": 0.75})]


def test_shared_round_0_brings_its_traces_along(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--learner", "fixmatch[mu=2]", "--budgets", "10", "20")
    assert bench(tmp_path, *arguments, "--strategies", "margin", "random") == 0
    runs = experiment(tmp_path) / "runs"
    second = json.loads((runs / "random" / "fixmatch-mu=2-seed0.jsonl").read_text().splitlines()[1])
    found = traces(tmp_path)
    assert second["shared_training"]
    assert found["random"][0] == found["margin"][0]


def test_a_run_killed_within_a_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same lines and traces as one that went through, though a part of the steps is not taken again."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    arguments = ("--seeds", "0", "--learner", "flexmatch[mu=2,threshold=0.2]", "--strategies", "margin")
    through, killed = tmp_path / "through", tmp_path / "killed"
    for folder in (through, killed):
        folder.mkdir()
    assert bench(through, *arguments) == 0
    taken: list[float] = []
    own = TrainingTask.labelled_loss

    def dying(job: TrainingTask, output: Output, targets: Tensor, progress: float) -> Tensor:
        taken.append(progress)
        if len(taken) == 19:  # in the second round
            raise RuntimeError("killed")
        return own(job, output, targets, progress)

    monkeypatch.setattr(TrainingTask, "labelled_loss", dying)
    assert bench(killed, *arguments) == 1
    assert len(list(killed.glob("cache/carried/*/*.pt"))) == 1
    assert bench(killed, *arguments) == 0
    assert len(taken) == 19 + (12 - 6) + 12
    assert taken[19] == 0.5
    assert run_lines(killed) == run_lines(through)
    assert not list(killed.glob("cache/carried/*/*.pt"))


def test_another_kind_of_network_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervised.Supervised, "shares_round0", False)
    assert bench(tmp_path, "--seeds", "0", "--budgets", "10", "20") == 0
    assert ", shared" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fixmatch[mu=0]"], "error: learner 'fixmatch[mu=0]': mu must be"),
        (["fixmatch", "fixmatch[mu=7]"], "error: learners must be distinct: fixmatch fixmatch"),
    ],
)
def test_bad_requests(tmp_path: Path, names: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--learner", *names) == 2
    assert capsys.readouterr().err.startswith(message)
