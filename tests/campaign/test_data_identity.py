"""Runs belong to the data that were asked for, by content: what pairs, what is refused, what is never continued."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.published_data import NAME, publish, write_copy
from support.tiny import SCORES, bench, experiment, plugin, run_lines

from benchmark.data import datasets

ONE_SEED = ("--seeds", "0")
FEW = "data that differ from the published made in 3 of 1,200 training images and 1 of 400 test images"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published data set."""
    path = write_copy(tmp_path / "original")
    publish(monkeypatch, path)
    return path


@pytest.fixture
def near(tmp_path: Path) -> Path:
    """A copy of which as many images differ as may."""
    return write_copy(tmp_path / "near", train=3, test=1)


def header(folder: Path, run: str) -> dict[str, Any]:
    line = (experiment(folder) / "runs" / run).read_text().splitlines()[0]
    return dict(json.loads(line)["dataset"])


def test_a_copy_that_differs_in_few_images_is_compared_with_the_published_runs(
    tmp_path: Path, made: Path, near: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--dataset", str(made), "--strategies", "random", *ONE_SEED, report=True) == 0
    assert "data that differ" not in capsys.readouterr().out
    both = ("--strategies", "random", plugin(tmp_path, SCORES))
    assert bench(tmp_path, "--dataset", str(near), *both, *ONE_SEED, report=True) == 0
    said = " ".join(capsys.readouterr().out.split())
    (mine,) = {path.parent.name for path in (experiment(tmp_path) / "runs").glob("*/*.jsonl")} - {"random"}
    assert "1 of 2 runs are in" in said
    assert re.search(rf"On {FEW}: \S*:Mine \(seed 0\)\.", said)
    root = experiment(tmp_path)
    for page in ("README.md", "index.html", "tables/summary.md", "tables/summary.tex", "tables/accuracy.md"):
        assert "data that differ from the published made in 3 of" in (root / page).read_text(), page
    assert header(tmp_path, "random/supervised-seed0.jsonl")["differing"] == {
        "train_images": 0, "train_size": 1200, "test_images": 0, "test_size": 400,
    }  # fmt: skip
    assert header(tmp_path, f"{mine}/supervised-seed0.jsonl")["differing"] == {
        "train_images": 3, "train_size": 1200, "test_images": 1, "test_size": 400,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": 4}, "4 of 1,200 training images"),
        ({"test": 2}, "2 of 400 test images"),
        ({"train": 700, "test": 300}, "700 of 1,200 training images and 300 of 400 test images"),
        ({"labels": 1}, "1 label"),
        ({"size": 1196}, "the number of images: 1,196 + 400 instead of 1,200 + 400"),
    ],
)
def test_any_other_copy_is_refused_with_what_differs_and_what_to_do(
    tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, int], said: str
) -> None:
    own = write_copy(tmp_path / "own", **changes)
    assert bench(tmp_path, "--dataset", str(own), *ONE_SEED) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: 'made' is not the published data set of that name: it differs in {said}; put the")
    assert "save yours under another name" in error
    assert not list(tmp_path.glob("results/*/runs"))
    shutil.copy(own, tmp_path / "mine.npz")
    assert bench(tmp_path, "--dataset", str(tmp_path / "mine.npz"), *ONE_SEED) == 0


def test_a_run_is_not_continued_on_another_copy(
    tmp_path: Path, made: Path, near: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shorter = ("--strategies", "random", *ONE_SEED, "--budgets", "10", "20")
    longer = ("--strategies", "random", *ONE_SEED)
    assert bench(tmp_path, "--dataset", str(made), *shorter) == 0
    assert bench(tmp_path, "--dataset", str(near), *shorter) == 0  # done: a finished run counts on either
    before = run_lines(tmp_path)
    assert list(before) == ["random/supervised-seed0.jsonl"]
    capsys.readouterr()
    assert bench(tmp_path, "--dataset", str(near), *longer) == 0
    assert "random, seed 0: started on another copy of the data; recomputed as attempt 2" in capsys.readouterr().out
    after = run_lines(tmp_path)
    assert after["random/supervised-seed0.jsonl"] == before["random/supervised-seed0.jsonl"]
    assert len(after["random/supervised-seed0.2.jsonl"]) == 4
    assert bench(tmp_path, "--dataset", str(made), *longer) == 0
    assert run_lines(tmp_path) == after


def test_the_copies_share_no_round0(tmp_path: Path, made: Path, near: Path) -> None:
    """The first round that runs share is that of their own copy, to the bit."""
    assert bench(tmp_path, "--dataset", str(made), "--strategies", "random", *ONE_SEED) == 0
    assert bench(tmp_path, "--dataset", str(near), "--strategies", "margin", *ONE_SEED) == 0
    alone = tmp_path / "alone"
    alone.mkdir()
    assert bench(alone, "--dataset", str(near), "--strategies", "margin", *ONE_SEED) == 0
    assert run_lines(alone)["margin/supervised-seed0.jsonl"] == run_lines(tmp_path)["margin/supervised-seed0.jsonl"]
    assert len(list((tmp_path / "cache" / "round0").glob("*.pt"))) == 2


def test_verify_on_a_copy_that_pairs_promises_no_bits(
    tmp_path: Path, made: Path, near: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--dataset", str(made), *ONE_SEED, "--strategies", "random") == 0
    root = str(experiment(tmp_path))
    write_copy(made.parent, train=3, test=1)
    bench(tmp_path, "--verify", root)
    said = " ".join(capsys.readouterr().out.split())
    assert f"Here: on {FEW}." in said
    assert "The same bits are not promised for runs on another copy of the data." in said
    assert "differs, where the same bits are promised" not in said
    write_copy(made.parent, train=5)
    assert bench(tmp_path, "--verify", root) == 2
    assert "it differs in 5 of 1,200 training images" in capsys.readouterr().err


def test_compare_says_which_side_is_on_a_copy(
    tmp_path: Path, made: Path, near: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, path in (("one", made), ("two", near)):
        assert bench(tmp_path, "--dataset", str(path), "--name", name, *ONE_SEED) == 0
    capsys.readouterr()
    assert bench(tmp_path, "--compare", *(str(tmp_path / "results" / name) for name in ("one", "two"))) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"two: On {FEW}: all runs." in said
    assert "one: On data" not in said


def images(folder: Path, shade: int = 0) -> None:
    from PIL import Image

    rng = np.random.default_rng(3)
    for name in ("cat", "dog"):
        for number in range(30):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 250, (8, 8), dtype=np.uint8) + np.uint8(shade)).save(path)


def test_no_lines_are_shown_for_a_folder_that_is_gone_or_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although all runs are on disk."""
    images(tmp_path / "photos")
    command = ("--dataset", str(tmp_path / "photos"), "--budgets", "10", "20", *ONE_SEED)
    assert bench(tmp_path, *command) == 0
    assert bench(tmp_path, *command) == 0
    before = run_lines(tmp_path)
    capsys.readouterr()
    images(tmp_path / "photos", shade=1)
    assert bench(tmp_path, *command) == 2
    assert "is not the data that the runs in" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "photos")
    assert bench(tmp_path, *command) == 2
    assert "unknown dataset" in capsys.readouterr().err
    images(tmp_path / "photos")
    assert bench(tmp_path, *command) == 0
    assert run_lines(tmp_path) == before


def test_nothing_is_decoded_where_all_runs_are_there_and_no_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path / "photos")
    command = ("--dataset", str(tmp_path / "photos"), "--budgets", "10", "20", *ONE_SEED)
    assert bench(tmp_path, *command) == 0

    def decoded(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(datasets, "load", decoded)
    assert bench(tmp_path, *command) == 0
    (tmp_path / "photos" / "cat" / "7.png").touch()
    with pytest.raises(AssertionError, match="decoded"):
        bench(tmp_path, *command)


def test_published_runs_of_a_known_data_set_are_shown_without_its_files_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(datasets._KNOWN, NAME, datasets._Known("made up", ()))
    path = write_copy(tmp_path / "data")
    publish(monkeypatch, path)
    command = ("--dataset", NAME, *ONE_SEED)
    assert bench(tmp_path, *command) == 0
    path.unlink()
    monkeypatch.setattr(datasets, "torchvision_files", lambda name, data_dir: [])
    capsys.readouterr()
    assert bench(tmp_path, *command) == 0
    assert f"'{NAME}' is not in {tmp_path / 'data'}: runs are shown as recorded" in capsys.readouterr().out


def test_another_machine_shares_no_round0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one cache: what a header says of its environment is true of its first round, too."""
    for capability in ("one", "other"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda name=capability: name)
        (tmp_path / capability).mkdir()
        cache = ("--cache-dir", str(tmp_path / "cache"), "--strategies", "margin", *ONE_SEED)
        assert bench(tmp_path / capability, *cache) == 0
        assert "shared" not in capsys.readouterr().out
    assert len(list((tmp_path / "cache" / "round0").glob("*.pt"))) == 2
