"""Experiments and runs on disk: found, read, and refused where they are damaged or strangers."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import header_of, round_of, write_grid, write_lines, write_run
from support.sealed import DESCRIPTION, described, sealed

from benchmark.experiment.keys import RunKey
from benchmark.results import store
from benchmark.results.errors import Damaged, StoreError
from benchmark.results.paths import attempt_of, run_path, run_paths
from benchmark.results.records import RoundRecord, RunHeader

F, G = "f" * 64, "9" * 64
KEY = RunKey("random", "supervised", 0)
HEADER = header_of(KEY, 10)


def record_of(number: int, accuracy: float = 0.5) -> RoundRecord:
    return round_of(number, 10 * (number + 1), 10, accuracy=accuracy)


def write(root: Path, *rounds: RoundRecord, header: RunHeader = HEADER, attempt: int = 1) -> Path:
    return write_lines(run_path(root, header.key, attempt), header, list(rounds))


@pytest.mark.parametrize(("numbers", "missing"), [((1,), 0), ((0, 2), 1), ((0, 1, 3), 2)])
def test_a_missing_round_is_refused(tmp_path: Path, numbers: tuple[int, ...], missing: int) -> None:
    path = write(tmp_path, *map(record_of, numbers))
    with pytest.raises(StoreError, match=f"round {missing} is missing; --doctor lists all"):
        store.read_run(path)


def test_rounds_that_do_not_follow_from_what_was_acquired_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, record_of(0), round_of(1, 25, 10))
    with pytest.raises(StoreError, match="round 1 has num_labelled 25, but 20 labels were acquired before it"):
        store.read_run(path)
    path = write(tmp_path, round_of(0, 20, 10))
    with pytest.raises(StoreError, match="round 0 has num_labelled 20, but 10 labels"):
        store.read_run(path)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (b"[]", "line 1: it is not an object; --doctor lists"),
        (b"{}", "line 1: its checksum 'sha256' is missing at its end"),
        (sealed({"format": 2}), "line 1: it is not a header; --doctor lists"),
        (sealed({"kind": "round", "format": 2}), "line 1: it is not a header"),
        (sealed({"kind": "header"}), "line 1: it is not a header"),
        (b'{"kind":"header","format":1}', "it is of format 1, not 2; convert it with tools/convert_format_1.py"),
        (b'{"kind":"header","format":3}', "it is of format 3, not 2; use the version that wrote it"),
        (b'{"kind":"header","format":true}', "it is of format True, not 2; use the version that wrote it"),
        (b'{"kind":"header","format":2}', "line 1: its checksum 'sha256' is missing at its end"),
        (sealed({"kind": "header", "format": 2}), "line 1: the field 'key' is missing"),
    ],
)
def test_a_file_that_begins_otherwise_is_refused(tmp_path: Path, first: bytes, message: str) -> None:
    path = write(tmp_path, record_of(0))
    path.write_bytes(b"\n".join([first, *path.read_bytes().splitlines()[1:]]) + b"\n")
    with pytest.raises(StoreError) as refusal:
        store.read_run(path)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(str(path))


def test_a_line_without_the_hash_of_the_one_before_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, record_of(0))
    header, line = path.read_bytes().splitlines()
    value = json.loads(line)
    del value["sha256"], value["previous_sha256"]
    form = "'previous_sha256' must be text of 64 hexadecimal digits"
    for wrong, message in (
        ({}, form),
        ({"previous_sha256": "0"}, form),
        ({"previous_sha256": None}, form),
        ({"previous_sha256": "0" * 64}, "it does not follow the line before it"),
    ):
        path.write_bytes(header + b"\n" + sealed({**value, **wrong}) + b"\n")
        with pytest.raises(Damaged, match=f"line 2: {message}"):
            store.read_run(path)


def test_a_stranger_among_the_attempts_is_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    write_lines(run_path(tmp_path, KEY, 2), header_of(RunKey("badge", "supervised", 0)), [])
    write(tmp_path, header=replace(HEADER, fingerprint=G), attempt=3)
    found, left_out = store.attempts(tmp_path, KEY, F)
    assert [record.attempt for record in found] == [1]
    assert left_out == {
        2: "left out: runs/random/supervised-seed0.2.jsonl: it holds 'badge, seed 0', not 'random, seed 0'; "
        f"--doctor {tmp_path} shows all problems",
        3: "left out: runs/random/supervised-seed0.3.jsonl: its fingerprint is 99999999, not ffffffff; "
        f"--doctor {tmp_path} shows all problems",
    }


def test_attempts_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for attempt in (10, 1, 3, 2):
        write(tmp_path, header=replace(HEADER, experiment=str(attempt)), attempt=attempt)
    first = run_path(tmp_path, KEY)
    for other in ("supervised-seed01.jsonl", "supervised-seed0.x.jsonl", "supervised-seed0.epochs.jsonl"):
        (first.parent / other).write_bytes(first.read_bytes())
    found, left_out = store.attempts(tmp_path, KEY, F)
    assert left_out == {}
    assert [record.attempt for record in found] == [1, 2, 3, 10]
    assert [record.header.experiment for record in found] == ["1", "2", "3", "10"]
    assert found[1].path.name == "supervised-seed0.2.jsonl"
    assert store.attempts(tmp_path, RunKey("badge", "supervised", 0), F) == ([], {})


def test_paths_of_runs(tmp_path: Path) -> None:
    path = run_path(tmp_path, RunKey("typiclust[neighbours=5]", "fixmatch[mu=2]", 3), attempt=12)
    assert path == tmp_path / "runs" / "typiclust-neighbours=5" / "fixmatch-mu=2-seed3.12.jsonl"
    assert attempt_of(path) == 12
    assert attempt_of(run_path(tmp_path, KEY)) == 1
    written = write(tmp_path)
    written.with_suffix(".epochs.jsonl").write_text("")
    assert list(run_paths(tmp_path)) == [written]


def test_a_description_takes_in_a_longer_schedule_and_new_words_alone(tmp_path: Path) -> None:
    root = tmp_path / "e"
    assert store.read_description(root) is None
    store.write_description(root, F, {"budgets": [1, 2], "seeds": [0]})
    store.write_description(root, F, {"budgets": [1], "seeds": [1]})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2], "seeds": [0]}
    store.write_description(root, F, {"budgets": [1, 2, 3], "seeds": [1]})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2, 3], "seeds": [0]}
    store.write_description(root, F, {"budgets": [1], "seeds": [1], "notes": "Too short.", "name": "other"})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2, 3], "seeds": [0], "notes": "Too short."}
    with pytest.raises(StoreError, match=r"lines of another fingerprint \(ffffffff, not 99999999\): choose another"):
        store.write_description(root, G, {"budgets": [1, 2, 3, 4]})
    assert store.read_experiment(root).protocol["budgets"] == [1, 2, 3]
    assert [path.name for path in root.iterdir()] == ["experiment.json"]  # no half-written file is left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON; delete it and run again"),
        ("{", "it is not JSON; delete it and run again"),
        ("[" * 100_000, "it is not JSON; delete it and run again"),
        ("[]", "it describes no experiment; delete it and run again"),
        ("5", "it describes no experiment; delete it and run again"),
        ('{"protocol": {}}', "it describes no experiment; delete it and run again"),
        (json.dumps(DESCRIPTION, indent=2), "its checksum 'sha256' is missing at its end; delete it and run again"),
        (described(format=3), "it is of format 3, not 2; use the version that wrote it"),
        (
            json.dumps({name: part for name, part in DESCRIPTION.items() if name != "format"}),
            "it is of format 1, not 2; convert it with tools/convert_format_1.py",
        ),
        (described(fingerprint="f"), "'fingerprint' must be text of 64 hexadecimal digits"),
        (described(protocol=[]), "'protocol' must be an object, not a list of 0"),
        (described(other=1), "the field 'other' is unknown"),
        (
            described(protocol={"budgets": ["20"]}),
            "'protocol.budgets[0]' must be a whole number, not '20'; delete it and run again",
        ),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(StoreError) as refusal:
        store.read_experiment(tmp_path)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_a_description_is_no_experiment(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(StoreError, match="holds no experiment"):
        store.read_experiment(tmp_path)


def test_an_experiment_is_all_its_runs_and_none_of_anothers(tmp_path: Path) -> None:
    store.write_description(tmp_path, F, {"budgets": [10]})
    write(tmp_path, record_of(0))
    write(tmp_path, attempt=2)
    write(tmp_path, header=header_of(RunKey("badge", "supervised", 0)))
    path = run_path(tmp_path, RunKey("empty", "supervised", 0))
    path.parent.mkdir()
    path.write_text('{"kind": "hea')
    assert len(store.read_experiment(tmp_path).runs) == 3
    write(tmp_path, header=header_of(RunKey("stranger", "supervised", 0), fingerprint=G))
    experiment = store.read_experiment(tmp_path)
    assert len(experiment.runs) == 3
    assert experiment.left_out == (
        "left out: runs/stranger/supervised-seed0.jsonl: its fingerprint is 99999999, not ffffffff; "
        f"--doctor {tmp_path} shows all problems",
    )


def test_a_damaged_file_whose_run_was_computed_again_can_be_deleted(tmp_path: Path) -> None:
    store.write_description(tmp_path, F, {"budgets": [10]})
    for attempt, whole in ((1, False), (2, False), (3, True), (4, False)):
        write(tmp_path, record_of(0), attempt=attempt)
        path = run_path(tmp_path, KEY, attempt)
        path.write_bytes(path.read_bytes() if whole else path.read_bytes().replace(b'"round":0', b'"round":}'))
    notes = [note.rpartition("; ") for note in store.read_experiment(tmp_path).left_out]
    replaced, lost = "attempt 3 replaces it: delete the file", f"--doctor {tmp_path} shows all problems"
    assert [(note.split(":")[1].strip(), advice) for note, _, advice in notes] == [
        ("runs/random/supervised-seed0.2.jsonl", replaced),
        ("runs/random/supervised-seed0.4.jsonl", lost),
        ("runs/random/supervised-seed0.jsonl", replaced),
    ]


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04 no archive"])
def test_damaged_examples_are_one_line(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path)
    path.with_suffix(".examples.npz").write_bytes(data)
    with pytest.raises(StoreError, match=r"examples\.npz: it is no archive of examples \(.*\); --doctor lists"):
        store.read_examples(path)


def test_runs_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    names = ("a-b/x-seed0.jsonl", "a/x-seed0.jsonl", "a/x-seed0.2.jsonl", "a/x-seed10.jsonl", "a/x-seed2.jsonl")
    beside = ("a/x-seed0.epochs.jsonl", "a/x-seed0.examples.npz", "a/x-seed0.json", "loose-seed0.jsonl")
    for name in (*names, *beside):
        path = tmp_path / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "runs" / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "runs" / "itself").symlink_to(tmp_path / "runs" / "itself")
    assert list(run_paths(tmp_path)) == sorted(tmp_path / "runs" / name for name in names)
    assert list(run_paths(tmp_path / "nowhere")) == []


def test_some_runs_are_at_most_so_many_usable_ones_of_each_strategy_and_learner(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin"], 4)
    write_run(root, "margin", 0, attempt=2)
    write_run(root, "margin", 0, learner="fixmatch")
    write_run(root, "random", 0, fingerprint="e" * 64)  # of another experiment
    damaged = run_path(root, RunKey("random", "supervised", 1))
    damaged.write_bytes(damaged.read_bytes().replace(b'"accuracy":', b'"accuracy" :', 1))
    found = [(*dataclasses.astuple(run.key), run.attempt) for run in store.some_runs(root, "f" * 64, most=2)]
    assert found == [
        ("margin", "fixmatch", 0, 1),
        ("margin", "supervised", 0, 2),
        ("margin", "supervised", 0, 1),
        ("random", "supervised", 2, 1),
        ("random", "supervised", 3, 1),
    ]
