"""Replays between images and embeddings of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.replays import experiments, replay, rounds, tiny_of
from support.tiny import PROTOCOL, bench

from benchmark.loop.replay import ACCURACY
from benchmark.results.store import read_experiment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with runs of two strategies on the tiny protocol."""
    assert bench(tmp_path, "--strategies", "random", "margin") == 0
    return tmp_path


EMBEDDED = PROTOCOL.split("[model]")[0] + 'embedding = "simclr[width=8,steps=2]"\n\n[model]\nname = "linear"\n'
EMBEDDED += '\n[recipe]\nmin_steps = 1\nprecision = "float32"\n'


@pytest.fixture
def of_embeddings(tmp_path: Path) -> Path:
    """A folder with two protocols on the same images, ``tiny`` and ``embedded``, and runs of the latter."""
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    (tmp_path / "embedded.toml").write_text(EMBEDDED)
    assert bench(tmp_path, "--protocol", str(tmp_path / "embedded.toml"), "--name", "embedded") == 0
    return tmp_path


def check_replayed(folder: Path, source: str, model: str) -> None:
    (root,) = [found for found in experiments(folder) if found.name != source]
    before, after = rounds(folder / "results" / source), rounds(root)
    assert before.keys() == after.keys()
    for key, theirs in before.items():
        assert [r.num_labelled for r in after[key]] == [10, 20, 30]
        assert [r.acquired_indices for r in after[key]] == [r.acquired_indices for r in theirs]
        assert [r.diagnostics[ACCURACY] for r in after[key]] == [r.accuracy for r in theirs]
        assert [r.nll for r in after[key]] != [r.nll for r in theirs]
    assert read_experiment(root).protocol["model"]["name"] == model


@pytest.mark.parametrize("by", ["protocol", "fields"])
def test_labels_that_a_head_acquired_train_a_network_on_the_images(of_embeddings: Path, by: str) -> None:
    fields = ("--model", "cnn[width=4,hidden=16]", "--set", "embedding=", "recipe.min_steps=5", "recipe.batch_size=8")
    named = ("--protocol", str(of_embeddings / "tiny.toml"))
    assert replay(of_embeddings, *(named if by == "protocol" else fields), given="embedded") == 0
    check_replayed(of_embeddings, "embedded", "cnn")


@pytest.mark.parametrize("by", ["protocol", "fields"])
def test_labels_that_a_network_acquired_fit_a_head_on_embeddings(folder: Path, by: str) -> None:
    own = tiny_of(folder)
    (folder / "embedded.toml").write_text(EMBEDDED)
    fields = ("--model", "linear", "--set", "embedding=simclr[width=8,steps=2]", "recipe.augmentation=none")
    named = ("--protocol", str(folder / "embedded.toml"))
    assert replay(folder, *(named if by == "protocol" else fields), given=own) == 0
    check_replayed(folder, own.name, "linear")


def test_a_users_own_images_and_embeddings_of_them_are_one_data_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (90, 8, 8), np.uint8), np.arange(90) % 3
    np.savez(tmp_path / "own.npz", x_train=pixels[:60], y_train=labels[:60], x_test=pixels[60:], y_test=labels[60:])
    (tmp_path / "tiny.toml").write_text(PROTOCOL.replace('"digits"', f'"{tmp_path}/own.npz"'))
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0") == 0
    own = tiny_of(tmp_path)
    fields = ("--model", "linear", "--set", "embedding=simclr[width=8,steps=2]", "recipe.augmentation=none")
    assert replay(tmp_path, *fields, given=own) == 0
    check_replayed(tmp_path, own.name, "linear")


def test_a_protocol_on_other_images_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (90, 8, 8), np.uint8), np.arange(90) % 10
    np.savez(folder / "other.npz", x_train=pixels[:60], y_train=labels[:60], x_test=pixels[60:], y_test=labels[60:])
    (folder / "other.toml").write_text(PROTOCOL.replace('"digits"', f'"{folder}/other.npz"'))
    assert replay(folder, "--protocol", str(folder / "other.toml"), given=tiny_of(folder)) == 2
    assert "is not the data whose labels" in capsys.readouterr().err


def test_indices_of_a_long_tail_are_not_those_of_the_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(folder, "--set", "imbalance=10", given=tiny_of(folder)) == 2
    assert "are of imbalance=1.0: leave out imbalance=10" in capsys.readouterr().err
