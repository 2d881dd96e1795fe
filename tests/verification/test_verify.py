"""``--verify``: real runs computed again; every doctored line is found, and noise is told from error."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.sealed import described, sealed_run
from support.tiny import SCORES, bench, experiment, plugin

from benchmark.experiment.feature_settings import FeatureSettings

Lines = list[dict[str, Any]]
MARGIN = ("--strategies", "margin", "--seeds", "1")


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid of two strategies and two seeds; not to be written to."""
    folder = tmp_path_factory.mktemp("complete")
    assert bench(folder) == 0
    return folder


@pytest.fixture
def copy(complete: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(complete, tmp_path / "copy"))


def verify(folder: Path, *arguments: str) -> int:
    return bench(folder, "--verify", str(experiment(folder)), *arguments)


def doctor(
    folder: Path, change: Callable[[Lines], Any], run: str = "margin/supervised-seed1.jsonl", to: str = ""
) -> None:
    """Change the lines of a run, in place or into another file."""
    path = experiment(folder) / "runs" / run
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.with_name(to or path.name).write_bytes(sealed_run(lines))


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_honest_runs_have_the_same_bits_and_nothing_is_written(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the experiment's own protocol, whatever has become of the file it once came from."""
    (copy / "tiny.toml").write_text((copy / "tiny.toml").read_text().replace("min_steps = 12", "min_steps = 2"))
    before = everything(copy)
    assert verify(copy, "--sample", "9") == 0
    out = capsys.readouterr().out
    assert out.count("the same bits") == 4
    assert "computing 4 of 4 runs in" in out
    assert "what differs" not in out
    assert everything(copy) == before


def accuracy(lines: Lines) -> None:
    move(lines[2], 0.001)


def move(line: dict[str, Any], by: float) -> None:
    """Change a round's accuracy by ``by`` or as many images as come next to it, and with it all that must agree."""
    total = sum(count for count, _, _ in line["bins"])
    images = math.copysign(max(1, round(abs(by) * total)), by)
    for one in line["bins"]:
        changed = min(max(one[2] + images, 0), one[0])
        images -= changed - one[2]
        one[2] = int(changed)
    assert images == 0
    line["accuracy"] = sum(correct for _, _, correct in line["bins"]) / total
    line["ece"] = sum(abs(count * confidence - correct) for count, confidence, correct in line["bins"]) / total
    line["class_accuracy"] = [line["accuracy"]] * len(line["class_accuracy"])


def purchase(lines: Lines) -> None:
    lines[1]["acquired_indices"].reverse()


DOCTORED = {
    "accuracy": (accuracy, "from round 1 (20 labels) on: accuracy 0."),
    "purchase": (purchase, "from round 0 (10 labels) on: acquired_indices"),
    "last round": (lambda lines: lines.pop(), "on disk, round 2 (30 labels) is missing"),
    "initial": (lambda lines: lines[0]["initial"]["acquired_indices"].reverse(), "the initial labels differ"),
}


@pytest.mark.parametrize("what", DOCTORED)
def test_a_doctored_line_is_found(copy: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    change, said = DOCTORED[what]
    doctor(copy, change)
    assert verify(copy, *MARGIN) == 1
    out = capsys.readouterr().out
    assert f"margin, seed 1: {said}" in out
    assert ("a round is missing on disk" if what == "last round" else "same bits are promised") in " ".join(out.split())


def test_a_round_missing_in_the_middle_is_a_damaged_file(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(copy, lambda lines: lines.pop(2))
    assert verify(copy, *MARGIN, "--sample", "1") == 2
    captured = capsys.readouterr()
    assert "has no complete round among the runs asked for" in captured.err
    assert "left out: runs/margin/supervised-seed1.jsonl: line 3: round 1 is missing" in captured.out


@pytest.mark.parametrize("rounds", [(), ("--budgets", "20")])
def test_a_header_that_hides_what_a_run_is_does_not_agree(
    copy: Path, capsys: pytest.CaptureFixture[str], rounds: tuple[str, ...]
) -> None:
    doctor(copy, lambda lines: lines[0].update(diagnostic=True, feature_seed=3))
    assert verify(copy, *MARGIN, *rounds) == 1
    out = capsys.readouterr().out
    assert "margin, seed 1: diagnostic True on disk, False here; feature_seed 3 on disk, None here" in out
    assert "the same bits" not in out
    doctor(copy, lambda lines: lines[0].update(diagnostic=False, feature_seed="unknown"))
    assert verify(copy, *MARGIN, *rounds) == 0


def older_engine(lines: Lines) -> None:
    lines[0]["engine_version"] = 1


def test_runs_of_an_older_engine_are_verified_unless_there_are_newer_ones(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(copy, older_engine)
    assert verify(copy, *MARGIN) == 2
    said = capsys.readouterr().err
    assert "has no complete round to show among the runs asked for: " in said
    assert said.endswith(
        "; 1 run of engine version 1 is left out; to show them, add @engine1 to each of --strategies (random@engine1)\n"
    )
    for run in ("margin/supervised-seed0", "random/supervised-seed0", "random/supervised-seed1"):
        doctor(copy, older_engine, f"{run}.jsonl")
    assert verify(copy, *MARGIN) == 0
    assert "the same bits" in capsys.readouterr().out


def elsewhere(lines: Lines) -> None:
    lines[0]["environment"]["device"] = "cpu (another)"


def test_on_another_machine_close_numbers_agree(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def close(lines: Lines) -> None:
        elsewhere(lines)
        lines[3]["nll"] *= 1 + 1e-5

    doctor(copy, close)
    assert verify(copy, *MARGIN) == 0
    out = capsys.readouterr().out
    assert "the same labels acquired, numbers close" in " ".join(out.split())
    assert "what differs" in out
    assert "cpu (another)" in out


@pytest.mark.parametrize(("error", "status", "said"), [(0.01, 0, "within the noise"), (0.5, 1, "beyond the noise")])
def test_on_another_machine_noise_is_allowed_for(
    copy: Path, capsys: pytest.CaptureFixture[str], error: float, status: int, said: str
) -> None:
    """Two more seeds of both strategies, whose accuracies spread by 0.02 or so."""
    for (seed, moved), strategy in itertools.product(((2, 0.02), (3, -0.02)), ("margin", "random")):

        def another(lines: Lines, seed: int = seed, moved: float = moved * (1 if strategy == "margin" else -1)) -> None:
            lines[0]["key"]["seed"] = seed
            for line in lines[1:]:
                move(line, moved)

        doctor(copy, another, f"{strategy}/supervised-seed0.jsonl", to=f"supervised-seed{seed}.jsonl")

    def moved_away(lines: Lines) -> None:
        elsewhere(lines)
        for line in lines[1:]:
            move(line, error if line["accuracy"] < 0.5 else -error)

    doctor(copy, moved_away)
    assert verify(copy, *MARGIN) == status
    assert said in " ".join(capsys.readouterr().out.split())


def test_too_few_runs_for_noise_is_no_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, *MARGIN) == 0
    doctor(tmp_path, lambda lines: (elsewhere(lines), accuracy(lines), purchase(lines)))
    assert verify(tmp_path) == 1
    assert "too few other runs" in " ".join(capsys.readouterr().out.split())


def test_a_shorter_ladder_and_a_longer_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--strategies", "margin", "--seeds", "0", "--budgets", "10", "20") == 0
    assert verify(tmp_path) == 0
    assert "[2/2]" in capsys.readouterr().out  # no further than the run went
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0") == 0
    assert verify(tmp_path) == 0
    out = capsys.readouterr().out
    assert out.count("the same bits") == 2
    assert "10–20" in out
    assert "10–30" in out


def test_a_plugin_without_its_source_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = plugin(tmp_path, SCORES)
    assert bench(tmp_path, "--strategies", mine, "random", "--seeds", "0") == 0
    assert verify(tmp_path, "--strategies", mine) == 0
    assert "mine:Mine, seed 0" in capsys.readouterr().out
    plugin(tmp_path, SCORES + "    # changed\n")
    assert verify(tmp_path, "--strategies", mine) == 2
    said = capsys.readouterr()
    assert "left out: mine:Mine: no run was computed by its present source" in said.out
    assert said.err.endswith("none of its runs can be computed again here\n")
    (tmp_path / "mine.py").unlink()
    assert verify(tmp_path) == 0
    out = capsys.readouterr().out
    assert "left out: mine:Mine: 'mine:Mine' is none of the suite's own: name it with --strategies" in out
    assert "computing 1 of 1 runs" in out


def test_an_older_versions_fingerprint_is_told_and_no_obstacle(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in experiment(copy).glob("runs/*/*.jsonl"):
        doctor(copy, lambda lines: lines[0].update(fingerprint="0" * 64), f"{path.parent.name}/{path.name}")
    change_description(copy, fingerprint="0" * 64)
    assert verify(copy, "--sample", "1") == 0
    out = capsys.readouterr().out
    assert "had another fingerprint (00000000, here " in out
    assert "computing 1 of 4 runs" in out


def test_the_time_limit_leaves_work(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(copy, "--time-limit", "0") == 3
    out = capsys.readouterr().out
    assert out.count("not computed") == 3
    assert "the same bits" not in out


@pytest.mark.parametrize(("failed", "status"), [(True, 1), (False, 3)])
def test_a_failure_outranks_the_time_limit(copy: Path, failed: bool, status: int) -> None:
    """What is drawn the next time are other runs."""
    with patch("benchmark.campaign.campaign.compute", return_value=(failed, {"stopped"})):
        assert verify(copy, *MARGIN) == status


def change_description(folder: Path, **changes: Any) -> None:
    path = experiment(folder) / "experiment.json"
    path.write_text(described(**{**json.loads(path.read_text()), **changes}))


def protocol(folder: Path, **changes: Any) -> None:
    known = json.loads((experiment(folder) / "experiment.json").read_text())["protocol"]
    change_description(folder, protocol={**known, **changes})


def test_runs_of_a_replay_that_has_features_are_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody else's, or of an older version: nothing reads the features."""
    protocol(copy, replay="file@0123456789abcdef", features=dataclasses.asdict(FeatureSettings()))
    assert verify(copy, "--strategies", "random") == 0
    assert capsys.readouterr().out.count("the same bits") == 2


OTHER_DATA = {"sha256": "0" * 64, "manifest_sha256": "0" * 64}
BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an unknown field": (lambda folder: protocol(folder, colour="red"), "experiment.json: there is no field 'colour'"),
    "a person": (lambda folder: protocol(folder, oracle="person"), "a person answered; that cannot be computed again"),
    "no runs": (lambda folder: shutil.rmtree(experiment(folder) / "runs"), "has no complete round"),
    "other data": (lambda folder: doctor(folder, lambda lines: lines[0]["dataset"].update(OTHER_DATA)), "SHA-256"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_verified_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    spoil, said = BAD[what]
    spoil(copy)
    assert verify(copy, "--sample", "9") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--verify", str(tmp_path / "none")) == 2
    assert f"there is no folder {tmp_path / 'none'}, and no experiment of that name" in capsys.readouterr().err
    assert bench(tmp_path, "--verify", str(tmp_path), "--sample", "0") == 2


def test_single_rounds_are_trained_from_the_labels_on_disk(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(copy)
    assert verify(copy, "--budgets", "20", "30", "--sample", "9") == 0
    out = capsys.readouterr().out
    assert out.count("the same bits") == 8
    assert "computing at 20 30 labels 4 of 4 runs in" in out
    assert everything(copy) == before


def test_of_a_single_round_only_what_it_trained_on_counts(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(copy, accuracy)  # of the round with 20 labels
    assert verify(copy, *MARGIN, "--budgets", "30") == 0
    assert verify(copy, *MARGIN, "--budgets", "20") == 1
    out = capsys.readouterr().out
    assert "margin, seed 1: at 20 labels: accuracy 0." in out
    assert "same bits are promised" in " ".join(out.split())


def test_a_strategy_s_own_training_is_part_of_its_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An attachment that takes part in the training, and labels that sit out."""
    names = ("learning-loss", "semi-supervised-learning-loss")
    budgets = ("--budgets", "20", "60", "80")
    assert bench(tmp_path, "--strategies", *names, "--seeds", "0", *budgets) == 0
    assert verify(tmp_path, "--budgets", "60", "80") == 0
    assert capsys.readouterr().out.count("the same bits") == 4


def test_rounds_that_are_not_there_or_not_alone_are_said(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(copy, "--budgets", "25") == 2
    said = capsys.readouterr()
    assert "left out: margin, seed 0: it has no round with 25 labels" in said.out
    assert "none of its runs can be computed again here" in said.err
