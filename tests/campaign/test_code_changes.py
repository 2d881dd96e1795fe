"""What happens to runs on disk when the code behind them changes, from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.sealed import sealed_run
from support.tiny import SCORES, bench, experiment, plugin, run_lines

from benchmark.campaign.tasks import Emit, Ended, perform
from benchmark.data.datasets import ImageData
from benchmark.learners import LEARNERS
from benchmark.loop.task import RunTask
from strategies.margin import Margin

ARGUMENTS = ("--strategies", "random", "margin", "--seeds", "0", "1")


def test_a_changed_method_is_computed_anew_and_its_old_runs_are_shown_where_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench(tmp_path, *ARGUMENTS) == 0
    before = run_lines(tmp_path)
    monkeypatch.setattr(Margin, "version", 2)
    capsys.readouterr()
    assert bench(tmp_path, "--strategies", "random", "margin", "power:margin", "--seeds", "0", report=True) == 0
    said = capsys.readouterr().out
    assert "1 of 3 runs are in" in said
    assert "margin, seed 0: computed by version 1 of the strategy, which is at 2; recomputed as attempt 2" in said
    assert "margin: 1 run of version 1 is left out; add margin@1 to --strategies to show them." in said
    after = run_lines(tmp_path)
    assert {path: after[path] for path in before} == before
    assert [after[f"margin/supervised-seed0{n}.jsonl"][0]["strategy_version"] for n in ("", ".2")] == [1, 2]
    assert after["power-margin/supervised-seed0.jsonl"][0]["strategy_version"] == 2  # it rises with what is inside
    rows = (experiment(tmp_path) / "curves.csv").read_text()
    assert rows.count("margin,supervised,1,") == 0  # neither shown
    assert rows.count("\nmargin,supervised,0,") == 3  # nor averaged
    assert bench(tmp_path, "--strategies", "margin", "margin@1", "--seeds", "0", report=True) == 0
    said = capsys.readouterr().out
    assert "1 of 1 runs are in" in said
    assert "margin (version 1)" in said
    assert bench(tmp_path, "--report", str(experiment(tmp_path)), "--strategies", "margin@1", report=True) == 0
    assert "margin (version 1)" in capsys.readouterr().out
    assert bench(tmp_path, "--strategies", "margin@1") == 2
    assert "'margin@1' is not computed any more" in capsys.readouterr().err
    assert bench(tmp_path, "--verify", str(experiment(tmp_path)), "--strategies", "margin@1") == 2
    assert "the present code cannot compute an older edition again" in capsys.readouterr().err


def test_a_run_of_an_older_version_is_not_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench(tmp_path, *ARGUMENTS) == 0
    monkeypatch.setattr(Margin, "version", 2)
    assert bench(tmp_path, "--verify", str(experiment(tmp_path)), "--sample", "9") == 0
    said = capsys.readouterr().out
    assert "left out: margin: computed by version 1 of the strategy, which is at 2" in said
    assert "computing 2 of 2 runs" in said
    monkeypatch.setattr(LEARNERS["supervised"], "version", 2)
    assert bench(tmp_path, "--verify", str(experiment(tmp_path))) == 2
    assert "computed by version 1 of the learner, which is at 2" in capsys.readouterr().out


def test_a_half_run_by_a_changed_helper_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "helper.py").write_text("COLUMN = 0\n")
    mine = plugin(tmp_path, "from helper import COLUMN\n\n\n" + SCORES.replace("[:, 0]", "[:, COLUMN]"))
    asked = ("--strategies", mine, "--seeds", "0")
    assert bench(tmp_path, *asked, "--budgets", "10", "20") == 0
    (tmp_path / "helper.py").write_text("COLUMN = 1\n")
    assert bench(tmp_path, *asked) == 0
    assert "mine:Mine, seed 0: the plugin's source has changed; recomputed as attempt 2" in capsys.readouterr().out
    runs = sorted((experiment(tmp_path) / "runs").glob("*/*.jsonl"))
    assert [len(path.read_text().splitlines()) for path in runs] == [4, 3]  # of attempt 2, and of the first


@pytest.mark.parametrize("workers", ["1", "2"])
def test_two_files_of_one_name_are_two_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: str) -> None:
    source = "from helper import COLUMN\n\n\n" + SCORES.replace("[:, 0]", "[:, COLUMN]")
    texts = []
    for folder, column in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helper.py").write_text(f"COLUMN = {column}\n")
        texts.append(plugin(tmp_path / folder, source))
    asked = ("--strategies", *texts, "--seeds", "0", "--workers", workers)
    assert bench(tmp_path, *asked, report=True) == 0
    said = capsys.readouterr().out
    assert "a/mine:Mine" in said
    assert "b/mine:Mine" in said
    first, second = run_lines(tmp_path).values()
    assert [lines[0]["key"]["strategy"] for lines in (first, second)] == ["a/mine:Mine", "b/mine:Mine"]
    assert first[1]["acquired_indices"] != second[1]["acquired_indices"]
    assert bench(tmp_path, *asked) == 0
    assert "2 of 2 runs are in" in capsys.readouterr().out


def during(seed: int, appear: Callable[[Path], object]) -> Any:
    """Let another command write the file of margin's seed 1 while the run of ``seed`` is computed here."""

    def performed(task: RunTask, data: ImageData, emit: Emit) -> Ended:
        if task.key.seed == seed:
            task.path.parent.mkdir(parents=True, exist_ok=True)
            appear(task.path.with_name("supervised-seed1.jsonl"))
        return perform(task, data, emit)

    return patch("benchmark.campaign.in_process.perform", performed)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines of margin's seed 1."""
    folder = tmp_path_factory.mktemp("theirs")
    assert bench(folder, "--strategies", "margin", "--seeds", "1") == 0
    (path,) = folder.glob("results/*/runs/*/*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_header(lines: list[dict[str, Any]], **changes: Any) -> bytes:
    changed = {name: {**lines[0][name], **v} if isinstance(v, dict) else v for name, v in changes.items()}
    return sealed_run([{**lines[0], **changed}, *lines[1:]])


OLDER = {"strategy_version": 7}
OTHERWISE: dict[str, tuple[str, int, dict[str, Any], str]] = {  # seeds asked for, lines of theirs, their header
    "other code": ("01", 2, OLDER, "computed by version 7 of the strategy, which is at 1"),
    "other code, done": ("1", 4, OLDER, "computed by version 7 of the strategy, which is at 1"),
    "another machine": ("1", 2, {"environment": {"cpu_capability": "another"}}, "CPU capability"),
    "other data": (
        "1",
        4,
        {"dataset": {"sha256": "0" * 64, "manifest_sha256": "0" * 64}},
        "on another copy of the data",
    ),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_a_run_that_was_begun_otherwise_since_the_plan_is_neither_continued_nor_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], theirs: list[dict[str, Any]], what: str
) -> None:
    seeds, count, changes, why = OTHERWISE[what]
    asked = ("--strategies", "margin", "--seeds", *seeds)
    found = with_header(theirs[:count], **changes)
    with during(int(seeds[0]), lambda path: path.write_bytes(found)):
        assert bench(tmp_path, *asked, report=what == "other code, done") == 3
    said = capsys.readouterr().out
    (line,) = (line for line in said.splitlines() if "meanwhile" in line)
    assert line.startswith("margin, seed 1: left as it is: another command has started it meanwhile, ")
    assert why in line
    assert "at the time limit" not in said
    assert ("tables and figures show what else is there" in said) == (what == "other code, done")
    taken = experiment(tmp_path) / "runs" / "margin" / "supervised-seed1.jsonl"
    assert taken.read_bytes() == found
    if what != "other data":
        assert bench(tmp_path, *asked) == 0
        assert taken.read_bytes() == found
        own = json.loads(taken.with_name("supervised-seed1.2.jsonl").read_bytes().splitlines()[-1])
        assert own["accuracy"] == theirs[-1]["accuracy"]


@pytest.mark.parametrize("device", ["this", "another"])
def test_a_run_that_another_command_finished_since_the_plan_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], theirs: list[dict[str, Any]], device: str
) -> None:
    found = with_header(theirs, **({"environment": {"device": "cpu (another)"}} if device == "another" else {}))
    with during(1, lambda path: path.write_bytes(found)):
        assert bench(tmp_path, "--strategies", "margin", "--seeds", "1", report=True) == 0
    assert "area" in capsys.readouterr().out
    (there,) = experiment(tmp_path).glob("runs/*/*.jsonl")
    assert there.read_bytes() == found


def test_without_a_round_by_the_present_code_the_page_shows_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--strategies", "margin", "--seeds", "0")
    assert bench(tmp_path, *asked) == 0
    monkeypatch.setattr(Margin, "version", 2)
    with patch("benchmark.campaign.tasks.RunFile.append_round", side_effect=RuntimeError("no luck")):
        assert bench(tmp_path, *asked, report=True) == 1  # its header is there
    said = capsys.readouterr()
    assert "no round was finished: tables and figures show what else is there" in said.out
    assert said.err == ""
    assert "\nmargin,supervised,0," in (experiment(tmp_path) / "curves.csv").read_text()
