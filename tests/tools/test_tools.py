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


def test_the_search_trains_on_what_runs_acquired_and_judges_on_what_none_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of one class reach chance, one of all classes does not: they are trained on. Their images never judge."""
    search, splits = tool("recipe_search"), []
    given = search.given

    def noting(*of: Any) -> Any:
        splits.append(given(*of))
        return splits[-1]

    monkeypatch.setattr(search, "given", noting)
    monkeypatch.setattr(search, "TABLES", tmp_path)
    monkeypatch.setattr(search, "HELD_OUT", 400)
    answers = search.datasets.load("digits", Path("data")).train_labels
    lists = {("margin", 0): torch.arange(100).flip(0), ("entropy", 0): torch.nonzero(answers == 3).flatten()[:60]}
    rows = [(*key, int(i)) for key, own in lists.items() for i in own]
    pd.DataFrame(rows, columns=["strategy", "seed", "index"]).to_csv(tmp_path / "lists.csv", index=False)
    arguments = ["digits", "--labels", "60", "--acquired", str(tmp_path / "lists.csv")]
    monkeypatch.setattr(sys, "argv", ["recipe_search.py", *arguments])
    search.main()
    with (tmp_path / "digits-acquired.csv").open(newline="") as file:
        entropy, margin = csv.DictReader(file)
    assert [row["setting"].split()[-1] for row in (entropy, margin)] == ["labels=entropy", "labels=margin"]
    assert float(margin["accuracy"]) > 0.6 > 0.2 > float(entropy["accuracy"])
    for split, key in zip(splits, [("entropy", 0), ("margin", 0)], strict=True):
        assert split.labelled.tolist() == lists[key][:60].tolist()
        assert torch.equal(torch.cat([*split]).sort().values, torch.arange(len(answers)))
        assert not set(split.judges.tolist()) & {i for own in lists.values() for i in own.tolist()}
    assert torch.equal(splits[0].judges, splits[1].judges)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("", [], "--acquired lists.csv: it is empty"),
        ("strategy,seed,index\nmargin,0,5\n", [], "lists.csv has 1 of the 2 labels needed of margin, seed 0"),
        (
            "strategy,seed,index\nmargin,1,5\nmargin,1,6\n",
            [],
            "lists.csv has 0 of the 2 labels needed of margin, seed 0",
        ),
        (
            "strategy,seed,index\nmargin,0,5\nmargin,0,9999\n",
            [],
            "has the index 9999, of a data set with 1258",
        ),
        ("strategy,seed,index\nmargin,0,5\n", ["--strategies", "random"], "--strategies takes random labels"),
    ],
)
def test_the_search_refuses_lists_that_do_not_fit_in_one_line(
    content: str,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lists.csv").write_text(content)
    monkeypatch.setattr(
        sys, "argv", ["recipe_search.py", "digits", "--labels", "2", "--acquired", "lists.csv", *arguments]
    )
    with pytest.raises(SystemExit) as stopped:
        tool("recipe_search").main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


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
