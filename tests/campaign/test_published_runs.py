"""Commands with published results below: these are read, never written to, and not computed again."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.sealed import sealed_run
from support.tiny import SCORES, bench, experiment, plugin, run_lines

import run_benchmark
from benchmark.results.lines import record_bytes
from benchmark.results.records import TraceRecord
from benchmark.results.run_file import RunFile


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny protocol's four runs with their report; not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    assert bench(folder, report=True) == 0
    return folder


@pytest.fixture
def published(finished: Path, tmp_path: Path) -> Path:
    """A copy of them as a folder of published results, which nothing may change."""
    return Path(shutil.copytree(finished / "results", tmp_path / "published"))


@pytest.fixture
def user(tmp_path: Path, finished: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    shutil.copy(finished / "tiny.toml", folder)
    return folder


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """All files and folders with their content's checksum and the time of their last change."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def command(user: Path, published: Path, *arguments: str, report: bool = False) -> int:
    """Run the command line with ``published`` below; nothing in it may change."""
    before = tree(published)
    status = bench(user, "--published", str(published), *arguments, report=report)
    assert tree(published) == before
    return status


def own_runs(user: Path) -> set[str]:
    return {path.name for path in user.glob("results/*/runs/*/*.jsonl")}


def other(user: Path, published: Path, *arguments: str) -> int:
    """A command that runs nothing."""
    before = tree(published)
    places = ["--results-dir", str(user / "results"), "--published", str(published)]
    status = run_benchmark.main([*arguments, *places])
    assert tree(published) == before
    return status


def test_published_runs_are_not_computed_again(user: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(user, published, report=True) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 of 4 runs are published; --fresh recomputes them\n")
    assert "All runs shown are published." in said
    root = experiment(user)
    assert f"tables and figures are in {root}" in said
    assert not list(root.rglob("*.jsonl"))
    public = published / root.name
    for name in ("tables/accuracy.csv", "tables/summary.tex", "curves.csv"):
        assert (root / name).read_bytes() == (public / name).read_bytes()
    page = (root / "index.html").read_text()
    assert f"../../../published/{root.name}/runs/random/supervised-seed1.jsonl" in page
    assert "All runs shown are published." in page
    assert f"{root.name}/index.html" in (user / "results" / "index.html").read_text()


def test_only_a_strategy_of_ones_own_is_computed_and_the_page_shows_what_was_asked_for(
    user: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = plugin(user, SCORES)
    asked = ("--strategies", "random", mine, "--budgets", "10", "20", "--seeds", "0", "1")
    assert command(user, published, *asked, report=True) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 of 4 runs are published; computing the other 2\n")
    assert "[4/4]" in said
    assert "[5/" not in said
    assert "2 of the 4 runs shown are published." in said
    root = experiment(user)
    (computed,) = {path.parent.name for path in root.rglob("*.jsonl")}
    assert computed.startswith("mine-Mine")
    rows = {tuple(line.split(",")[:4]) for line in (root / "curves.csv").read_text().splitlines()[1:]}
    assert rows == {
        (who, "supervised", seed, labels) for who in ("random", "mine:Mine") for seed in "01" for labels in ("10", "20")
    }
    assert "incomplete" not in (root / "README.md").read_text()

    assert command(user, published, "--strategies", "margin", "--seeds", "0", "--budgets", "10", report=True) == 0
    shown = {tuple(line.split(",")[::2][:2]) for line in (root / "curves.csv").read_text().splitlines()[1:]}
    assert shown == {("margin", "0"), ("mine:Mine", "0"), ("mine:Mine", "1")}  # one's own runs are all there

    assert other(user, published, "--report", str(root)) == 0
    shown = {tuple(line.split(",")[:4]) for line in (root / "curves.csv").read_text().splitlines()[1:]}
    assert {who for who, *_ in shown} == {"random", "margin", "mine:Mine"}
    assert {labels for *_, labels in shown} == {"10", "20"}  # as far as one's own go


def test_a_longer_run_goes_on_in_a_copy(user: Path, published: Path, finished: Path, tmp_path: Path) -> None:
    longer = ("--budgets", "10", "20", "30", "40", "--strategies", "random")
    assert command(user, published, *longer) == 0
    assert own_runs(user) == {"supervised-seed0.jsonl", "supervised-seed1.jsonl"}
    root, public = experiment(user), published / experiment(user).name
    for seed in (0, 1):
        name = f"runs/random/supervised-seed{seed}.jsonl"
        taken = (public / name).read_bytes().splitlines()[:3]  # the last round had no query: it is trained again
        assert (root / name).read_bytes().splitlines()[:3] == taken
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(user / "tiny.toml", alone)
    assert bench(alone, *longer) == 0
    again = run_lines(user)
    for path, lines in run_lines(alone).items():
        rounds = {line["round"]: line for line in again[path][1:]}
        assert [rounds[number] for number in range(4)] == lines[1:]  # as if never interrupted
    assert command(user, published, *longer) == 0  # and it is done


def test_an_interrupted_copy_is_gone_on_with(user: Path, published: Path) -> None:
    longer = ("--budgets", "10", "20", "30", "40", "50", "--strategies", "margin", "--seeds", "1")
    append, count = RunFile.append_round, 0

    def interrupted(file: RunFile, record: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        append(file, record)

    with patch("benchmark.campaign.tasks.RunFile.append_round", interrupted):
        assert command(user, published, *longer) == 3
    (begun,) = experiment(user).rglob("*.jsonl")
    before = begun.read_bytes()
    assert before.startswith((published / begun.relative_to(user / "results")).read_bytes())
    assert command(user, published, *longer) == 0
    assert begun.read_bytes().startswith(before)
    assert {json.loads(line).get("round") for line in begun.read_bytes().splitlines()} == {None, *range(5)}


def test_a_torn_published_run_is_mended_in_a_copy(user: Path, published: Path, finished: Path) -> None:
    (torn,) = published.glob("*/runs/margin/supervised-seed0.jsonl")
    traces = torn.with_name("supervised-seed0.epochs.jsonl")
    kept, dropped = TraceRecord(0, 3, {"loss": 1.5}), TraceRecord(2, 3, {"loss": 0.5})
    traces.write_bytes(record_bytes([kept, dropped]))
    torn.write_bytes(torn.read_bytes()[:-40])
    assert command(user, published) == 0
    assert own_runs(user) == {"supervised-seed0.jsonl", "supervised-seed0.epochs.jsonl"}
    (mended,) = user.glob("results/*/runs/margin/supervised-seed0.epochs.jsonl")
    assert mended.read_bytes() == record_bytes([kept])  # of the rounds that were taken over
    assert run_lines(user)["margin/supervised-seed0.jsonl"] == run_lines(finished)["margin/supervised-seed0.jsonl"]


def test_a_published_run_that_cannot_be_continued_is_recomputed(
    user: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = published.glob("*/runs/random/supervised-seed1.jsonl")
    header, first, *_ = path.read_text().splitlines(keepends=True)
    told = json.loads(header)
    told["environment"]["libraries"]["torch"] = "2.0"
    path.write_text(json.dumps(told) + "\n" + first)
    assert command(user, published, "--strategies", "random") == 0
    assert "random, seed 1: " in (said := capsys.readouterr().out)
    assert "recomputed as attempt 2" in said
    assert own_runs(user) == {"supervised-seed1.2.jsonl"}


@pytest.mark.parametrize("own", ["older", "damaged"])
def test_a_copy_of_a_published_run_goes_beside_ones_own_attempt_of_that_number(
    user: Path, published: Path, own: str
) -> None:
    asked = ("--strategies", "random", "--seeds", "0", "--budgets", "10", "20")
    assert bench(user, *asked) == 0
    (first,) = experiment(user).rglob("*.jsonl")
    header, *rounds = (json.loads(line) for line in first.read_text().splitlines())
    first.write_bytes(sealed_run([{**header, "engine_version": 1}, *rounds]))
    second = first.with_name("supervised-seed0.2.jsonl")
    if own == "damaged":
        shutil.copy(first, second)
        first.write_bytes(b"{}\n" + first.read_bytes())
    before = first.read_bytes()
    for _ in range(2):  # the second time it is done
        assert command(user, published, *asked, "30", "40") == 0
        assert first.read_bytes() == before
    copy = second.with_name("supervised-seed0.3.jsonl") if own == "damaged" else second
    assert own_runs(user) == {first.name, second.name, copy.name}
    public = published / copy.relative_to(user / "results").with_name(first.name)
    assert copy.read_bytes().startswith(public.read_bytes())
    assert json.loads(copy.read_bytes().splitlines()[-1])["num_labelled"] == 40


def test_fresh_recomputes_beside_the_published_runs(
    user: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--strategies", "random", "--fresh", "--seeds", "0")
    for attempt in (2, 3):
        assert command(user, published, *asked) == 0
        assert f"supervised-seed0.{attempt}.jsonl" in own_runs(user)
    assert own_runs(user) == {"supervised-seed0.2.jsonl", "supervised-seed0.3.jsonl"}
    with patch("benchmark.campaign.tasks.RunFile.append_round", side_effect=KeyboardInterrupt):
        assert command(user, published, *asked, "1") == 3
    assert command(user, published, *asked, "1") == 0  # attempt 3 goes on
    assert own_runs(user) == {f"supervised-seed{run}.jsonl" for run in ("0.2", "0.3", "1.3")}
    capsys.readouterr()
    assert command(user, published, "--strategies", "random", "--seeds", "0", report=True) == 0
    said = capsys.readouterr().out
    assert "1 of 1 runs are in" in said
    assert "random: your own run is shown, not the published one, seed 0." in said


def test_fresh_does_not_join_a_published_attempt(user: Path, published: Path) -> None:
    """The published attempt 2 has one of two seeds; one's own first attempt is not its other half."""
    (path,) = published.glob("*/runs/random/supervised-seed0.jsonl")
    shutil.copy(path, path.with_name("supervised-seed0.2.jsonl"))
    assert command(user, published, "--strategies", "random", "--fresh") == 0
    assert own_runs(user) == {"supervised-seed0.3.jsonl", "supervised-seed1.3.jsonl"}


def test_fresh_does_not_count_a_published_attempt_as_recomputed(user: Path, published: Path) -> None:
    """One's own attempt 2 of margin is unfinished, and there is a published attempt 2 of random."""
    (path,) = published.glob("*/runs/random/supervised-seed0.jsonl")
    shutil.copy(path, path.with_name("supervised-seed0.2.jsonl"))
    with patch("benchmark.campaign.tasks.RunFile.append_round", side_effect=KeyboardInterrupt):
        assert command(user, published, "--strategies", "margin", "--seeds", "0", "--fresh") == 3
    assert command(user, published, "--strategies", "random", "margin", "--seeds", "0", "--fresh") == 0
    found = {str(path.relative_to(path.parents[1])) for path in experiment(user).rglob("*.jsonl")}
    assert found == {
        f"{run}.jsonl"
        for run in (
            "margin/supervised-seed0.2",
            *(f"{strategy}/supervised-seed0.3" for strategy in ("margin", "random")),
        )
    }


def test_other_settings_are_another_experiment(user: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(published.glob("*/experiment.json")).parent.name
    changed = ("--set", "recipe.learning_rate=0.05", "--strategies", "random", "--seeds", "0")
    assert command(user, published, *changed) == 0
    assert experiment(user).name != name
    capsys.readouterr()
    before = tree(user)
    assert command(user, published, *changed, "--name", name) == 2
    said = capsys.readouterr().err
    assert f"{published / name} holds lines of another fingerprint" in said
    assert said.endswith("choose another --name\n")
    assert tree(user) == before


def test_published_results_are_written_only_where_they_are_named(published: Path, user: Path) -> None:
    fresh = ("--strategies", "random", "--seeds", "0", "--fresh", "--results-dir", str(published))
    for below in ((), ("--published", str(published))):
        assert bench(user, *fresh, *below) == 0
    assert not (user / "results").exists()
    found = {path.name for path in published.rglob("supervised-seed0*.jsonl") if path.parent.name == "random"}
    assert found == {f"supervised-seed0{attempt}.jsonl" for attempt in ("", ".2", ".3")}


def nowhere_to_write(user: Path) -> tuple[str, ...]:
    (user / "file").write_text("")
    return "--results-dir", str(user / "file" / "results"), "--cache-dir", str(user / "file" / "cache")


def test_where_nothing_can_be_written_the_table_is_shown(
    user: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = nowhere_to_write(user)
    assert command(user, published, *places, report=True) == 0
    said = capsys.readouterr()
    assert "margin" in said.out
    assert "vs. random" in said.out
    assert [line for line in said.out.splitlines() if "nothing was written" in line] == said.out.splitlines()[-1:]
    assert said.err == ""

    name = next(published.glob("*/experiment.json")).parent.name
    before = tree(published)
    assert run_benchmark.main(["--report", name, "--published", str(published), *places[:2]]) == 1
    assert tree(published) == before
    said = capsys.readouterr()
    assert "vs. random" in said.out
    assert "nothing was written: " in said.out.splitlines()[-1]


def test_what_has_to_be_computed_needs_a_place(user: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(user, published, *nowhere_to_write(user), "--seeds", "0", "5", report=True) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: cannot write to {user}/file/results (")
    assert said.err.count("\n") == 1
    assert "accuracy" not in said.out


def test_a_read_only_disk(user: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the system reports it; permissions do not bind every user that runs the tests."""
    error = OSError(errno.EROFS, "Read-only file system", "results")
    with patch("benchmark.results.store.write_atomically", side_effect=error):
        assert command(user, published, report=True) == 0
    assert capsys.readouterr().out.endswith("nothing was written: [Errno 30] Read-only file system: 'results'\n")


def test_the_other_commands_take_names_and_folders_of_either_layer(
    user: Path, published: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(published.glob("*/experiment.json")).parent.name
    root, public = user / "results" / name, published / name
    monkeypatch.chdir(user)
    for given in (str(public), name, f"../published/{name}"):
        assert other(user, published, "--report", given) == 0
        assert capsys.readouterr().out.endswith(f"tables and figures are in {root}\n")
        assert (root / "tables" / "accuracy.md").read_bytes() == (public / "tables" / "accuracy.md").read_bytes()
        shutil.rmtree(root)

    assert command(user, published, "--strategies", "margin", "--seeds", "0", "1", "--fresh") == 0
    changed = ("--set", "recipe.learning_rate=0.05", "--name", "changed")
    assert command(user, published, *changed) == 0
    capsys.readouterr()
    assert other(user, published, "--compare", str(public), name) == 0
    said = capsys.readouterr().out
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("  margin")] == [["margin", "2"]]
    assert "only: random." in " ".join(said.split())  # it is published, and there is no other run to compare it with
    for first in (name, str(public), str(root)):
        assert other(user, published, "--compare", first, "changed") == 0
        said = capsys.readouterr().out
        assert "random" in said
        assert "recipe.learning_rate" in said

    verify = ("--device", "cpu", "--workers", "1", "--sample", "1", "--strategies", "random")
    for given in (name, str(public), str(root)):
        assert other(user, published, "--verify", given, *verify) == 0
        assert "the same bits" in capsys.readouterr().out
    assert other(user, published, "--report", "nothing") == 2
    assert (
        capsys.readouterr().err
        == "error: there is no folder nothing, and no experiment of that name among the results\n"
    )
