"""A folder of results from a stranger is data: nothing that it names is run, and no link or pipe is followed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest
from support.report_lines import write_experiment, write_run
from support.sealed import described, sealed_run
from support.tiny import SCORES, bench, experiment, plugin

from benchmark.experiment.keys import RunKey
from benchmark.results.errors import Damaged
from benchmark.results.foreign import content
from benchmark.results.paths import run_path
from benchmark.results.store import read_experiment
from strategies.registry import UnknownStrategy, resolve, resolve_own


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    root = write_experiment(tmp_path / "made-up")
    for seed in (0, 1, 2):
        for strategy in ("random", "margin"):
            write_run(root, strategy, seed)
    return root


def link_to_run(run: Path) -> None:
    run.rename(run.with_name("elsewhere.txt"))
    run.symlink_to(run.with_name("elsewhere.txt"))


def pipe(run: Path) -> None:
    run.unlink()
    os.mkfifo(run)


def endless(run: Path) -> None:
    run.unlink()
    run.symlink_to("/dev/zero")


def loop(run: Path) -> None:
    run.unlink()
    run.symlink_to(run.name)


def huge(run: Path) -> None:
    os.truncate(run, 2**33)  # sparse


@pytest.mark.parametrize("spoil", [link_to_run, pipe, endless, loop, huge])
def test_what_is_no_file_is_left_out_with_a_line_and_the_others_are_read(made_up: Path, spoil: object) -> None:
    run = made_up / "runs" / "margin" / "supervised-seed1.jsonl"
    assert callable(spoil)
    spoil(run)
    found = read_experiment(made_up)
    assert len(found.runs) == 5
    (note,) = found.left_out
    assert "margin/supervised-seed1.jsonl" in note
    assert "\n" not in note


def test_a_linked_folder_of_runs_is_left_out(made_up: Path, tmp_path: Path) -> None:
    shutil.move(made_up / "runs" / "margin", tmp_path / "outside")
    (made_up / "runs" / "margin").symlink_to(tmp_path / "outside")
    found = read_experiment(made_up)
    assert {run.key.strategy for run in found.runs} == {"random"}
    assert len(found.left_out) == 3


def test_a_linked_description_is_refused(made_up: Path, tmp_path: Path) -> None:
    shutil.move(made_up / "experiment.json", tmp_path / "outside.json")
    (made_up / "experiment.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(Damaged, match="symbolic link; put the file itself there"):
        content(made_up / "experiment.json")


def test_a_report_does_not_write_through_a_link(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "summary.csv").write_text("mine")
    (made_up / "tables").symlink_to(outside)
    assert bench(tmp_path, "--report", str(made_up), report=True) == 2
    assert "symbolic link" in capsys.readouterr().err
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]


@pytest.mark.parametrize("around", ["", "power:", "softrank[beta=2]:power:"])
def test_code_that_only_a_header_names_is_never_run(
    tmp_path: Path, around: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = plugin(tmp_path, SCORES)
    assert bench(tmp_path, "--strategies", "random", spec, "--seeds", "0", "1") == 0
    root = experiment(tmp_path)
    marker = tmp_path / "marker"
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(marker)!r}, 'w')\n")
    for path in sorted(root.glob("runs/mine*/*.jsonl")):
        values = [json.loads(line) for line in path.read_bytes().splitlines()]
        values[0]["key"]["strategy"] = f"{around}{evil}:E"
        there = run_path(root, RunKey(f"{around}{evil}:E", "supervised", values[0]["key"]["seed"]))
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(sealed_run(values))
        path.unlink()
    assert {run.key.strategy for run in read_experiment(root).runs} == {"random", f"{around}{evil}:E"}
    for mode in ("--report", "--compare", "--verify"):
        places = [str(root), str(shutil.copytree(root, tmp_path / "copy"))] if mode == "--compare" else [str(root)]
        bench(tmp_path, mode, *places, report=True)
    assert not marker.exists()
    with pytest.raises(UnknownStrategy, match="none of the suite's own"):
        resolve_own(f"{around}{evil}:E")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os:system", "json.tool:main", "no-such-strategy", "power:this:X"])
def test_a_name_from_a_file_imports_no_module(name: str) -> None:
    with pytest.raises(UnknownStrategy):
        resolve_own(name)


def test_the_suites_own_are_found_with_parameters_and_in_wrappers() -> None:
    assert resolve_own("power[beta=3.0]:margin").canonical == "power[beta=3.0]:margin"


def test_keys_of_papers_lead_nowhere(made_up: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bib"
    secret.write_text("@article{gal2017, title={secret}}")
    description = json.loads((made_up / "experiment.json").read_text())
    description["protocol"]["papers"] = ["../../secret", "gal2017", str(secret)]
    (made_up / "experiment.json").write_text(described(**description))
    assert bench(tmp_path, "--report", str(made_up), report=True) == 0
    written = b"".join(path.read_bytes() for path in made_up.rglob("*") if path.suffix in (".bib", ".md", ".html"))
    assert b"secret}" not in written


@pytest.mark.parametrize("name", ["power:" * 500 + "margin", "softrank[beta=2]:" * 9 + "margin"])
def test_wrappers_without_end_are_refused_in_one_line(name: str) -> None:
    for named in (resolve, resolve_own):
        with pytest.raises(UnknownStrategy, match="more than 8 wrappers") as refused:
            named(name)
        assert len(str(refused.value)) < 120


def test_examples_that_would_fill_the_memory_are_left_out(made_up: Path) -> None:
    bomb = made_up / "runs" / "margin" / "supervised-seed0.examples.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(2**20))
    assert bomb.stat().st_size < 2**20
    (note,) = read_experiment(made_up).left_out
    assert "it would take 300 MiB" in note


def test_a_file_that_cannot_be_read_is_left_out(made_up: Path) -> None:
    run = made_up / "runs" / "margin" / "supervised-seed1.jsonl"
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path == run:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    with patch.object(Path, "read_bytes", failing):
        found = read_experiment(made_up)
    assert len(found.runs) == 5
    assert "it cannot be read (Input/output error)" in found.left_out[0]


def test_a_pipe_beside_an_experiment_does_not_stop_the_overview(made_up: Path) -> None:
    os.mkfifo(made_up.parent / "index.html")
    (made_up.parent / "other").mkdir()
    os.mkfifo(made_up.parent / "other" / "index.html")
    assert bench(made_up.parent, "--report", str(made_up), report=True) == 0
    assert (made_up / "index.html").is_file()


def test_a_file_is_not_imported_for_verification_unless_it_computed_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = plugin(tmp_path, SCORES)
    assert bench(tmp_path, "--strategies", "random", spec, "--seeds", "0") == 0
    marker = tmp_path / "marker"
    plugin(tmp_path, f"open({str(marker)!r}, 'w')\n" + SCORES)
    capsys.readouterr()
    assert bench(tmp_path, "--verify", str(experiment(tmp_path)), "--strategies", spec) == 2
    assert "left out: mine:Mine: no run was computed by its present source" in capsys.readouterr().out
    assert not marker.exists()
    assert bench(tmp_path, "--verify", str(experiment(tmp_path)), "--strategies", spec, "random") == 0
    assert not marker.exists()
