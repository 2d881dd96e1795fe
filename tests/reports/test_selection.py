"""``--report DIR`` of a selection, written elsewhere: exactly these runs in all files and on the console."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from support.report_lines import data_of, write_grid, write_run

import run_benchmark
from benchmark.experiment.keys import RunKey
from benchmark.results import failures
from benchmark.results.records import FailureRecord

SELECTED = ["--strategies", "margin", "random", "--seeds", "0", "2", "--budgets", "20", "40"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_grid(tmp_path / "results" / "mnist", ["random", "margin", "entropy"], seeds=3)
    for strategy, seed in itertools.product(("random", "margin"), range(3)):
        write_run(root, strategy, seed, learner="fixmatch")
    return root


def report(root: Path, *flags: str) -> int:
    return run_benchmark.main(["--report", str(root), *flags])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_of_the_selection_and_the_experiment_is_left_alone(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, paper = tree(root.parent), tmp_path / "paper"
    assert report(root, *SELECTED, "--learner", "supervised", "--output", str(paper)) == 0
    said = capsys.readouterr().out
    assert tree(root.parent) == before
    curves = pd.read_csv(paper / "curves.csv")
    assert set(curves["strategy"]) == {"margin", "random"}
    assert (set(curves["seed"]), set(curves["labels"]), set(curves["learner"])) == ({0, 2}, {20, 40}, {"supervised"})
    for table in (paper / "tables").glob("*.*"):
        assert not re.search("entropy|fixmatch", table.read_text()), table.name
    data = data_of((paper / "index.html").read_text())
    assert {line["strategy"] for line in data["lines"]} == {"margin", "random"}
    assert data["labels"] == [20, 40]
    assert '<a href="../index.html">' not in (paper / "index.html").read_text()
    assert not (tmp_path / "index.html").exists()
    assert (paper / "tables" / "strategies.bib").is_file()
    assert {"accuracy.pdf", "areas.pdf"} <= {path.name for path in (paper / "figures").iterdir()}
    assert re.search(r"seeds 0, 2", said)
    assert report(root, *SELECTED, "--learner", "supervised") == 0  # to the console alone
    assert capsys.readouterr().out.strip() == said[: said.index("tables, figures and page")].strip()


def test_only_failures_of_the_selection_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key in RunKey("margin", "supervised", 1), RunKey("entropy", "supervised", 0), RunKey("margin", "fixmatch", 2):
        failures.append(root, FailureRecord("2026-01-01T00:00:00Z", key, 1, 9, "ValueError: no", "", "here", False))
    for flags, told in [
        ((), 3),
        (("--strategies", "margin", "random"), 2),
        (("--strategies", "margin", "random", "--learner", "supervised"), 1),
        (("--strategies", "margin", "random", "--learner", "supervised", "--seeds", "0", "2"), 0),
    ]:
        assert report(root, *flags) == 0
        assert capsys.readouterr().out.count("failed in round 9") == told


def test_the_page_has_the_command_that_gives_it_again(root: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    assert report(root, *SELECTED, "--learner", "fixmatch", "--output", str(paper)) == 0
    (command,) = re.findall(r"^python run_benchmark.py (--report .*)$", (paper / "README.md").read_text(), re.MULTILINE)
    words = shlex.split(command)
    assert words[2:] == ["--strategies", *SELECTED[1:3], "--learner", "fixmatch", *SELECTED[3:], "--output", "paper"]
    first = tree(paper)
    assert report(root, *words[2:-1], str(paper)) == 0
    assert tree(paper) == first


def test_a_baseline_stands_for_random_in_all_differences(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = tmp_path / "paper"
    flags = ["--strategies", "random", "entropy", "--learner", "supervised"]
    assert report(root, *flags, "--baseline", "margin", "--output", str(paper)) == 0
    assert "vs. margin" in capsys.readouterr().out
    summary = pd.read_csv(paper / "tables" / "summary.csv").set_index("strategy")
    assert set(summary.index) == {"random", "entropy", "margin"}  # the baseline is always there
    assert summary["pairs"].fillna(0).to_dict() == {"random": 3, "entropy": 3, "margin": 0}
    area = summary["area_mean"]
    for strategy in ("random", "entropy"):
        assert summary.loc[strategy, "difference"] == pytest.approx(area[strategy] - area["margin"])
    tests = pd.read_csv(paper / "tables" / "tests.csv")
    assert set(tests["against"]) == {"margin"}
    gains = {line["strategy"]: line["gain"]["labels"] for line in data_of((paper / "index.html").read_text())["lines"]}
    assert bool(gains["random"])
    assert not gains["margin"]
    everything = "".join(path.read_text() for path in (paper / "tables").glob("*.md"))
    assert not re.search(r"vs\. random|× random|to random|against random|than for random", everything)


@pytest.mark.parametrize("name", ["README.md", "index.html", "curves.csv"])
def test_files_of_others_are_not_overwritten(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = tmp_path / "paper"
    paper.mkdir()
    (paper / name).write_text("mine")
    assert report(root, *SELECTED, "--output", str(paper)) == 2
    said = capsys.readouterr()
    assert f"{name} is not from a report and would be overwritten" in said.err
    assert not said.out  # before anything is computed and printed
    assert tree(paper) == {name: b"mine"}


@pytest.mark.parametrize(
    ("option", "where", "said"),
    [
        *(
            (option, "", "holds an experiment: give the selection a folder")
            for option in ("--output", "--export-indices")
        ),
        *((option, "paper", "lies in the experiment ") for option in ("--output", "--export-indices")),
        ("--output", "..", "holds experiments, such as "),
    ],
)
def test_a_selection_does_not_go_into_an_experiment(
    root: Path, option: str, where: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is said before anything is computed."""
    before = tree(root.parent)
    with patch("benchmark.results.layers.Folders.experiment", side_effect=AssertionError("read")):
        assert report(root, *SELECTED, option, str(root / where)) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not told.out
    assert tree(root.parent) == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--baseline", "badge"], "--baseline badge: no such run among those selected"),
        (["--baseline", "bagde"], "badge"),
        (["--strategies", "entropy", "--baseline", "margin", "--seeds", "9"], "has no complete round"),
    ],
)
def test_a_baseline_that_did_not_run_is_one_line(
    root: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(root, *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("baseline", ["bagde", "badge"])
def test_a_mistaken_baseline_leaves_nothing_behind(root: Path, tmp_path: Path, baseline: str) -> None:
    before = tree(tmp_path)
    where = ("--output", str(tmp_path / "paper"), "--export-indices", str(tmp_path / "lists"))
    assert report(root, *where, "--baseline", baseline) == 2
    assert tree(tmp_path) == before
    assert report(root, *SELECTED, *where, "--baseline", "margin") == 0
    assert len(list((tmp_path / "lists").iterdir())) == 2  # one for each learner


@pytest.mark.parametrize("option", ["--output", "--export-indices"])
def test_a_folder_that_cannot_be_written_to_is_one_line(
    root: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    other = write_grid(tmp_path / "results" / "cifar10", ["random", "margin", "entropy"], seeds=3)
    elsewhere = {"--output": [], "--export-indices": ["--output", str(tmp_path / "paper")]}[option]
    requests = [["--report", str(root), *elsewhere], ["--report", str(root), *SELECTED, *elsewhere]]
    if option == "--output":
        requests += [[mode, str(root), str(other)] for mode in ("--report", "--compare")]
    before = tree(tmp_path)
    for request in requests:
        assert run_benchmark.main([*request, option, str(tmp_path / "file")]) == 2
        said = capsys.readouterr()
        why = f"error: cannot write to {tmp_path / 'file'} (File exists): name another folder with {option}\n"
        assert (said.out, said.err) == ("", why)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mode", [["--list"], ["--verify", "x"], ["--report", "x", "--export-indices", "y"], []])
def test_a_baseline_has_no_effect_elsewhere(mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_benchmark.main([*mode, "--baseline", "margin"])
    assert stopped.value.code == 2
    assert "--baseline has no effect" in capsys.readouterr().err
