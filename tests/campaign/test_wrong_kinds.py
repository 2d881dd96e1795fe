"""What is mistyped, or of another kind than belongs there, is told what is meant and where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.mistakes import images, mistake
from support.tiny import PROTOCOL, SCORES, plugin

import run_benchmark


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        ("--device cdua", "unknown device 'cdua': did you mean cuda?"),
        ("--executor rya", "invalid choice: 'rya': did you mean ray? (choose from local, ray)"),
        ("--learner fixmtach", "unknown learner 'fixmtach': did you mean fixmatch? (known: "),
        ("--set embedding=simcrl", "not by 'simcrl': did you mean simclr?"),
        ("--set embedding=torchvison:A", "not by 'torchvison:A': did you mean torchvision?"),
        ("--set embedding=simclr[widht=3]", "whole numbers, not widht=3: did you mean width?"),
        ("--set embedding=given[pac=3]", "not pac=3: did you mean pca?"),
        ("--strategies bald[preset=author]", "has no preset 'author': did you mean authors? (it has: authors)"),
        ("--strategies random,margin", "unknown strategy 'random,margin': write names apart, as in random margin (--"),
        ("--strategies bald[samples=9],margin", "but ',margin' does: write a space between names"),
        ("--learner supervised,fixmatch", "'supervised,fixmatch': write names apart, as in supervised fixmatch"),
        ("--seeds 0-2", "argument --seeds: '0-2' is not a whole number: write --seeds 0 1 2; --help shows the usage"),
        ("--seeds 0..4", "write --seeds 0 1 2 3 4;"),
        ("--seeds 0,1,2", "write --seeds 0 1 2;"),
        ("--seeds 0-99", "write --seeds $(seq 0 99);"),
        ("--budgets 20,40", "write --budgets 20 40;"),
        ("--budgets 1,000", "write --budgets 1000;"),
        ("--budgets 20-100", "write each label count, as in --budgets 20 40 60 80 100;"),
    ],
)
def test_a_mistake_has_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, way_out: str
) -> None:
    assert way_out in mistake(tmp_path, capsys, *arguments.split())


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a file or folder of every kind in it."""
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path, SCORES)
    labels = np.arange(60) % 2
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    for name, x in (("emb.npz", pixels.reshape(60, -1).astype(np.float32)), ("images.npz", pixels)):
        np.savez(tmp_path / name, x_train=x[:40], y_train=labels[:40], x_test=x[40:], y_test=labels[40:])
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    images(tmp_path / "photos", 8)
    (tmp_path / "done" / "old" / "runs" / "margin").mkdir(parents=True)
    (tmp_path / "done" / "old" / "experiment.json").write_text("{}")
    (tmp_path / "done" / "old" / "runs" / "margin" / "supervised-seed0.jsonl").write_text("")
    return tmp_path


OF_OLD = "--report takes done/old, and --protocol done/old/experiment.json"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--dataset mine.py", "mine.py is a Python file, not a data set: name a class in it with --strategies, "),
        ("--dataset done/old", f"done/old is the folder of an experiment, not a data set: {OF_OLD}"),
        ("--dataset done", "done is a folder of experiments, not a data set: name one of them, such as done/old"),
        ("--dataset notes.txt", "notes.txt is a file, not a data set"),
        ("--dataset tiny.toml", "tiny.toml is the file of a protocol, not a data set: write --protocol tiny.toml"),
        ("--strategies emb.npz", "'emb.npz' is a file, not a strategy: data are for --dataset, code is named as mine"),
        ("--strategies photos", "'photos' is a folder, not a strategy: data are for --dataset"),
        ("--learner mine.py", "mine.py is a Python file, not a learner: name a class in it"),
        ("--learner mine.py:Mine", "learner 'mine.py:Mine': mine.py has no Learner class 'Mine', which is a ScoreStra"),
        ("--model emb.npz", "emb.npz is a file of data, not a model: write --dataset emb.npz"),
        ("--set embedding=emb.npz", "emb.npz is a file of data, not an embedding: write --dataset emb.npz"),
        ("--protocol done/old", f"done/old is the folder of an experiment, not a protocol: {OF_OLD}"),
        ("--protocol mine.py", "mine.py is a Python file, not a protocol: name a class in it"),
        ("--protocol none.toml", "--protocol: there is no file none.toml"),
        ("--report emb.npz", "emb.npz is a file of data, not an experiment: write --dataset emb.npz"),
        ("--report mine.py", "mine.py is a Python file, not an experiment: "),
        ("--report photos", "photos is a folder, not an experiment: --dataset takes one of images"),
        ("--report done", "done is a folder of experiments, not an experiment: name one of them, such as done/old"),
        ("--report done/old/experiment.json", "done/old/experiment.json is a file of the experiment old, not an exp"),
        ("--compare notes.txt done/old", "notes.txt is a file, not an experiment"),
        ("--report done/old/runs", f"done/old/runs is a folder of the experiment old, not an experiment: {OF_OLD}"),
        ("--replay done/old/experiment.json", "--replay: done/old/experiment.json is a file of the experiment old, n"),
        (
            "--verify done/old/runs/margin/supervised-seed0.jsonl",
            "done/old/runs/margin/supervised-seed0.jsonl is a file of the experiment old, not an experiment: --report",
        ),
        ("emb.npz", "emb.npz is a file of data, not an option: write --dataset emb.npz; --help shows the usage"),
        ("--dataset emb.npz", "'emb' has embeddings, and model 'cnn' takes images: choose --model linear or mlp"),
        (
            "--dataset images.npz --model linear",
            "model 'linear' classifies embeddings, and the protocol trains on augmented images: choose another",
        ),
        (
            "--dataset images.npz --model linear --set recipe.augmentation=none",
            "'images' has images, and model 'linear' takes embeddings: choose another --model, or embed them: ",
        ),
    ],
)
def test_what_is_of_another_kind_is_told_where_it_belongs(
    things: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    budgets = ("--budgets", "2", "4") if "npz --model" in arguments or arguments.startswith("--dataset emb") else ()
    assert mistake(things, capsys, *arguments.split(), *budgets).startswith(f"error: {message}")


def test_the_doctor_is_told_so_too(things: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_benchmark.main(["--doctor", "emb.npz"]) == 2
    assert "emb.npz is a file of data, not an experiment: write --dataset emb.npz" in capsys.readouterr().err


def test_a_name_of_an_experiment_that_there_is_not_is_near_another(
    things: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (things / "done" / "mnist").mkdir()
    (things / "done" / "mnist" / "experiment.json").write_text("{}")
    assert run_benchmark.main(["--report", "minst", "--results-dir", "done"]) == 2
    assert "no experiment of that name among the results: did you mean mnist?" in capsys.readouterr().err
