"""Made-up damage of every kind: all of it is listed, bad files are kept elsewhere, whole rounds stay."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support.report_lines import header_of, round_of, write_experiment, write_grid, write_lines
from support.sealed import sealed_run

import run_benchmark
from benchmark.experiment.keys import RunKey
from benchmark.reports import read_report
from benchmark.results import doctor, seal, store
from benchmark.results.errors import StoreError
from benchmark.results.paths import lock_path, run_path, traces_path
from benchmark.results.records import TraceRecord
from benchmark.results.run_file import RunFile

KEY = RunKey("margin", "supervised", 0)
OTHER = RunKey("random", "supervised", 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two strategies, two seeds, four rounds, with traces of one run and a report's files."""
    root = write_grid(tmp_path / "results" / "mnist", ["margin", "random"], seeds=2)
    with RunFile(run_path(root, KEY)) as file:
        file.append_traces([TraceRecord(0, step, {"loss": 0.5}) for step in range(3)])
    for name in ("README.md", "curves.csv", "index.html", "tables/summary.md", "figures/curves.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    return root


def problems(root: Path) -> dict[str, list[str]]:
    """What is wrong by the path of the file; remarks apart."""
    found: dict[str, list[str]] = {}
    for problem in doctor.examine(root):
        if not problem.remark:
            found.setdefault(problem.path.relative_to(root).as_posix(), []).append(problem.what)
    return found


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if seal.is_regular(path)}


def flip(path: Path, line: int) -> None:
    """Change a digit in a line, counted from 1."""
    whole = path.read_bytes().splitlines(keepends=True)
    whole[line - 1] = whole[line - 1].replace(b'"nll":0.', b'"nll":1.').replace(b'"seed":', b'"seed":1')
    path.write_bytes(b"".join(whole))


def values(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_sound_folder_has_no_problems(root: Path, tmp_path: Path) -> None:
    before = everything(root)
    assert problems(root) == {}
    assert run_benchmark.main(["--doctor", str(root)]) == 0
    assert run_benchmark.main(["--doctor", str(tmp_path / "results"), "--repair"]) == 0
    assert everything(root) == before


def test_all_problems_are_listed_at_once(root: Path) -> None:
    margin, random = run_path(root, KEY), run_path(root, OTHER)
    flip(margin, 3)
    flip(margin, 5)
    random.write_bytes(random.read_bytes() + b'{"kind":"rou')
    write_lines(run_path(root, RunKey("badge", "supervised", 0)), header_of(OTHER), [])
    write_lines(
        run_path(root, RunKey("entropy", "supervised", 0)),
        header_of(RunKey("entropy", "supervised", 0), fingerprint="9" * 64),
        [],
    )
    (root / "runs" / "margin" / "supervised-seed9.epochs.jsonl").write_bytes(b"")
    (root / "runs" / "margin" / "supervised-seed9.jsonl.orig").write_bytes(b"")
    (root / "runs" / "margin" / "empty-seed0.jsonl").write_bytes(b"")
    (root / "runs" / "loose.jsonl").write_bytes(b"")
    (root / "notes.txt").write_text("mine")
    (root / "tables" / "own.xlsx").write_text("mine")
    traces_path(margin).write_bytes(traces_path(margin).read_bytes().replace(b"0.5", b"0.6", 1))
    margin.with_suffix(".examples.npz").write_bytes(b"PK")
    stale = root / "runs" / ".acqbench-0123456789abcdef.tmp"
    stale.write_bytes(b"half")
    os.utime(stale, (0, 0))
    (root / "runs" / ".acqbench-fedcba9876543210.tmp").write_bytes(b"being written")
    found = problems(root)
    none = ["it is none of the suite's files"]
    assert found.pop("runs/margin/supervised-seed0.examples.npz")[0].startswith("it is no archive of examples (")
    assert found == {
        "notes.txt": none,
        "tables/own.xlsx": none,
        "runs/loose.jsonl": none,
        "runs/.acqbench-0123456789abcdef.tmp": ["a temporary file that a killed process has left"],
        "runs/badge/supervised-seed0.jsonl": ["it holds 'random, seed 1', which belongs in another file"],
        "runs/entropy/supervised-seed0.jsonl": ["its fingerprint is 99999999, not ffffffff"],
        "runs/margin/empty-seed0.jsonl": ["it is empty"],
        "runs/margin/supervised-seed0.epochs.jsonl": ["line 1: its content does not match its checksum"],
        "runs/margin/supervised-seed0.jsonl": [
            "line 3: its content does not match its checksum",
            "line 5: its content does not match its checksum",
        ],
        "runs/margin/supervised-seed9.epochs.jsonl": ["its run is not there"],
        "runs/margin/supervised-seed9.jsonl.orig": none,
        "runs/random/supervised-seed1.jsonl": ["its last line is torn: 12 bytes without an end"],
    }


def test_repair_keeps_every_bad_byte_and_every_whole_round(root: Path) -> None:
    margin, random = run_path(root, KEY), run_path(root, OTHER)
    sound = everything(root)
    flip(margin, 4)
    random.write_bytes(random.read_bytes()[:-7])
    traces_path(margin).write_bytes(traces_path(margin).read_bytes().replace(b"0.5", b"0.6", 1))
    strange = run_path(root, RunKey("badge", "supervised", 0))
    write_lines(strange, header_of(OTHER), [])
    bad = {name: data for name, data in everything(root).items() if data != sound.get(name)}
    assert len(bad) == 4
    done = doctor.repair(root, doctor.examine(root))
    assert done == [
        "runs/badge/supervised-seed0.jsonl: moved to damaged/runs/badge/supervised-seed0.jsonl",
        "runs/margin/supervised-seed0.epochs.jsonl: moved to damaged/runs/margin/supervised-seed0.epochs.jsonl; "
        "2 lines kept",
        "runs/margin/supervised-seed0.jsonl: moved to damaged/runs/margin/supervised-seed0.jsonl; 2 rounds kept",
        "runs/random/supervised-seed1.jsonl: moved to damaged/runs/random/supervised-seed1.jsonl; 3 rounds kept",
    ]
    after = everything(root)
    assert {name: after[f"damaged/{name}"] for name in bad} == bad
    assert problems(root) == {}
    for path, rounds in ((margin, 2), (random, 3)):
        name = path.relative_to(root).as_posix()
        assert sound[name].startswith(after[name])
        record = store.read_run(path)
        assert record is not None
        assert len(record.rounds) == rounds
    assert [trace.step for trace in store.read_traces(margin)] == [1, 2]
    assert not strange.exists()
    flip(margin, 2)  # once more: what lies in damaged/ is not overwritten
    doctor.repair(root, doctor.examine(root))
    assert everything(root)["damaged/runs/margin/supervised-seed0.jsonl"] == bad["runs/margin/supervised-seed0.jsonl"]
    assert (root / "damaged/runs/margin/supervised-seed0.jsonl.2").exists()


def test_a_run_that_is_being_computed_is_left_alone(root: Path) -> None:
    flip(run_path(root, KEY), 3)
    before = everything(root)
    lock = lock_path(run_path(root, KEY))
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        done = doctor.repair(root, doctor.examine(root))
    assert done == ["runs/margin/supervised-seed0.jsonl: another process is computing it; left as it is"]
    assert {name: data for name, data in everything(root).items() if ".locks" not in name} == {
        name: data for name, data in before.items() if ".locks" not in name
    }


def test_a_run_that_was_finished_since_it_was_examined_stays(root: Path) -> None:
    finished, gone = run_path(root, KEY), run_path(root, OTHER)
    whole = finished.read_bytes()
    for path in (finished, gone):
        path.write_bytes(path.read_bytes()[:-30])  # its process was killed
    found = doctor.examine(root)
    finished.write_bytes(whole)
    gone.unlink()
    assert doctor.repair(root, found) == [
        f"runs/{name}: it was mended or removed meanwhile; left as it is"
        for name in ("margin/supervised-seed0.jsonl", "random/supervised-seed1.jsonl")
    ]
    assert finished.read_bytes() == whole
    assert not (root / "damaged").exists()
    assert problems(root) == {}


@pytest.mark.parametrize("repaired", [False, True])
def test_links_and_pipes_are_named_and_never_opened(root: Path, tmp_path: Path, repaired: bool) -> None:
    """A pipe that nobody writes to would be waited for without an end."""
    outside = tmp_path / "outside.jsonl"
    outside.write_text("secret")
    runs = root / "runs" / "margin"
    os.mkfifo(runs / "supervised-seed7.jsonl")
    os.symlink(outside, runs / "supervised-seed8.jsonl")
    os.symlink(root, root / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(runs)  # the path of a socket is short
        listening.bind("socket-seed0.jsonl")
        os.chdir(here)
    (root / "experiment.json").rename(tmp_path / "experiment.json")
    os.symlink(tmp_path / "experiment.json", root / "experiment.json")
    expected = {
        "loop": ["it is a symbolic link, which nobody opens"],
        "experiment.json": ["it is a symbolic link, which nobody opens"],
        "runs/margin/supervised-seed7.jsonl": ["it is a named pipe, which nobody opens"],
        "runs/margin/supervised-seed8.jsonl": ["it is a symbolic link, which nobody opens"],
        "runs/margin/socket-seed0.jsonl": ["it is a socket, which nobody opens"],
    }
    if not repaired:
        assert problems(root) == expected
        return
    doctor.repair(root, doctor.examine(root))
    assert problems(root) == {"experiment.json": ["it is missing"]}
    assert (root / "damaged" / "loop").is_symlink()
    assert outside.read_text() == "secret"


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda lines: [*lines[:2], {k: v for k, v in lines[2].items() if k != "round"}], "line 3: the field 'round'"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: its field 'kind' is not 'round'"),
        (lambda lines: [*lines[:2], {**lines[2], "accuracy": None}], "line 3: 'accuracy' must be a number"),
        (lambda lines: [*lines[:2], {**lines[2], "accuracy": 50}], "line 3: 'accuracy' must be a number from 0 to 1"),
        (lambda lines: [*lines[:2], {**lines[2], "num_labelled": 10}], "line 3: round 1 has num_labelled 10"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3: round 1 is missing"),
        (
            lambda lines: [*lines[:2], {**lines[2], "acquired_indices": lines[1]["acquired_indices"]}],
            "line 3: image 20",
        ),
    ],
)
def test_one_bad_file_is_one_line_and_blocks_no_other(
    root: Path, spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], what: str
) -> None:
    """Even where whoever changed it has put the checksums right."""
    path = run_path(root, KEY)
    path.write_bytes(sealed_run(spoil(values(path))))
    (found,) = problems(root).items()
    assert found[0] == "runs/margin/supervised-seed0.jsonl"
    assert found[1][0].startswith(what)
    experiment = store.read_experiment(root)
    assert len(experiment.runs) == 3
    (note,) = experiment.left_out
    assert note.startswith(f"left out: runs/margin/supervised-seed0.jsonl: {what}")
    assert note.endswith(f"; --doctor {root} shows all problems")
    assert note in read_report(root).selection_notes


def test_a_list_among_the_lines_is_one_line(root: Path) -> None:
    path = run_path(root, KEY)
    path.write_bytes(path.read_bytes() + b"[1, 2]\n")
    assert problems(root) == {"runs/margin/supervised-seed0.jsonl": ["line 6: it is not an object"]}


def test_damaged_traces_block_neither_the_report_nor_the_next_round(root: Path) -> None:
    path = run_path(root, KEY)
    traces = traces_path(path)
    traces.write_bytes(traces.read_bytes().replace(b"0.5", b"0.6", 1))
    bad = traces.read_bytes()
    (note,) = store.read_experiment(root).left_out
    assert note.startswith("left out: runs/margin/supervised-seed0.epochs.jsonl: line 1: its content does not match")
    assert len(read_report(root).traces) == 0
    with RunFile(path) as file:
        file.keep_traces(4)
    assert [trace.step for trace in store.read_traces(path)] == [1, 2]
    assert (root / "damaged" / traces.relative_to(root)).read_bytes() == bad


def test_a_description_that_is_missing_or_damaged(root: Path) -> None:
    path = root / "experiment.json"
    path.write_bytes(path.read_bytes().replace(b"A test.", b"A tent."))
    assert problems(root) == {"experiment.json": ["its content does not match its checksum"]}
    doctor.repair(root, doctor.examine(root))
    assert problems(root) == {"experiment.json": ["it is missing"]}
    (root / "runs").rename(root / "elsewhere")
    with pytest.raises(StoreError, match=r"holds no experiment: there is neither experiment\.json nor runs/ in it"):
        doctor.experiments(root)
    assert run_benchmark.main(["--doctor", str(root)]) == 2
    write_experiment(root)
    assert "there is no run in it" in problems(root)["runs"]


def test_a_short_run_is_a_remark(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = RunKey("entropy", "supervised", 0)
    write_lines(run_path(root, key), header_of(key), [round_of(0, 20, 20), round_of(1, 40, 20)])
    assert problems(root) == {}
    assert run_benchmark.main(["--doctor", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"note: {run_path(root, key)}: it ends at 40 of 80 labels\n" in out
    assert out.endswith(f"{root}: no problems\n")


def test_the_command_on_a_folder_of_experiments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    roots = [write_grid(results / name, ["random"], seeds=1) for name in ("a", "b")]
    (results / "index.html").write_text("x")
    flip(run_path(roots[1], RunKey("random", "supervised", 0)), 5)
    assert run_benchmark.main(["--doctor", str(results)]) == 1
    line = f"{roots[1]}/runs/random/supervised-seed0.jsonl: line 5: its content does not match its checksum"
    said = capsys.readouterr().out.splitlines()
    assert [text for text in said if not text.startswith("note: ")] == [
        f"{roots[0]}: no problems",
        line,
        f"{roots[1]}: 1 problem",
    ]
    assert run_benchmark.main(["--doctor", str(results), "--attest"]) == 1
    assert [(root / seal.NAME).exists() for root in roots] == [True, False]
    assert run_benchmark.main(["--doctor", str(results), "--repair", "--attest"]) == 0
    assert all((root / seal.NAME).exists() for root in roots)


def test_an_experiment_has_a_name(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root.parents[1])
    (root.parents[1] / "results").mkdir(exist_ok=True)
    named = root.parents[1] / "results" / "named"
    root.rename(named)
    assert run_benchmark.main(["--doctor", "named"]) == 0
    assert "results/named: no problems" in capsys.readouterr().out
    assert run_benchmark.main(["--doctor", "nobody"]) == 2
    assert "there is no folder nobody, and no experiment of that name" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--repair", "--attest"])
def test_what_belongs_to_the_doctor_has_no_effect_elsewhere(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_benchmark.main(["--list", flag])
    assert f"{flag} has no effect with --list" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["experiment.json", "seal.json", "failures.jsonl"])
def test_a_folder_in_the_place_of_a_file_is_a_problem(root: Path, name: str) -> None:
    (root / name).unlink(missing_ok=True)
    (root / name).mkdir()
    assert list(problems(root)) == [name]
    assert run_benchmark.main(["--doctor", str(root), "--attest"]) == 1


def test_a_folder_in_the_place_of_a_run_is_a_problem(root: Path) -> None:
    (root / "runs" / "random" / "supervised-seed77.jsonl").mkdir()
    assert problems(root) == {
        "runs/random/supervised-seed77.jsonl": ["it is a folder where a file belongs"],
    }
    assert run_benchmark.main(["--doctor", str(root), "--repair"]) == 1
    assert (root / "runs" / "random" / "supervised-seed77.jsonl").is_dir()
