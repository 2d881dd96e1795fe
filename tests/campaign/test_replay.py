"""Replays: another training on exactly the labels that a run, or somebody else, acquired."""

from __future__ import annotations

import builtins
import csv
import itertools
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from support.replays import experiments, replay, rounds, tiny_of
from support.sealed import sealed_run
from support.tiny import PROTOCOL, bench

from benchmark.data.datasets import load
from benchmark.loop.replay import ACCURACY, Replay, Replayed
from benchmark.reports import write_report
from benchmark.reports.statistics.family import SOURCE_ACCURACY
from benchmark.results.store import read_experiment

NAMES = ("random", "margin", "learning-loss")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two seeds of three strategies on the tiny protocol, one of them with an attachment."""
    folder = tmp_path_factory.mktemp("replayed")
    assert bench(folder, "--strategies", *NAMES) == 0
    return folder


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "user"))


def test_the_same_setting_without_an_attachment_gives_the_same_bits(folder: Path) -> None:
    own = tiny_of(folder)
    assert replay(folder, "--strategies", *NAMES, given=own) == 0
    before, after = rounds(own), rounds(*experiments(folder))
    assert before.keys() == after.keys() == {(name, seed) for name in NAMES for seed in (0, 1)}
    for key, theirs in before.items():
        for a, b in zip(theirs, after[key], strict=True):
            assert (a.num_labelled, a.nll, a.accuracy, a.bins) == (b.num_labelled, b.nll, b.accuracy, b.bins), key
            assert a.acquired_indices == b.acquired_indices
            assert b.diagnostics[ACCURACY] == a.accuracy


def test_some_label_counts_draw_from_the_streams_of_their_own_rounds(folder: Path) -> None:
    own = tiny_of(folder)
    assert replay(folder, "--budgets", "20", "30", "--strategies", "learning-loss", "--seeds", "1", given=own) == 0
    (found,) = rounds(*experiments(folder)).items()
    theirs = rounds(own)["learning-loss", 1]
    assert found[0] == ("learning-loss", 1)
    assert [(r.num_labelled, r.nll) for r in found[1]] == [(r.num_labelled, r.nll) for r in theirs[1:]]


def test_the_module_of_a_loss_predictor_costs_what_its_replay_gains(folder: Path) -> None:
    """With its gradient reaching the network, learning loss trains another network than its labels alone do."""
    name = "learning-loss[gradient_factor=1.0]"
    assert bench(folder, "--strategies", name, "--seeds", "0") == 0
    assert replay(folder, "--strategies", name, given=tiny_of(folder)) == 0
    (found,) = rounds(*experiments(folder)).values()
    theirs = rounds(tiny_of(folder))[name, 0]
    assert all(a.nll != b.nll for a, b in zip(found, theirs, strict=True))
    assert [r.acquired_indices for r in found] == [r.acquired_indices for r in theirs]


def test_a_replay_is_supervised_unless_a_learner_is_named(tmp_path: Path) -> None:
    """Also where the source's protocol has several; and the labels are those acquired with supervised learning."""
    (tmp_path / "tiny.toml").write_text(f'learners = ["supervised", "pseudo-label"]\n{PROTOCOL}')
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0") == 0
    other = ("--model", "cnn[width=5]")
    assert replay(tmp_path, *other, given=tiny_of(tmp_path)) == 0
    (root,) = experiments(tmp_path)
    assert [run.key.learner for run in read_experiment(root).runs] == ["supervised"]
    assert replay(tmp_path, *other, "--learner", "pseudo-label", given=tiny_of(tmp_path)) == 0
    assert {run.key.learner for run in read_experiment(root).runs} == {"supervised", "pseudo-label"}


@pytest.mark.parametrize(
    "how",
    [
        (),
        ("--strategies", "random", "margin", "--budgets", "20", "--seeds", "1"),
        ("--learner", "supervised"),
        ("--model", "cnn[width=4,hidden=16,dropout=0.1]"),
        ("--set", "recipe.momentum=0.9"),
        ("--protocol", "tiny.toml"),
    ],
)
def test_the_training_that_acquired_the_labels_is_not_done_again(
    folder: Path, how: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    how = tuple(str(folder / word) if word.endswith(".toml") else word for word in how)
    assert replay(folder, *how, given=tiny_of(folder)) == 2
    said = capsys.readouterr().err
    assert "by cnn[dropout=0.1,hidden=16,width=4] and the learner supervised, and give their accuracies again" in said
    assert said.endswith("name another training of their labels with --model, --set, --learner or --protocol\n")
    assert said.count("\n") == 1
    assert not experiments(folder)


def test_labels_that_another_learner_acquired_are_trained_on_without_it(tmp_path: Path) -> None:
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0", "--learner", "pseudo-label") == 0
    assert replay(tmp_path, "--learner", "pseudo-label", given=tiny_of(tmp_path)) == 2
    assert replay(tmp_path, given=tiny_of(tmp_path)) == 0
    (run,) = read_experiment(*experiments(tmp_path)).runs
    assert run.key.learner == "supervised"


def test_reports_know_the_diagnostic_by_its_name() -> None:
    assert ACCURACY == SOURCE_ACCURACY


def test_another_network_learns_from_the_same_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tiny_of(folder)
    assert replay(folder, "--model", "cnn[width=8,hidden=16,dropout=0.1]", "--seeds", "0", given=own) == 0
    (root,) = experiments(folder)
    wide = rounds(root)
    assert all(
        r.acquired_indices == s.acquired_indices for k in wide for r, s in zip(wide[k], rounds(own)[k], strict=True)
    )
    assert wide["margin", 0][-1].nll != rounds(own)["margin", 0][-1].nll
    recorded = read_experiment(root).protocol
    assert recorded["replay"].startswith(f"{own.name}@")
    assert read_experiment(own).fingerprint.startswith(recorded["replay"].partition("@")[2])
    capsys.readouterr()
    assert replay(folder, "--model", "cnn[width=8,hidden=16,dropout=0.1]", "--seeds", "0", given=own) == 0
    assert "3 of 3 runs are in" in capsys.readouterr().out


def test_a_source_that_acquired_other_labels_is_replayed_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tiny_of(folder)
    asked = ("--strategies", "margin", "--seeds", "0", "--set", "recipe.min_steps=3")
    assert replay(folder, *asked, given=own) == 0
    assert bench(folder, "--strategies", "entropy", "--seeds", "0") == 0
    taken = own / "runs" / "margin" / "supervised-seed0.jsonl"
    with (own / "runs" / "entropy" / "supervised-seed0.jsonl").open() as file:  # other labels under margin's name
        header, *rest = map(json.loads, file)
    header["key"]["strategy"] = "margin"
    taken.write_bytes(sealed_run([header, *rest]))
    capsys.readouterr()
    assert replay(folder, *asked, given=own) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "margin, seed 0: the source acquired other labels meanwhile; recomputed as attempt 2" in said
    newest = [run for run in read_experiment(*experiments(folder)).runs if run.attempt == 2]
    assert [r.acquired_indices for r in newest[0].rounds] == [r.acquired_indices for r in rounds(own)["margin", 0]]


def all_indices(root: Path, strategy: str, seed: int) -> list[int]:
    (run,) = [run for run in read_experiment(root).runs if (run.key.strategy, run.key.seed) == (strategy, seed)]
    return [*run.header.initial.acquired_indices, *(i for r in run.rounds for i in r.acquired_indices)]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_lists_of_somebody_else_are_judged_by_our_training(folder: Path, suffix: str) -> None:
    own, path = tiny_of(folder), folder / f"theirs{suffix}"
    indices = all_indices(own, "margin", 0)
    if suffix == ".json":
        path.write_text(json.dumps({"their strategy": {"0": indices}}))
    else:
        rows = [["strategy", "seed", "index"], *(["their strategy", 0, i] for i in indices)]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    protocol = str(folder / "tiny.toml")
    assert replay(folder, "--protocol", protocol, "--budgets", "10", "20", "30", given=path) == 0
    (found,) = rounds(*experiments(folder)).items()
    assert found[0] == ("their strategy", 0)
    assert [r.nll for r in found[1]] == [r.nll for r in rounds(own)["margin", 0]]


def test_exported_indices_can_be_replayed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, out = tiny_of(folder), folder / "out"
    command = ["--report", str(own), "--strategies", "margin", "--seeds", "0", "--export-indices", str(out)]
    assert bench(folder, *command) == 0
    (path,) = out.iterdir()
    assert f"the labels that 1 run acquired are in {path}" in capsys.readouterr().out
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == all_indices(own, "margin", 0)
    assert [int(row["num_labelled"]) for row in rows] == [10] * 10 + [20] * 10 + [30] * 10
    assert replay(folder, "--protocol", str(folder / "tiny.toml"), given=path) == 0
    assert list(rounds(*experiments(folder))) == [("margin", 0)]
    longer = folder / "longer.toml"  # the label counts are the file's, not the protocol's
    longer.write_text((folder / "tiny.toml").read_text().replace("budgets = [10, 20, 30]", "budgets = [10, 25, 40]"))
    shutil.rmtree(*experiments(folder))
    assert replay(folder, "--protocol", str(longer), given=path) == 0
    (found,) = rounds(*experiments(folder)).values()
    assert [r.num_labelled for r in found] == [10, 20, 30]
    assert [r.nll for r in found] == [r.nll for r in rounds(own)["margin", 0]]
    path.unlink()
    assert bench(folder, *command, "--output", str(folder / "paper")) == 0
    assert path.exists()
    assert (folder / "paper" / "README.md").exists()


def test_an_export_ends_at_the_last_label_count_that_is_asked_for(folder: Path) -> None:
    own = tiny_of(folder)
    for budgets, lengths in ((["10", "20"], 20), (["20"], 20), (["30"], 30)):
        out = folder / "-".join(budgets)
        assert bench(folder, "--report", str(own), "--budgets", *budgets, "--export-indices", str(out)) == 0
        with next(out.iterdir()).open(newline="") as file:
            rows = list(csv.DictReader(file))
        for name, seed in itertools.product(NAMES, (0, 1)):
            mine = [int(row["index"]) for row in rows if (row["strategy"], row["seed"]) == (name, str(seed))]
            assert mine == all_indices(own, name, seed)[:lengths]


BAD_FILES = {
    "lists.json": [
        *("", "[]", "{}", "[1", '{"a": 5}', '{"a": {"x": [1]}}', '{"a": {"0": 5}}', '{"": {"0": [1]}}'),
        *('{"a": {"0": [1, 1]}}', '{"a": {"0": ["1.5"]}}', '{"a": {"-1": [1]}}', '{"a": {"0": [1], "0": [2]}}'),
    ],
    "lists.csv": [
        *("", " \n", "strategy,seed\na,0\n", "strategy,seed,index\n"),
        *(f"strategy,seed,index\n{row}\n" for row in ("a,x,1", "a,0,-1", "a,-1,1", ",0,1", "a,0,1\na,0,1", "a,0,nan")),
        "strategy,seed,index,label\na,0,1,cat\n",
        *(f"strategy,seed,index,num_labelled\na,0,1,{n}\na,0,2,3\na,0,4,3\n" for n in ("many", "2", "4")),
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD_FILES.items() for text in texts])
def test_a_bad_list_is_one_line(name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text(text)
    assert replay(tmp_path, "--dataset", "digits", given=tmp_path / name) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --replay ")
    assert said.count("\n") == 1


IDLE = {"initial": "balanced", "candidates": "20", "features.source": "pca"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategies", "badge"], "has no complete round among the runs asked for"),
        (["--budgets", "15"], "has no run with all of 15 labels"),
        (["--set", "warm_start=true"], "add --set warm_start=false"),
        *((["--set", f"{name}={value}"], f"{name} has no effect on a replay") for name, value in IDLE.items()),
        (["--dataset", "digits"], "leave out --dataset, or name a --protocol on the same data"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_line(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(folder, *arguments, given=tiny_of(folder)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_an_index_beyond_the_data_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "far.json").write_text(json.dumps({"a": {"0": [*range(19), 99_999]}}))
    assert replay(tmp_path, "--dataset", "digits", "--budgets", "20", given=tmp_path / "far.json") == 2
    assert "far: a, seed 0: it has the index 99999, but 'digits' has" in capsys.readouterr().err
    assert not list((tmp_path / "results").glob("*/runs"))


def test_positions_follow_the_list_wherever_the_images_lie() -> None:
    generator = torch.Generator().manual_seed(0)
    for seed in range(20):
        order = torch.randperm(50, generator=generator)
        listed, begin = order[:20].tolist(), seed % 10
        rest = order[begin:][torch.randperm(50 - begin, generator=generator)]

        class Pool:
            indices, labelled_indices = rest, order[:begin]

        positions = Replayed(Replay(tuple(listed))).select(Pool(), 7, generator)  # type: ignore[arg-type]
        assert rest[positions].tolist() == listed[begin : begin + 7]


def test_a_persons_labels_are_those_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the answers are still in the cache: whoever replays somebody else's run is not asked."""
    replies = itertools.cycle("3141592653")  # most of them wrong
    monkeypatch.setattr(builtins, "input", lambda prompt: next(replies))
    acquired = ("--strategies", "learning-loss")
    assert bench(tmp_path, *acquired, "--seeds", "0", "--set", "oracle=person") == 0
    own = tiny_of(tmp_path)
    monkeypatch.setattr(builtins, "input", lambda prompt: pytest.fail("asked"))
    shutil.rmtree(tmp_path / "cache")
    assert replay(tmp_path, *acquired, given=own) == 0
    (theirs,), (ours,) = rounds(own).values(), rounds(*experiments(tmp_path)).values()
    assert [(r.nll, r.acquired_labels) for r in ours] == [(r.nll, r.acquired_labels) for r in theirs]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--strategies", "margin", "random@7"), "tiny has no run of 'random@7' to replay"),
        (("--strategies", "margin", "badge"), "tiny has no run of 'badge' to replay"),
        (("--seeds", "1", "77"), "tiny has no run of seed 77 to replay"),
    ],
)
def test_a_run_that_is_not_there_is_not_left_out_in_silence(
    folder: Path, capsys: pytest.CaptureFixture[str], asked: tuple[str, ...], said: str
) -> None:
    capsys.readouterr()
    assert replay(folder, *asked, given=tiny_of(folder)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said.removeprefix("tiny") in err
    assert not experiments(folder)


def test_a_label_that_is_not_the_datas_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = load("digits").train_labels.tolist()
    lines = [f"a,0,{index},{truth[index]}" for index in range(20)]
    for name, last in (("right", truth[20]), ("wrong", (truth[20] + 1) % 10)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["strategy,seed,index,label", *lines, f"a,0,20,{last}"]))
    arguments = ("--dataset", "digits", "--budgets", "21", "--set", "recipe.min_steps=2", "recipe.epochs=0")
    assert replay(tmp_path, *arguments, given=tmp_path / "right.csv") == 0
    capsys.readouterr()
    assert replay(tmp_path, *arguments, given=tmp_path / "wrong.csv") == 2
    said = capsys.readouterr().err
    assert f"wrong: a, seed 0: the label of 20 is {last}, but {truth[20]} in 'digits'" in said
    assert said.count("\n") == 1


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.csv", "folder.json"):
        assert replay(tmp_path, "--dataset", "digits", given=tmp_path / name) == 2
        assert "it is a pipe, a device or a folder, and no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "how",
    [
        ("--model", "cnn[width=5]"),
        ("--set", "recipe.label_smoothing=0.2", "recipe.min_steps=7"),
        ("--protocol", "digits", "--set", "recipe.weight_decay_at=[[10,0.01],[20,0.001]]", "recipe.epochs=1"),
    ],
)
def test_the_page_says_how_to_replay_again(
    folder: Path, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a replay was asked for, whatever its settings, finds its runs again."""
    monkeypatch.chdir(folder)
    assert replay(folder, *how, "--budgets", "20", "--strategies", "margin", given=tiny_of(folder)) == 0
    (root,) = experiments(folder)
    write_report(root)
    page = (root / "README.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("python run_benchmark.py --replay")]
    given, *words = shlex.split(line)[3:]
    assert given == tiny_of(folder).name
    capsys.readouterr()
    assert replay(folder, *words, given=given) == 0
    assert "2 of 2 runs are in " in capsys.readouterr().out
    assert experiments(folder) == [root]
