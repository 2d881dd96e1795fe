"""From arguments to a request; the commands that run nothing; and folders that belong to another request."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from support.sealed import described, sealed_run
from support.tiny import PROTOCOL, SCORES, bench, experiment, plugin, run_lines

import run_benchmark
from benchmark.campaign import request as command
from benchmark.data import datasets
from benchmark.experiment import Protocol, ProtocolError, library
from benchmark.experiment.library import experiment_name
from benchmark.experiment.protocol import OPTIONS
from benchmark.learners import LEARNERS
from benchmark.models import factory
from strategies import registry


def requested(*arguments: str) -> Protocol:
    return command.requested(run_benchmark.parser().parse_args(arguments))


def test_no_argument_is_the_digits_protocol() -> None:
    assert requested() == library.load("digits")


def test_a_dataset_picks_the_protocol_of_its_name() -> None:
    assert requested("--dataset", "mnist") == library.load("mnist")
    assert requested("--protocol", "cifar10-ll4al", "--dataset", "mnist").recipe == library.load("cifar10-ll4al").recipe


def test_what_the_model_leaves_open_can_be_set() -> None:
    model = requested("--model", "cnn[width=8]", "--set", "model.parameters.dropout=0.25").model
    assert (model.name, model.parameters) == ("cnn", {"width": 8, "dropout": 0.25})
    assert requested("--model", "cnn", "--set", "model.parameters={width=8}").model.parameters == {"width": 8}
    assert requested("--set", "model={name='compact'}").model.name == "compact"


def test_no_field_is_suggested_that_cannot_be_set() -> None:
    assert {*OPTIONS} <= {field.name for field in dataclasses.fields(Protocol)}
    for misspelt in [*(f"{name}s=1" for name in OPTIONS), "foo=1", "recipe.foo=1", "recipe={foo=1}", "seed=[1]"]:
        with pytest.raises(ProtocolError, match="no field") as caught:
            requested("--set", misspelt)
        suggested = str(caught.value).partition("did you mean ")[2].rstrip("?").split(" or ")
        assert not {*suggested} & {*OPTIONS}


def test_the_protocol_of_a_replay_is_for_replays(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('replay = "mnist@0123456789abcdef"\n' + PROTOCOL)
    with pytest.raises(ProtocolError, match=r"own\.toml is of a replay: say with --replay what"):
        requested("--protocol", str(tmp_path / "own.toml"))


def test_a_head_that_is_trained_has_a_training_where_the_protocols_own_is_solved() -> None:
    solved = library.load("cifar10-embeddings").recipe
    recipe = requested("--protocol", "cifar10-embeddings", "--model", "mlp[width=8]").recipe
    assert (recipe.steps(20), recipe.steps(10_000), recipe.batch_size) == (500, 3125, 64)
    assert recipe.precision == solved.precision
    few = requested("--protocol", "cifar10-embeddings", "--model", "mlp", "--set", "recipe.min_steps=30").recipe
    assert (few.steps(20), few.weight_decay) == (30, recipe.weight_decay)
    changes = ("--set", "recipe.steps_at=[[20, 40], [200, 80]]")
    stated = requested("--protocol", "cifar10-embeddings", "--model", "mlp", *changes).recipe
    assert [stated.steps(labels) for labels in (20, 200)] == [40, 80]
    for other in ("linear[penalty=3e-4]", "linear"):
        assert requested("--protocol", "cifar10-embeddings", "--model", other).recipe == solved


def test_a_network_of_images_is_not_trained_by_the_recipe_of_a_solved_head() -> None:
    images = ("--protocol", "cifar10-embeddings", "--model", "compact", "--set", "embedding=")
    with pytest.raises(ProtocolError, match="is of a head that is solved, and 'compact' is trained: choose a --proto"):
        requested(*images)
    assert requested(*images, "recipe.epochs=3").recipe.epochs == 3


def test_every_other_flag_is_one_field() -> None:
    found = requested(
        *("--dataset", "mnist", "--strategies", "badge", "random", "--learner", "supervised", "--seeds", "4", "2"),
        *("--budgets", "20", "40", "--model", "resnet18[width=32,dropout=0.1]"),
        *("--set", "warm_start=true", "recipe.optimizer=adamw", "recipe.milestones=[0.5, 0.8]"),
    )
    expected = library.load("mnist").override(
        strategies=["badge", "random"],
        learners=["supervised"],
        seeds=[4, 2],
        budgets=[20, 40],
        model={"name": "resnet18", "parameters": {"width": 32, "dropout": 0.1}},
        warm_start=True,
        **{"recipe.optimizer": "adamw", "recipe.milestones": [0.5, 0.8]},
    )
    assert found == expected
    assert found.seeds == (4, 2)
    assert experiment_name(found).startswith("mnist-")
    assert found.ladder == library.load("mnist").ladder


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("0", 0)])
def test_times(text: str, seconds: float) -> None:
    assert run_benchmark.seconds(text) == seconds


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_benchmark.main(["--list"]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    names = [*registry.names(), *registry.groups(), *LEARNERS, *datasets.names(), *factory.MODELS, *library.names()]
    assert set(names) <= set(listed)
    assert all(len(line.split()) > 1 for line in listed.values())  # each has something said about it
    assert library.load("cifar10-ll4al").description in listed["cifar10-ll4al"]


def test_help_shows_examples_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        run_benchmark.main(["--help"])
    assert leave.value.code == 0
    examples = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("  python")]
    assert len(examples) >= 5
    for example in examples:
        run_benchmark.parser().parse_args(example.split()[2:])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    assert bench(folder, report=True) == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_report_writes_the_same_bytes_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = experiment(copy)
    derived = {path: path.read_bytes() for path in root.rglob("*") if path.suffix in (".csv", ".md", ".tex")}
    assert len(derived) >= 8
    for path in derived:
        path.unlink()
    shutil.rmtree(root / "figures")
    assert run_benchmark.main(["--report", str(root)]) == 0
    assert {path: path.read_bytes() for path in derived} == derived
    assert (root / "figures" / "accuracy.png").stat().st_size > 1000
    assert "random" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "describes no experiment; delete it and run again"),
        (
            json.dumps({"fingerprint": "f", "protocol": {}}),
            "is of format 1, not 2; convert it with tools/convert_format_1",
        ),
        (
            described(),
            "has no complete round among the runs asked for",
        ),
    ],
)
def test_report_of_what_is_no_experiment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], description: str, message: str
) -> None:
    (tmp_path / "experiment.json").write_text(description)
    assert run_benchmark.main(["--report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == ["experiment.json"]


def test_another_protocol_under_the_same_name_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, before = experiment(copy).name, run_lines(copy)
    for other in ("random", "entropy"):  # whether or not the run asked for is there
        changed = ("--name", name, "--set", "warm_start=true", "--strategies", other)
        assert bench(copy, *changed) == 2
        said = capsys.readouterr().err
        assert "choose another --name" in said
        assert said.count("\n") == 1
    assert run_lines(copy) == before
    (experiment(copy) / "experiment.json").unlink()
    assert bench(copy, *changed) == 2  # nor does it help to forget what it was


def test_a_torn_line_is_mended_and_a_damaged_file_left(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_lines(copy)
    path = experiment(copy) / "runs" / "random" / "supervised-seed1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert bench(copy) == 0
    assert run_lines(copy) == before
    path.write_bytes(whole.replace(b'"round":1', b'"round":}'))
    capsys.readouterr()
    damaged = path.read_bytes()
    assert bench(copy, report=True) == 0
    out = capsys.readouterr().out
    root = experiment(copy)
    line = f"runs/random/supervised-seed1.jsonl: line 3: it is not JSON; --doctor {root} shows all problems"
    assert f"random, seed 1: recomputed as attempt 2; left out: {line}\n" in out
    assert "3 of 4 runs" in out
    below = line.replace(f"--doctor {root} shows all problems", "attempt 2 replaces it: delete the file")
    assert f"left out: {below}" in " ".join(out.split())  # below the table
    assert path.read_bytes() == damaged
    assert line.split(";")[0] in (root / "README.md").read_text()
    path.unlink()
    assert {run.replace("1.2.", "1."): found for run, found in run_lines(copy).items()} == before


def test_other_data_under_the_same_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 40), ("test", 20)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 4
    np.savez(tmp_path / "own.npz", **arrays)
    own = ("--dataset", str(tmp_path / "own.npz"))
    assert bench(tmp_path, *own, "--seeds", "0") == 0
    arrays["x_test"][0, 0, 0] ^= 1
    np.savez(tmp_path / "own.npz", **arrays)
    before = run_lines(tmp_path)
    assert bench(tmp_path, *own) == 2
    assert "is not the data that the runs in" in capsys.readouterr().err
    assert run_lines(tmp_path) == before
    assert bench(tmp_path, *own, "--name", "other", "--seeds", "0") == 0


def test_an_older_engines_unfinished_run_is_computed_beside(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the whole ones stay as they are, in the same table."""
    before = run_lines(copy)
    path = experiment(copy) / "runs" / "random" / "supervised-seed1.jsonl"
    told, first, *_ = map(json.loads, path.read_bytes().splitlines())
    told["environment"]["libraries"]["torch"] = "2.0"
    path.write_bytes(sealed_run([told, first]))
    assert bench(copy, report=True) == 0
    said = capsys.readouterr().out
    assert "random, seed 1: started elsewhere (PyTorch " in said
    assert " here, 2.0 there); recomputed as attempt 2" in said
    after = run_lines(copy)
    assert after["random/supervised-seed1.2.jsonl"] == before["random/supervised-seed1.jsonl"]
    assert len(after["random/supervised-seed1.jsonl"]) == 2


def test_a_changed_plugin_is_computed_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--strategies", plugin(tmp_path, SCORES), "--seeds", "0")
    assert bench(tmp_path, *arguments) == 0
    plugin(tmp_path, SCORES.replace("[:, 0]", "[:, 1]"))
    assert bench(tmp_path, *arguments) == 0
    assert "mine:Mine, seed 0: the plugin's source has changed; recomputed as attempt 2" in capsys.readouterr().out
    first, second = (lines for _, lines in sorted(run_lines(tmp_path).items(), key=lambda item: ".2." in item[0]))
    assert first[0]["strategy_source_sha256"] != second[0]["strategy_source_sha256"]
    assert first[1]["acquired_indices"] != second[1]["acquired_indices"]


def test_a_full_disk_is_one_line_and_no_usage_error(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is shown all the same; nothing is missing where all runs had been there before."""
    full = OSError(errno.ENOSPC, "No space left on device", "curves.csv")
    for missing, status in ((False, 0), (True, 1)):
        if missing:
            (experiment(copy) / "runs" / "random" / "supervised-seed1.jsonl").unlink()
        with patch("benchmark.reports.write", side_effect=full):
            assert bench(copy, report=True) == status
        said = capsys.readouterr()
        assert "margin" in said.out
        assert "vs. random" in said.out
        assert "figures are in" not in said.out
        if missing:
            assert said.err == (
                "error: what was computed is recorded, but tables and figures could not be written to "
                f"{experiment(copy)} (No space left on device): repeat the command once they can be\n"
            )
        else:
            assert said.out.endswith("nothing was written: [Errno 28] No space left on device: 'curves.csv'\n")


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ((20, 40), False),
        ((20, 40, 60, 80), False),
        ((20, 30), False),  # another schedule from the beginning
        ((20, 40, 60, 90), True),
        ((20, 40, 60, 80, 90), True),
    ],
)
def test_label_counts_in_other_steps_are_said_to_be_computed_anew(budgets: tuple[int, ...], said: bool) -> None:
    line = command.other_steps((20, 40, 60), budgets)
    assert (
        line
        == (
            "label counts beyond 60 are not in steps of 20: runs to 60 labels do not go on to them, and all rounds are "
            "computed anew; 80 100 … would go on"
        )
        * said
    )
    ladder = library.load("mnist").override(budgets=[20, 40, 60], ladder=[20, 40, 60])
    assert (ladder.override(budgets=list(budgets)).fingerprint != ladder.fingerprint) == (said or budgets == (20, 30))


def test_an_interrupt_can_be_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("benchmark.campaign.tasks.RunFile.append_round", side_effect=KeyboardInterrupt):
        assert bench(tmp_path) == 3
    assert capsys.readouterr().err == "interrupted; repeat the command to go on\n"
    assert bench(tmp_path) == 0


def test_a_protocol_file_may_lie_anywhere(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "named"\n' + PROTOCOL)
    assert requested("--protocol", str(tmp_path / "own.toml")).name == "named"


def test_a_lost_description_is_written_again(tmp_path: Path) -> None:
    assert bench(tmp_path, "--seeds", "0") == 0
    path = experiment(tmp_path) / "experiment.json"
    whole = path.read_bytes()
    path.unlink()
    assert bench(tmp_path, "--seeds", "0") == 0
    assert path.read_bytes() == whole
