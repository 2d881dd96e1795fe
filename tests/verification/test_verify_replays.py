"""Verifying replays: what is computed again trains on the lists of the source, and chooses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.replays import experiments, replay, tiny_of
from support.tiny import bench

OTHERWISE = ("--model", "cnn[width=5]", "--set", "recipe.min_steps=9")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    assert bench(folder, "--strategies", "random", "margin", "learning-loss", "--seeds", "0") == 0
    return folder


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "user"))


def verified(folder: Path, *arguments: str) -> int:
    (root,) = experiments(folder)
    return bench(folder, "--verify", str(root), "--sample", "9", *arguments)


@pytest.mark.parametrize("counts", [(), ("20", "30"), ("30",)])
@pytest.mark.parametrize("whole", [True, False])
def test_a_replay_has_the_same_bits_again(
    folder: Path, counts: tuple[str, ...], whole: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """By another network and recipe, whose own choices would be others; at all label counts of the source or some."""
    chosen = ("--budgets", *counts) if counts else ()
    assert replay(folder, *OTHERWISE, *chosen, given=tiny_of(folder)) == 0
    capsys.readouterr()
    assert verified(folder, *(() if whole else ("--budgets", "30"))) == 0
    assert capsys.readouterr().out.count("the same bits") >= 3


@pytest.mark.parametrize("arguments", [(), ("--budgets", "30")])
def test_so_has_a_replay_of_a_file(
    folder: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(folder, "--report", str(tiny_of(folder)), "--export-indices", str(folder / "lists")) == 0
    (lists,) = (folder / "lists").glob("*.csv")
    how = ("--protocol", str(folder / "tiny.toml"), "--budgets", "20", "30")
    assert replay(folder, *how, given=lists) == 0
    capsys.readouterr()
    assert verified(folder, *arguments) == 0
    assert capsys.readouterr().out.count("the same bits") >= 3


def test_without_its_source_a_replay_is_left_out_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(folder, *OTHERWISE, given=tiny_of(folder)) == 0
    name = tiny_of(folder).name
    shutil.rmtree(tiny_of(folder))
    assert verified(folder) == 2
    said = capsys.readouterr()
    assert f"random, seed 0: {name}, which it replays, is neither beside it nor among the results" in said.out
    assert "none of its runs can be computed again here" in said.err
