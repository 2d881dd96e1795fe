"""The seal of a published folder: what it lists must be there; what comes after it may come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.report_lines import header_of, round_of, write_grid, write_lines
from support.sealed import described

import run_benchmark
from benchmark.experiment.keys import RunKey
from benchmark.results import doctor, seal, store
from benchmark.results.atomic import write_atomically
from benchmark.results.paths import run_path
from benchmark.results.run_file import RunFile

RESULTS = Path(__file__).resolve().parents[2] / "results"
KEY = RunKey("margin", "supervised", 0)
NAME = "runs/margin/supervised-seed0.jsonl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_grid(tmp_path / "mnist", ["margin", "random"], seeds=2)
    seal.write_seal(root)
    return root


def notes(root: Path) -> list[str]:
    return [note for note in store.read_experiment(root).left_out if "sealed" in note]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in RESULTS.glob("*/experiment.json")))
def test_the_published_folders_are_as_they_were_sealed(name: str) -> None:
    found = seal.read_seal(RESULTS / name)
    assert found is not None
    assert {file.path for file in found.files} == {
        path.relative_to(RESULTS / name).as_posix() for path in seal.sealed_paths(RESULTS / name)
    }
    assert seal.broken(RESULTS / name) == {}
    assert [problem for problem in doctor.examine(RESULTS / name) if not problem.remark] == []


def test_what_is_sealed(root: Path) -> None:
    found = seal.read_seal(root)
    assert found is not None
    assert [(file.path, file.lines) for file in found.files] == [
        ("experiment.json", None),
        *((f"runs/{strategy}/supervised-seed{seed}.jsonl", 5) for strategy in ("margin", "random") for seed in (0, 1)),
    ]
    assert seal.broken(root) == {}
    assert notes(root) == []


def test_a_file_that_is_being_written_is_not_sealed(root: Path) -> None:
    def parts() -> Iterator[bytes]:
        doctor.attest(root)
        yield b""

    write_atomically(run_path(root, KEY).with_suffix(".epochs.jsonl"), parts())
    assert seal.broken(root) == {}


def test_a_last_round_that_is_gone_is_found(root: Path) -> None:
    """Each line that is left is sound, and follows from those before it."""
    path = run_path(root, KEY)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert store.read_run(path) is not None
    assert seal.broken(root) == {NAME: "it has 4 lines, but 5 were sealed"}
    assert notes(root) == [f"mnist: 1 file that was sealed is missing or changed; --doctor {root} shows all problems"]
    (problem,) = (problem for problem in doctor.examine(root) if not problem.remark)
    assert (problem.path, problem.bad) == (path, False)  # what is there is good: it stays


def test_files_that_are_gone_or_written_anew_are_found(root: Path) -> None:
    gone = run_path(root, RunKey("random", "supervised", 1))
    gone.unlink()
    write_lines(run_path(root, KEY), header_of(KEY), [round_of(0, 20, 20, accuracy=0.75)] * 1 + [round_of(1, 40)])
    assert set(seal.broken(root)) == {NAME, "runs/random/supervised-seed1.jsonl"}
    assert notes(root) == [
        f"mnist: 2 files that were sealed are missing or changed; --doctor {root} shows all problems"
    ]


def test_lines_and_files_may_come(root: Path) -> None:
    path = run_path(root, KEY)
    with RunFile(path) as file:
        file.append_round(round_of(3, 80, 20))
        file.append_round(round_of(4, 100))
    key = RunKey("badge", "supervised", 0)
    write_lines(run_path(root, key), header_of(key), [])
    assert seal.broken(root) == {}
    store.write_description(root, "f" * 64, {"budgets": [20, 40, 60, 80, 100]})
    assert seal.broken(root) == {"experiment.json": "it has changed since it was sealed"}


def test_a_folder_that_was_extended_is_sealed_again_where_that_is_asked_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = RunKey("random", "supervised", 0)
    write_lines(run_path(root, KEY), header_of(KEY), [round_of(n, 20 + 20 * n, 20 * (n < 4)) for n in range(5)])
    run_path(root, key).unlink()
    store.write_description(root, "f" * 64, {"budgets": [20, 40, 60, 80, 100]})
    assert run_benchmark.main(["--doctor", str(root)]) == 1
    assert f"{root}: 3 problems\n" in capsys.readouterr().out
    assert run_benchmark.main(["--doctor", str(root), "--attest"]) == 0
    said = capsys.readouterr().out
    assert f"{root}/experiment.json: it has changed since it was sealed\n" in said
    assert f"{run_path(root, KEY)}: it has changed since it was sealed\n" in said
    assert f"{run_path(root, key)}: it is missing, although the seal lists it\n" in said
    assert said.endswith(
        f"{root}/seal.json: 4 files with 16 lines are sealed again, 3 changed or missing since the last seal\n"
        f"{root}: no problems\n"
    )
    assert run_benchmark.main(["--doctor", str(root)]) == 0


@pytest.mark.parametrize("what", ["a lost line", "a damaged line"])
def test_a_loss_or_damage_is_not_sealed_over(root: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    path, before = run_path(root, KEY), (root / seal.NAME).read_bytes()
    *lines, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines] if what == "a lost line" else [*lines, last.replace(b'"nll":', b'"nll":1')]))
    assert run_benchmark.main(["--doctor", str(root), "--attest"]) == 1
    assert f"{root}: not sealed: --repair what is damaged" in capsys.readouterr().out
    assert (root / seal.NAME).read_bytes() == before


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "", "runs/../../outside"])
def test_a_seal_reads_nothing_outside_of_its_folder(root: Path, path: str) -> None:
    (root.parent / "outside").write_text("x")
    file: dict[str, Any] = {"path": path, "bytes": 1, "lines": None, "sha256": "0" * 64}
    text = described(version=1, files=[file])
    value = {key: part for key, part in json.loads(text).items() if key in ("version", "files")}
    (root / seal.NAME).write_bytes(seal.with_description_seal(value))
    assert seal.broken(root) == {path: "the seal lists a file outside of the folder"}


@pytest.mark.parametrize("text", ["", "[]", "{}", described(), described(version=1, files=[])])
def test_a_damaged_seal_is_one_problem(root: Path, text: str) -> None:
    (root / seal.NAME).write_text(text)
    (problem,) = (problem for problem in doctor.examine(root) if not problem.remark)
    assert problem.path.name == seal.NAME
    assert len(notes(root)) == 1
    doctor.repair(root, [problem])
    assert [problem for problem in doctor.examine(root) if not problem.remark] == []
