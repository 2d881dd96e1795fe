"""Whole runs through the command line: complete, repeated, shorter, longer, afresh, in parallel, paired, failing."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
import torch
from support.tiny import RAISES, bench, experiment, plugin, run_lines

from benchmark import ENGINE_VERSION
from benchmark.data import datasets
from benchmark.data.manifest import manifest_of
from benchmark.results import failures
from benchmark.results.store import read_run

RUNS = ["margin/supervised-seed0.jsonl", "margin/supervised-seed1.jsonl"]
RUNS += ["random/supervised-seed0.jsonl", "random/supervised-seed1.jsonl"]


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid of two strategies and two seeds; not to be written to."""
    folder = tmp_path_factory.mktemp("complete")
    assert bench(folder) == 0
    return folder


@pytest.fixture
def copy(complete: Path, tmp_path: Path) -> Path:
    """A copy of the finished grid, to go on with."""
    return Path(shutil.copytree(complete, tmp_path / "copy"))


def read(folder: Path, run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (experiment(folder) / "runs" / run).read_text().splitlines()]


def test_a_grid_leaves_lines_tables_figures_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, report=True) == 0
    root = experiment(tmp_path)
    curves = pd.read_csv(root / "curves.csv")
    assert curves.columns[:5].tolist() == ["strategy", "learner", "seed", "labels", "accuracy"]
    rows = {(row.strategy, row.seed, row.labels): row.accuracy for row in curves.itertuples()}
    assert set(rows) == {(s, k, n) for s in ("random", "margin") for k in (0, 1) for n in (10, 20, 30)}
    for run in RUNS:
        header, *rounds = read(tmp_path, run)
        for line in rounds:
            assert line["accuracy"] == pytest.approx(
                rows[header["key"]["strategy"], header["key"]["seed"], line["num_labelled"]]
            )
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts}
    expected = {f"tables/{table}.{kind}" for table in ("accuracy", "summary") for kind in ("csv", "md", "tex")}
    expected |= {f"figures/accuracy.{kind}" for kind in ("png", "pdf")} | {"README.md", "experiment.json", "curves.csv"}
    assert expected | {f"runs/{run}" for run in RUNS} <= there
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("[") and "labels, accuracy" in line for line in lines) == 12
    assert lines[0].startswith("4 of 4 runs are left, 12 rounds: about ")
    assert next(line for line in lines if line.startswith("[")).startswith(
        "[1/12] random, seed 0: 10 labels, accuracy "
    )
    assert lines[-1].endswith(f"runs, tables and figures are in {root}")


def test_a_header_says_what_was_computed_where_and_on_which_data(complete: Path) -> None:
    digits = datasets.load("digits")
    for run in RUNS:
        record = read_run(experiment(complete) / "runs" / run)
        assert record is not None
        header, environment = record.header, record.header.environment
        assert run == f"{header.key.strategy}/{header.key.learner}-seed{header.key.seed}.jsonl"
        assert (header.engine_version, header.diagnostic, header.feature_seed) == (ENGINE_VERSION, False, None)
        assert (header.dataset.sha256, header.dataset.manifest_sha256) == (digits.sha256, manifest_of(digits).sha256)
        assert environment.num_threads == 1
        assert environment.cpu_capability == torch.backends.cpu.get_cpu_capability()
        assert environment.libraries["torch"] == metadata.version("torch")
        assert environment.device.startswith("cpu (")


def test_the_same_command_again_computes_nothing_and_says_so(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in copy.glob("results/*/runs/*/*")}
    shutil.rmtree(copy / "cache")
    assert bench(copy, "--data-dir", "nowhere") == 0
    assert {path: path.read_bytes() for path in copy.glob("results/*/runs/*/*")} == before
    out = capsys.readouterr().out
    assert f"4 of 4 runs are in {experiment(copy)} already; --fresh recomputes them" in out
    assert "labels, accuracy" not in out


def test_fewer_budgets_read_a_beginning_of_the_lines(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_lines(copy)
    assert bench(copy, "--budgets", "10", "20", "--seeds", "1", "--strategies", "margin", report=True) == 0
    assert run_lines(copy) == before
    out = capsys.readouterr().out
    assert "1 of 1 runs are in" in out
    (row,) = (line.split() for line in out.splitlines() if line.startswith("  margin"))
    accuracies = [100 * line["accuracy"] for line in read(copy, RUNS[1])[1:3]]
    assert [float(cell) for cell in row[1:3]] == pytest.approx(accuracies, abs=0.05)


def test_another_axis_computes_only_what_is_missing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_lines(copy)
    assert bench(copy, "--seeds", "0", "1", "2", "--strategies", "random", "entropy") == 0
    after = run_lines(copy)
    assert {key: after[key] for key in before} == before
    assert len(after) == 4 + 1 + 3
    assert "2 of 6 runs are in" in capsys.readouterr().out


@pytest.mark.parametrize("warm", ["false", "true"])
def test_a_longer_ladder_goes_on_as_if_it_had_been_long_at_once(tmp_path: Path, warm: str) -> None:
    """With a warm start the weights are gone when the short ladder ends: its rounds are computed again, and agree."""
    long = ("--budgets", "10", "20", "30", "40", "--set", f"warm_start={warm}", "--seeds", "0")
    step_by_step, at_once = tmp_path / "steps", tmp_path / "once"
    for folder in (step_by_step, at_once):
        folder.mkdir()
    assert bench(step_by_step, "--budgets", "10", *long[5:]) == 0
    assert bench(step_by_step, "--budgets", "10", "20", *long[5:]) == 0
    assert bench(step_by_step, *long) == 0
    assert bench(at_once, *long) == 0
    expected, found = run_lines(at_once), run_lines(step_by_step)
    assert found.keys() == expected.keys()
    for run, lines in expected.items():
        assert found[run][0] == lines[0]
        newest = {line["round"]: line for line in found[run][1:]}
        assert list(newest.values()) == lines[1:]
    assert not list(step_by_step.glob("cache/carried/*"))  # what was carried is not kept
    assert len(json.loads((experiment(step_by_step) / "experiment.json").read_text())["protocol"]["budgets"]) == 4


def test_fresh_computes_the_same_bits_beside(copy: Path) -> None:
    before = run_lines(copy)
    shutil.rmtree(copy / "cache")
    assert bench(copy, "--fresh") == 0
    after = run_lines(copy)
    assert after == before | {run.replace(".jsonl", ".2.jsonl"): lines for run, lines in before.items()}


def test_two_processes_compute_the_same_bits_as_one(complete: Path, tmp_path: Path) -> None:
    assert bench(tmp_path, "--workers", "2") == 0
    assert run_lines(tmp_path) == run_lines(complete)
    shared = [read(tmp_path, run)[1]["shared_training"] for run in RUNS]
    assert sorted(shared) == [False, False, True, True]  # either may have been first, nobody trained twice


def test_round_0_is_trained_once_and_shared(complete: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        first, second = read(complete, RUNS[2 + seed])[1], read(complete, RUNS[seed])[1]
        assert (first["shared_training"], second["shared_training"]) == (False, True)
        assert first["seconds"]["train"] == second["seconds"]["train"]
    assert bench(tmp_path, "--strategies", "margin", "--seeds", "1") == 0
    alone = read(tmp_path, RUNS[1])
    assert [line["shared_training"] for line in alone[1:]] == [False] * 3
    assert run_lines(tmp_path)[RUNS[1]] == run_lines(complete)[RUNS[1]]


def test_every_comparison_is_paired(tmp_path: Path) -> None:
    """All strategies of a seed share the initial labels, the weights, the batches and the dropout masks.

    Learning loss brings a module into the training and cannot share round 0, yet leaves the network as it is unless
    it is told to pass its gradient on: it finds the same numbers only if nothing of the module's draws reaches the
    network's.
    """
    strategies = ("random", "badge", "learning-loss", "learning-loss[preset=authors]")
    assert bench(tmp_path, "--strategies", *strategies) == 0
    of_seed: dict[int, list[list[dict[str, Any]]]] = {0: [], 1: []}
    for lines in run_lines(tmp_path).values():
        of_seed[lines[0]["key"]["seed"]].append(lines)
    for runs in of_seed.values():
        assert len(runs) == len(strategies)
        assert len({str(lines[0]["initial"]) for lines in runs}) == 1
        first = {lines[0]["key"]["strategy"]: lines[1] for lines in runs}
        trained = first["learning-loss[preset=authors]"]
        for name in strategies[:3]:
            assert first[name]["accuracy"] == first["random"]["accuracy"]
            assert first[name]["nll"] == first["random"]["nll"]
        assert trained["nll"] != pytest.approx(first["random"]["nll"], rel=1e-6)
        assert len({str(line["acquired_indices"]) for line in first.values()}) > 1
    assert of_seed[0][0][0]["initial"] != of_seed[1][0][0]["initial"]


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_nothing_is_bought_twice_and_the_answers_are_the_oracles(tmp_path: Path, noise: float) -> None:
    assert bench(tmp_path, "--strategies", "badge", "--set", f"label_noise={noise}", "candidates=200") == 0
    labels = datasets.load("digits").train_labels
    for header, *rounds in run_lines(tmp_path).values():
        indices, answers = header["initial"]["acquired_indices"], header["initial"]["acquired_labels"]
        for line in rounds:
            assert line["num_labelled"] == len(indices)
            assert len(line["acquired_indices"]) == len(line["acquired_labels"]) == (0 if line is rounds[-1] else 10)
            indices, answers = indices + line["acquired_indices"], answers + line["acquired_labels"]
        assert len(set(indices)) == len(indices) == 30
        wrong = sum(answer != label for answer, label in zip(answers, labels[indices].tolist(), strict=True))
        assert wrong == 0 if noise == 0 else 5 < wrong < 25


@pytest.mark.parametrize("warm", [True, False])
def test_a_warm_start_takes_over_network_and_attachment(tmp_path: Path, warm: bool) -> None:
    """At a learning rate of next to nothing they stay as they are, and two purchases are the two halves of one."""
    carried = f"warm_start={str(warm).lower()}"
    still = (
        "--strategies",
        "learning-loss[batcher=topk]",
        "--seeds",
        "0",
        "--set",
        carried,
        "recipe.learning_rate=1e-30",
    )
    steps, leap = tmp_path / "steps", tmp_path / "leap"
    for folder, budgets in ((steps, ("10", "15", "20")), (leap, ("10", "20"))):
        folder.mkdir()
        assert bench(folder, "--budgets", *budgets, *still) == 0
    ((_, first, second, _),) = run_lines(steps).values()
    ((_, at_once, _),) = run_lines(leap).values()
    assert (first["nll"] == second["nll"]) is warm
    assert (first["acquired_indices"] + second["acquired_indices"] == at_once["acquired_indices"]) is warm


def test_two_random_subsets_of_the_pool_exclude_one_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The protocol's candidates, and that of a strategy by ``subset:`` or by its own batcher."""
    dry = ("--set", "candidates=100", "recipe.min_steps=1", "--budgets", "10", "15", "--seeds", "0")
    own = (("learning-loss", "batcher=topk, or "), ("noise-stability", "subset=0, or "))
    for strategy, instead in (("subset:margin", ""), *own):
        assert bench(tmp_path, "--strategies", strategy, *dry) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"error: strategy '{strategy}' cannot run here: it draws a random subset of the pool, and so does the "
            f"protocol (candidates=100): write {instead}--set candidates=0"
        ]
    assert bench(tmp_path, "--strategies", "learning-loss[batcher=topk]", "margin", *dry) == 0
    assert bench(tmp_path, "--strategies", "stochastic", *dry) == 0
    assert "left out: subset:margin: it draws a random subset" in capsys.readouterr().out
    together = ("--strategies", "subset:margin", "learning-loss", "--set", "candidates=0", *dry[2:])
    assert bench(tmp_path, *together) == 0


def test_balanced_initial_labels_are_as_even_as_can_be(tmp_path: Path) -> None:
    assert bench(tmp_path, "--set", "initial=balanced", "--budgets", "15", "--strategies", "random") == 0
    initial = [lines[0]["initial"] for lines in run_lines(tmp_path).values()]
    for known in initial:
        counts = [known["acquired_labels"].count(label) for label in range(10)]
        assert sorted(counts) == [1] * 5 + [2] * 5
    assert initial[0]["acquired_indices"] != initial[1]["acquired_indices"]


def test_one_run_fails_and_the_others_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing = plugin(tmp_path, RAISES)
    assert bench(tmp_path, "--strategies", failing, "random", report=True) == 1
    out = capsys.readouterr().out
    log = experiment(tmp_path) / "failures.jsonl"
    for seed in (0, 1):
        assert f"failed: mine:Mine, seed {seed}: RuntimeError: no luck today (traceback in {log})" in out.splitlines()
    recorded, _ = failures.read(experiment(tmp_path))
    assert [(record.key.seed, record.round, record.retried) for record in recorded] == [(0, 0, False), (1, 0, False)]
    assert all('raise RuntimeError("no luck' in record.traceback for record in recorded)
    lines = run_lines(tmp_path)
    assert [len(lines[run]) for run in RUNS[2:]] == [4, 4]
    assert [len(found) for run, found in lines.items() if run.startswith("mine")] == [1, 1]
    assert bench(tmp_path, "--strategies", failing, report=True) == 1  # nothing to show, yet no other error
    assert "no round was finished" in capsys.readouterr().out


def test_the_time_limit_stops_at_a_rounds_end(
    complete: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch("benchmark.campaign.supervisor.Worker", side_effect=AssertionError):
        assert bench(tmp_path, "--time-limit", "0", "--workers", "2", report=True) == 3
    said = capsys.readouterr().out
    assert said.endswith("there is nothing to show yet\nstopped at the time limit; repeat the command to go on\n")
    assert list(tmp_path.glob("results/*/runs/*/*")) == []
    limit, stops = 0.05, 0
    while bench(tmp_path, "--time-limit", f"{limit:.3f}s") == 3:
        limit, stops = limit + 0.05, stops + 1
        assert stops < 100
    assert stops > 0
    assert run_lines(tmp_path) == run_lines(complete)


def test_all_leaves_out_what_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry = ("--set", "model.parameters.dropout=0.0", "recipe.min_steps=1", "--budgets", "10", "--seeds", "0")
    assert bench(tmp_path, "--strategies", "all", *dry) == 0
    assert "left out: bald: it needs dropout, and model 'cnn' has none" in capsys.readouterr().out
    names = {lines[0]["key"]["strategy"] for lines in run_lines(tmp_path).values()}
    assert {"random", "badge", "learning-loss"} <= names
    assert "bald" not in names
    assert bench(tmp_path, "--strategies", "random", "bald", *dry) == 2
    assert "error: strategy 'bald' cannot run here: it needs dropout" in capsys.readouterr().err
