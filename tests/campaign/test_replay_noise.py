"""Replays of wrong labels: those that were acquired, not the true ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.replays import experiments, replay, tiny_of
from support.tiny import bench

import run_benchmark
from benchmark.data.datasets import load
from benchmark.results.store import read_experiment


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noisy")
    wrong = ("--set", "label_noise=0.5", "--name", "tiny-noisy")
    assert bench(folder, "--strategies", "random", "--seeds", "0", "1", *wrong) == 0
    return folder


def labels_of(root: Path) -> dict[int, int]:
    """The labels that the runs of an experiment have trained on, by seed and index."""
    found = {}
    for run in read_experiment(root).runs:
        for part in (run.header.initial, *run.rounds):
            keys = [1000 * run.key.seed + index for index in part.acquired_indices]
            found |= dict(zip(keys, part.acquired_labels, strict=True))
    return found


@pytest.mark.parametrize("other", [(), ("--protocol", "digits")])
def test_wrong_labels_are_replayed_as_they_were_acquired(
    noisy: Path, tmp_path: Path, other: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(noisy, tmp_path / "user"))
    asked = (*other, "--budgets", "10", "20", "--set", "recipe.min_steps=6")
    assert replay(folder, *asked, given=tiny_of(folder)) == 0
    found, acquired = labels_of(*experiments(folder)), labels_of(tiny_of(folder))
    truth = load("digits").train_labels
    assert found.items() <= acquired.items()
    assert any(label != int(truth[key % 1000]) for key, label in found.items())
    assert replay(folder, *asked, "label_noise=0.1", given=tiny_of(folder)) == 2
    assert "acquired are of label_noise=0.5: leave out label_noise=0.1" in capsys.readouterr().err


def test_an_export_of_wrong_labels_is_replayed_with_their_noise(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export,) = exported(noisy, tmp_path)
    assert replay(tmp_path, "--protocol", "digits", given=export) == 2
    assert "with --set label_noise=… where labels were wrong" in capsys.readouterr().err
    asked = ("--protocol", "digits", "--budgets", "10", "20", "--set", "recipe.min_steps=6", "label_noise=0.5")
    assert replay(tmp_path, *asked, given=export) == 0
    assert labels_of(*experiments(tmp_path)).items() <= labels_of(tiny_of(noisy)).items()


def exported(folder: Path, where: Path) -> list[Path]:
    assert run_benchmark.main(["--report", str(tiny_of(folder)), "--export-indices", str(where / "export")]) == 0
    return list((where / "export").glob("*.csv"))
