"""The conversion of results of format 1: nothing is lost, and what it leaves is read."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.experiment.keys import RunKey
from benchmark.results import lines
from benchmark.results.errors import StoreError
from benchmark.results.paths import traces_path
from benchmark.results.records import UNKNOWN
from benchmark.results.store import read_experiment, read_traces

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert_format_1.py"
HEADER: dict[str, Any] = {
    "kind": "header",
    "format": 1,
    "strategy": "margin",
    "learner": "fixmatch",
    "seed": 3,
    "experiment": "mnist",
    "fingerprint": "a" * 64,
    "engine": 1,
    "versions": {"acqbench": "0.1.0", "torch": "2.15.0"},
    "device": "cpu (AMD EPYC)",
    "commit": None,
    "dataset": {"name": "mnist", "sha256": "b" * 64, "note": "a note"},
    "plugin_sha256": None,
    "initial": {"indices": [5, 2], "answers": [1, 0], "held_out": [2]},
}
ROUND: dict[str, Any] = {
    "kind": "round",
    "round": 0,
    "labels": 2,
    "accuracy": 0.1,
    "nll": 2.3025850929940455,
    "ece": 0.05,
    "bins": [[0, 0.0, 0], [10, 0.15, 1]],
    "class_accuracy": [0.1, None],
    "late": [0.2, 0.1],
    "seconds": {"train": 1.5, "query": 0.25, "evaluate": 0.125},
    "shared": True,
    "bought": [9],
    "answers": [1],
    "held_out": [],
    "diagnostics": {"loss_rank.pool.kendall": -0.5},
}
LAST = {key: value for key, value in ROUND.items() if key != "late"} | {
    "round": 1,
    "labels": 3,
    "accuracy": 1.0,
    "bins": [[0, 0.0, 0], [10, 0.95, 10]],
    "class_accuracy": [1.0, None],
    "shared": False,
    "bought": [],
    "answers": [],
    "diagnostics": {},
}
TRACES = [{"round": 0, "step": 4, "labelled_loss": 0.5, "weight": 1.0}, {"round": 1, "step": 4, "accepted": 0.25}]
DESCRIPTION = {"name": "mnist", "fingerprint": "a" * 64, "protocol": {"name": "mnist", "budgets": [2, 3]}}


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An experiment of format 1."""
    root = tmp_path / "mnist"
    (root / "runs" / "margin").mkdir(parents=True)
    run_of(root).write_bytes(line(HEADER) + line(ROUND) + line(LAST) + b'{"kind":"rou')
    traces_path(run_of(root)).write_bytes(b"".join(map(line, TRACES)))
    (root / "experiment.json").write_text(json.dumps(DESCRIPTION, indent=2))
    return root


def run_of(root: Path) -> Path:
    return root / "runs" / "margin" / "fixmatch-seed3.jsonl"


def convert(folder: Path) -> subprocess.CompletedProcess[str]:
    """As a user does, by an interpreter that finds nothing of the suite."""
    return subprocess.run([sys.executable, "-I", str(TOOL), str(folder)], capture_output=True, text=True)


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_it_leaves_is_read_and_says_the_same(old: Path) -> None:
    with pytest.raises(StoreError, match=r"it is of format 1, not 2; convert it with tools/convert_format_1\.py"):
        read_experiment(old)
    done = convert(old)
    assert (done.returncode, done.stderr) == (0, "")
    assert [text.split()[:2] for text in done.stdout.splitlines()[:5]] == [
        ["1", "descriptions"],
        ["1", "files"],
        ["2", "lines"],
        ["2", "rounds"],
        ["1", "runs"],
    ]
    experiment = read_experiment(old)
    (run,) = experiment.runs
    header = run.header
    assert (experiment.protocol, run.key) == (DESCRIPTION["protocol"], RunKey("margin", "fixmatch", 3))
    assert (header.engine_version, header.commit, header.diagnostic, header.dataset.note) == (1, None, False, "a note")
    assert (header.environment.device, header.environment.libraries["torch"]) == ("cpu (AMD EPYC)", "2.15.0")
    assert header.initial.acquired_indices == (5, 2)
    assert (header.strategy_version, header.learner_version, header.dataset.differing) == (1, 1, None)
    unknown = [header.feature_seed, header.environment.num_threads]
    unknown += [header.environment.cpu_capability, header.dataset.manifest_sha256]
    assert unknown == [UNKNOWN] * 4
    first, last = run.rounds
    assert (first.num_labelled, first.accuracy, first.checkpoint_accuracies) == (2, 0.1, (0.2, 0.1))
    assert (first.acquired_indices, first.acquired_labels, first.shared_training) == ((9,), (1,), True)
    assert (last.checkpoint_accuracies, last.acquired_indices, last.calibration_seconds) == ((), (), None)
    assert [(t.round, t.step, t.values) for t in read_traces(run.path)] == [
        (0, 4, {"labelled_loss": 0.5, "weight": 1.0}),
        (1, 4, {"accepted": 0.25}),
    ]
    raw = run.path.read_bytes().splitlines()
    assert json.loads(raw[2])["previous_sha256"] == hashlib.sha256(raw[1]).hexdigest()


def test_the_lines_are_those_that_the_suite_would_write(old: Path) -> None:
    convert(old)
    (run,) = read_experiment(old).runs
    written = [lines.header_bytes(run.header)]
    for record in run.rounds:
        written.append(lines.round_bytes(record, lines.digest(written[-1])))
    assert run.path.read_bytes() == b"".join(part + b"\n" for part in written)


def test_again_it_changes_nothing(old: Path) -> None:
    assert convert(old.parent).returncode == 0
    before = everything(old)
    again = convert(old)
    assert again.returncode == 0
    assert "3 files of format 2, left as they are" in again.stdout
    assert everything(old) == before


def test_a_diagnostic_stays_one(old: Path) -> None:
    run_of(old).write_bytes(line({**HEADER, "cheating": True}) + line(ROUND))
    assert convert(old).returncode == 0
    assert read_experiment(old).runs[0].header.diagnostic


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ([{**HEADER, "more": 1}], "line 1: the field 'more' is unknown"),
        ([{**HEADER, "initial": {"indices": []}}], "line 1: the field 'answers' is missing"),
        ([{**HEADER, "format": 3}], "the first line is not a header of format 1"),
        ([{**HEADER, "cheating": False}], "line 1: converting back gives other values"),
        ([HEADER, {**ROUND, "bins2": []}], "line 2: the field 'bins2' is unknown"),
        ([HEADER, {**ROUND, "late": []}], "line 2: converting back gives other values"),
        ([HEADER, {"kind": "round"}], "line 2: the field 'accuracy' is missing"),
        ([HEADER, HEADER], "line 2: it is not a round"),
        ([HEADER, [], ROUND], "line 2: it is not an object"),
    ],
)
def test_what_it_cannot_convert_without_loss_stays(old: Path, left: list[Any], message: str) -> None:
    run_of(old).write_bytes(b"".join(map(line, left)))
    before = everything(old)
    done = convert(old)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {run_of(old)}")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    changed = {path for path, data in everything(old).items() if before.get(path) != data}
    assert changed <= {traces_path(run_of(old))}  # converted before the run, and left so when it is repeated


def test_a_folder_without_experiments_is_named(tmp_path: Path) -> None:
    done = convert(tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} holds no experiment: there is no experiment.json in it\n"
