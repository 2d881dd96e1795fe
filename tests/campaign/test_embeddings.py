"""Runs on a user's own embeddings, and what does not go together with them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from support.tiny import SCORES, bench, plugin, run_lines
from support.trees import PLAIN, own

LINEAR = ("--model", "linear", "--set", *PLAIN, "--seeds", "0")


def test_a_users_embeddings_run_with_strategies_of_every_kind(tmp_path: Path) -> None:
    kinds = (
        "random",
        "margin",
        "bald",
        "badge",
        "coreset",
        "typiclust",
        "laplace-bald",
        "dropquery",
        "uherding",
        "qbc",
    )
    arguments = ("--dataset", str(own(tmp_path)), *LINEAR, "--budgets", "5", "10", "20", "--strategies", *kinds)
    assert bench(tmp_path, *arguments) == 0
    runs = run_lines(tmp_path)
    assert len(runs) == len(kinds)
    for header, *rounds in runs.values():
        assert [line["num_labelled"] for line in rounds] == [5, 10, 20]
        assert rounds[-1]["accuracy"] > 0.8
        assert header["feature_seed"] is None


def test_without_a_model_embeddings_get_the_linear_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from run_benchmark import main

    monkeypatch.chdir(tmp_path)
    own(tmp_path)
    places = [f"--{place}-dir={tmp_path / place}" for place in ("data", "results", "cache")]
    words = ["--dataset", "trees.npz", "--strategies", "random", "--seeds", "0", "--workers", "1", *places]
    assert main([*words, "--budgets", "4", "8"]) == 0
    (header, *_), *_ = [
        [line] for path in (tmp_path / "results").glob("*/experiment.json") for line in [path.read_text()]
    ]
    assert '"linear"' in header
    told = capsys.readouterr().out
    assert "query 0.0 s; about " in told
    assert "images/s" not in told  # there are no steps to count


def test_the_command_on_the_page_finds_what_ran_and_the_page_tells_nothing_of_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from run_benchmark import main

    monkeypatch.chdir(tmp_path)
    own(tmp_path)
    mine = plugin(tmp_path, SCORES)
    places = [f"--{place}-dir={tmp_path / place}" for place in ("data", "cache")]
    where = [*places, "--results-dir", "out", "--published", str(tmp_path / "data"), "--workers", "1"]
    (tmp_path / "data").mkdir()
    given = ["--dataset", "trees.npz", "--strategies", "random", mine, "--seeds", "0", "1", "--budgets", "4", "8"]
    assert main([*given, "--set", "label_noise=0.1", *where]) == 0
    (page,) = tmp_path.glob("out/*/README.md")
    text = page.read_text(encoding="utf-8")
    assert "CIFAR" not in text
    assert "components" not in text
    command, report = (shlex.split(line) for line in text.splitlines() if line.startswith("python run_benchmark.py"))
    assert f"path/to/{mine.rpartition('/')[2]}" in text
    capsys.readouterr()
    again = [mine if word == "mine:Mine" else word for word in command[2:]]
    assert main([*again, *where]) == 0
    assert f"4 of 4 runs are in out/{page.parent.name} already" in capsys.readouterr().out
    assert main(report[2:]) == 0
    assert main(["--protocol", "out/nothing/experiment.json", *where]) == 2
    assert "--protocol takes a name, a .toml file, or an experiment.json, which" in capsys.readouterr().err


def test_the_same_bits_again_and_with_two_workers(tmp_path: Path) -> None:
    arguments = ("--dataset", str(own(tmp_path)), *LINEAR, "--budgets", "5", "10", "20", "--strategies")
    found = []
    for folder, workers in (("a", "1"), ("b", "2")):
        (tmp_path / folder).mkdir()
        assert bench(tmp_path / folder, *arguments, "margin", "bald", "badge", "--workers", workers) == 0
        lines = run_lines(tmp_path / folder)
        found.append(
            {run: [(r["accuracy"], r["nll"], r["acquired_indices"]) for r in rest] for run, (_, *rest) in lines.items()}
        )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "cnn"), "'trees' has embeddings, and model 'cnn' takes images: choose --model linear or mlp"),
        (
            ("--model", "linear", "--learner", "fixmatch", "--set", *PLAIN),
            "learner 'fixmatch' learns from augmented views of images",
        ),
        (
            ("--model", "linear", "--set", *PLAIN, "warm_start=true"),
            "model 'linear' is solved, whatever it starts from",
        ),
        (
            ("--model", "linear", "--set", *PLAIN, "recipe.learning_rate=0.3"),
            "recipe.learning_rate has no effect: model 'linear' is solved, not trained; leave it out, or choose",
        ),
        (
            ("--model", "mlp", "--set", "recipe.augmentation=flip-crop"),
            "classifies embeddings, and the protocol trains on augmented images: choose another --model, or embed them",
        ),
        (
            ("--model", "linear", "--strategies", "learning-loss", "--set", *PLAIN),
            "it trains a module along with the network",
        ),
        (
            ("--model", "mlp", "--strategies", "qbc", "--set", *PLAIN),
            "it fits the last layer many times, and model 'mlp' is trained in steps (use --model linear",
        ),
        (("--model", "linear", "--set", "embedding=efficientnet-lite0", "image_size=64"), "image_size is of images"),
        (("--model", "linear", "--set", *PLAIN, "embedding=dino"), "not by 'dino'"),
        (("--model", "linear", "--set", *PLAIN, "embedding=simclr[size=3]"), "it has width, steps and pca"),
        (("--model", "linear", "--set", *PLAIN, "embedding=simclr[steps=1"), "embedding: "),
        (("--model", "linear", "--set", *PLAIN, "embedding=simclr[steps=1]"), "has embeddings already"),
        (("--model", "cnn", "--set", "embedding=efficientnet-lite0"), "takes images, and the protocol has embeddings"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    path = own(tmp_path)
    assert bench(tmp_path, "--dataset", str(path), "--seeds", "0", "--budgets", "5", "10", *arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_heads_refuse_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, *LINEAR) == 2
    assert (
        "'digits' has images, and model 'linear' takes embeddings: choose another --model, or embed them"
        in capsys.readouterr().err
    )


def test_a_perceptron_trains_and_drops_units_out(tmp_path: Path) -> None:
    arguments = ("--dataset", str(own(tmp_path)), "--model", "mlp[width=16]", "--seeds", "0", "--budgets", "5", "20")
    steps = ("--set", *PLAIN, "recipe.min_steps=60", "recipe.batch_size=8")
    tuned = ("learning-loss", "semi-supervised-learning-loss")
    assert bench(tmp_path, *arguments, "--strategies", "bald", *tuned, *steps) == 0
    assert all(rounds[-1]["accuracy"] > 0.6 for _, *rounds in run_lines(tmp_path).values())


def test_fields_that_are_set_one_by_one_all_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--dataset", str(own(tmp_path)), "--model", "linear", "--seeds", "0", "--budgets", "5", "10")
    words = [word for field in (*PLAIN, "embedding=given[pca=3]", "initial=strategy") for word in ("--set", field)]
    assert bench(tmp_path, *arguments, "--strategies", "random", "--strategies", "margin", *words) == 0
    assert len(run_lines(tmp_path)) == 2
    (described,) = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("*/experiment.json")]
    protocol = described["protocol"]
    assert (protocol["embedding"], protocol["initial"]) == ("given[pca=3]", "strategy")
    assert bench(tmp_path, *arguments, *words, "--set", "initial=random") == 2
    assert capsys.readouterr().err == "error: --set gives 'initial' twice: leave one out\n"


@pytest.mark.parametrize("shared", [0, 7])
def test_test_examples_that_are_training_examples_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared: int
) -> None:
    path = own(tmp_path)
    arrays = dict(np.load(path))
    arrays["x_test"][:shared] = arrays["x_train"][3 : 3 + shared]
    np.savez(path, **arrays)
    for _ in range(2):  # read, and known
        arguments = ("--dataset", str(path), *LINEAR, "--budgets", "5", "10", "--strategies", "random", "--fresh")
        assert bench(tmp_path, *arguments) == 0
        said = "7 test examples equal a training example: accuracies are too high"
        assert (said in capsys.readouterr().out) == bool(shared)
