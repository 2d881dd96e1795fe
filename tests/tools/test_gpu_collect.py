"""Taking results home: only what is new, checked, and never over what was changed here."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.tiny import bench

from benchmark.experiment import load
from benchmark.results import doctor, store
from tools.gpu import collect
from tools.gpu.pieces import Contents
from tools.gpu.unpack import unpack

RUN = "results/tiny/runs/margin/supervised-seed0.jsonl"


@pytest.fixture(scope="module")
def short_and_long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two checkouts' results: a run of two rounds, and the same one round longer with another strategy beside it."""
    folders = tmp_path_factory.mktemp("short"), tmp_path_factory.mktemp("long")
    request = "--strategies", "margin", "--seeds", "0", "--name", "tiny"
    assert bench(folders[0], *request, "--budgets", "10", "20") == 0
    shutil.copytree(folders[0] / "results", folders[1] / "results")
    assert bench(folders[1], "--strategies", "margin", "random", *request[2:]) == 0
    return folders


def send(there: Path, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, measured: bytes = b"") -> list[Path]:
    """What ``collect.py out`` writes on a machine that got ``home``'s results and now has those of ``there``."""
    machine = folder / "machine"
    packed = Contents()
    packed.add_file("source.py", b"")
    names = {path.relative_to(home).as_posix(): path for path in home.glob("results/tiny/**/*") if path.is_file()}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}
    unpack(packed.write(folder / "pieces", 10**7, results=digests), machine)
    shutil.copytree(there / "results", machine / "results")
    if measured:
        (machine / "docs/performance").mkdir(parents=True)
        (machine / "docs/performance/gpu.jsonl").write_bytes(measured)
    monkeypatch.setattr(collect, "ROOT", machine)
    return collect.gather(folder / "out", 10**7, False)


def home_of(source: Path, folder: Path) -> Path:
    shutil.copytree(source / "results", folder / "home" / "results")
    return folder / "home"


def test_runs_go_on_and_new_ones_come(
    short_and_long: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short, long = short_and_long
    home = home_of(short, tmp_path)
    send(long, home, tmp_path, monkeypatch, b'{"what": "device"}\n')
    assert collect.take(tmp_path / "out", home) == 0
    for path in (long / "results").glob("tiny/runs/*/*.jsonl"):
        assert (home / path.relative_to(long)).read_bytes() == path.read_bytes()
    assert not [problem for problem in doctor.examine(home / "results/tiny") if not problem.remark]
    out = capsys.readouterr().out
    assert "2 files added" in out  # a run and the measurements
    assert "2 files continued" in out  # a run and the budget schedule
    assert f"git add {home}/docs/performance/gpu.jsonl {home}/results/tiny" in out
    assert collect.take(tmp_path / "out", home) == 0
    assert capsys.readouterr().out == ""


def test_nothing_new_is_nothing_to_carry(
    short_and_long: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(short_and_long[0], tmp_path)
    assert send(home, home, tmp_path, monkeypatch) == []
    with pytest.raises(ValueError, match="there is no piece"):
        collect.take(tmp_path / "out", home)


def test_what_has_gone_on_here_too_is_left_as_it_is(
    short_and_long: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short, long = short_and_long
    home = home_of(short, tmp_path)
    send(long, home, tmp_path, monkeypatch)
    lines = (home / RUN).read_bytes().splitlines(keepends=True)
    (home / RUN).write_bytes(b"".join([*lines[:-1], b"another last round\n"]))
    assert collect.take(tmp_path / "out", home) == 1
    assert (home / RUN).read_bytes().endswith(b"another last round\n")
    assert f"left out: {RUN}: it was changed here, too" in capsys.readouterr().out
    assert (home / "results/tiny/runs/random/supervised-seed0.jsonl").exists()
    shutil.copy(long / RUN, home / RUN)  # further on here than what was collected: kept
    assert collect.take(tmp_path / "out", home) == 0


def test_a_damaged_line_is_not_taken(
    short_and_long: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short, long = short_and_long
    home, broken = home_of(short, tmp_path), tmp_path / "broken"
    shutil.copytree(long / "results", broken / "results")
    text = (broken / RUN).read_text()
    (broken / RUN).write_text(text.replace('"num_labelled":30', '"num_labelled":31').replace(": 30,", ": 31,"))
    assert (broken / RUN).read_text() != text
    send(broken, home, tmp_path, monkeypatch)
    assert collect.take(tmp_path / "out", home) == 1
    assert f"left out: {RUN}: " in capsys.readouterr().out
    assert (home / RUN).read_bytes() == (short / RUN).read_bytes()


def test_an_experiment_that_is_another_one_here_is_not_taken(
    short_and_long: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short, long = short_and_long
    home = home_of(short, tmp_path)
    send(long, home, tmp_path, monkeypatch)
    other = load("digits")
    shutil.rmtree(home / "results/tiny")
    store.write_description(home / "results/tiny", other.fingerprint, other.to_dict())
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert collect.take(tmp_path / "out", home) == 1
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert "is of another experiment" in capsys.readouterr().out


def test_lines_of_failures_are_added_to_those_here(tmp_path: Path) -> None:
    path = tmp_path / "failures.jsonl"
    path.write_bytes(b"one\nthree\n")
    assert collect._merge(path, b"one\ntwo\n", None) == "continued"
    assert path.read_bytes() == b"one\nthree\ntwo\n"
    assert collect._merge(path, b"two\n", None) == ""
