"""The scripts in tools/: recipe search, rank agreement, profile of a run."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import torch

from benchmark.experiment import load
from benchmark.reports.statistics.agreement import compare
from benchmark.training.operations import of_model

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_search_judges_on_training_images_and_computes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search = tool("recipe_search")
    monkeypatch.setattr(search, "TABLES", tmp_path)
    monkeypatch.setattr(search, "HELD_OUT", 200)
    arguments = ["digits", "--labels", "20", "--seeds", "0", "--variants", "", "recipe.min_steps=2 recipe.epochs=0"]
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", *arguments])
    search.main()
    with (tmp_path / "digits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["steps"]) for row in rows] == [load("digits").recipe.steps(20), 2]
    assert float(rows[0]["accuracy"]) > 0.5 > float(rows[1]["accuracy"])
    assert rows[1]["setting"].endswith(
        "min_steps=2 batch_size=32 augmentation=crop strong_augmentation=strong-no-flip precision=float32"
    )
    capsys.readouterr()
    search.main()
    assert capsys.readouterr().out == ""
    assert len((tmp_path / "digits.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("manifest", ["mnist"]),
        ("penalty_search", ["digits"]),
        ("profile_run", ["digits"]),
        ("rank_agreement", ["digits", "mnist", "--strategies", "random", "--seeds", "0", "--budgets", "20"]),
        ("recipe_search", ["digits"]),
    ],
)
def test_no_option_is_abbreviated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments, "--data-di=nowhere"])
    with pytest.raises(SystemExit) as left:
        tool(name).main()
    assert left.value.code == 2
    assert "unrecognized arguments: --data-di=nowhere" in capsys.readouterr().err


def test_the_search_trains_with_attachments_and_judges_their_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the module leaves the network as it is; with its whole gradient it does not."""
    search = tool("recipe_search")
    monkeypatch.setattr(search, "TABLES", tmp_path)
    monkeypatch.setattr(search, "HELD_OUT", 500)
    names = ["random", "learning-loss", "learning-loss[gradient_factor=1.0]"]
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", "digits", "--labels", "60", "--strategies", *names])
    search.main()
    with (tmp_path / "digits-attachments.csv").open(newline="") as file:
        plain, detached, joint = csv.DictReader(file)
    assert [row["setting"].split()[-1] for row in (plain, detached, joint)] == names
    assert (plain["spearman"], plain["auroc"]) == ("", "")
    assert plain["nll"] == detached["nll"] != joint["nll"]
    assert all(float(row["auroc"]) > 0.6 for row in (detached, joint))


def test_the_search_writes_a_data_set_whose_test_images_are_the_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The judges of its own trainings, no training image, and none of the real test images."""
    search = tool("recipe_search")
    monkeypatch.setattr(search, "HELD_OUT", 400)
    path = tmp_path / "held-out.npz"
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", "digits", "--write", str(path)])
    search.main()
    assert capsys.readouterr().out == f"858 training images and 400 others, as its test images, are in {path}\n"
    whole, written = (search.datasets.load(name, Path("data")) for name in ("digits", str(path)))
    judges = search.drawn(search.load("digits"), whole, 20, 0).judges
    assert torch.equal(written.test_images, whole.train_images[judges])
    assert torch.equal(written.test_labels, whole.train_labels[judges])
    both = torch.cat([written.train_images, written.test_images]).flatten(1)
    assert sorted(both.tolist()) == sorted(whole.train_images.flatten(1).tolist())
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", "cifar10-embeddings", "--write", str(path)])
    with pytest.raises(SystemExit):
        search.main()
    assert "--write is of images, and the protocol has embeddings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "unknown protocol 'nosuch'"),
        (["digits", "--learners", "nosuch"], "unknown learner 'nosuch'"),
        (["digits", "--strategies", "nosuch"], "unknown strategy 'nosuch'"),
        (["digits", "--variants", "recipe.epochs"], "'recipe.epochs' is no variant: write FIELD=VALUE"),
        (["digits", "--variants", "recipe.epochs=many"], "'recipe.epochs' must be of type int"),
    ],
)
def test_the_search_refuses_what_it_does_not_know_in_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        tool("recipe_search").main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_search_gives_learners_all_images_that_do_not_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, tasks = tool("recipe_search"), []
    build = search.learners.build

    def watched(name: str) -> Any:
        learner = build(name)
        fit = learner.fit

        def noting(task: Any) -> Any:
            tasks.append(task)
            return fit(task)

        monkeypatch.setattr(learner, "fit", noting)
        return learner

    monkeypatch.setattr(search.learners, "build", watched)
    monkeypatch.setattr(search, "TABLES", tmp_path)
    monkeypatch.setattr(search, "HELD_OUT", 200)
    student = "noisy-student[iterations=1,mu=2,steps=2,threshold=0.0]"
    arguments = ["digits", "--labels", "30", "--variants", "recipe.min_steps=2 recipe.epochs=0 initial=balanced"]
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", *arguments, "--learners", "fixmatch[mu=2]", student])
    search.main()
    assert len(tasks) == 2
    for task in tasks:
        seen = torch.cat([task.labelled, task.unlabelled])
        assert len(seen.unique()) == len(seen) == len(task.images.pixels) - 200
        assert task.targets.bincount().tolist() == [3] * 10
    with (tmp_path / "digits.csv").open(newline="") as file:
        settings = [row["setting"] for row in csv.DictReader(file)]
    assert [line.split(" cnn[")[0] for line in settings] == ["fixmatch[mu=2]", student]
    assert all(line.endswith(" initial=balanced") for line in settings)


def test_operations_are_those_of_the_layers() -> None:
    width, hidden = 4, 8
    counted = of_model("cnn", {"width": width, "hidden": hidden}, (1, 8, 8))
    first = 2 * 64 * 9 * width
    layers = [2 * 16 * 9 * width * 2 * width, 2 * (2 * width * 4) * hidden, 2 * hidden * 10]
    assert counted == 2 * first + 3 * sum(layers)  # nothing is propagated back to the images


def test_the_agreement_report_shows_areas_and_the_ceiling() -> None:
    agreement = tool("rank_agreement")
    curves = pd.DataFrame(
        [
            (strategy, "supervised", seed, labels, 0.5 + gain + seed / 100)
            for strategy, gain in (("random", 0.0), ("margin", 0.1), ("badge", 0.2))
            for seed in range(4)
            for labels in (10, 20)
        ],
        columns=["strategy", "learner", "seed", "labels", "accuracy"],
    )
    text = agreement.report("quick", "slow", compare(curves, curves), [10, 20])
    assert "| badge | 71.50 | 71.50 |" in text
    assert "| slow with itself | 1.00 | 1.00 | 1.00 | 0.00 |" in text


def test_the_parts_of_a_run_do_not_overlap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    profile = tool("profile_run")
    monkeypatch.setattr(sys, "argv", ["profile_run.py", "digits", "--budgets", "20", "40"])
    profile.main()
    lines = capsys.readouterr().out.split("one thread\n")[1].splitlines()
    spent = {line[:48].strip(): float(line[48:].split()[0]) for line in lines}
    total = spent.pop("in all")
    assert sum(spent.values()) == pytest.approx(total, abs=0.1 * len(spent))
    assert min(spent.values()) >= 0
    assert {"training: backward", "training: loss", "test and pool: forward", "report: tables and figures"} <= set(
        spent
    )
