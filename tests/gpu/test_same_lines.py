"""Whole runs on the pretended GPU and on the CPU write the same lines: every strategy, every learner, every head.

The pretended GPU computes on the CPU. So a difference is a decision of our code that depends on the device, and what
does not run there would not run on a GPU. The two find the centre of a cluster by different sums, and its two members
are equally far from the centre of a pair: there the last bit decides, on some processors otherwise than on others, and
distances are rounded here for the tie to be one.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from support.pretended_gpu import missing
from support.tiny import bench, experiment, run_lines
from torch import Tensor

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.pretended_gpu.pretending import pretended_gpu

import run_benchmark
from benchmark.learners import LEARNERS
from benchmark.results.paths import TRACES, slug
from strategies import registry
from strategies.kernels.distances import Points, squared_distances

COMMON = ("--seeds", "0", "--set", "features.steps=5", "features.batch_size=16")
# Learners that differ from their default in what they compute, with enough confidence to accept pseudo-labels.
FORMS = {
    **{name: name for name in LEARNERS},
    "pseudo-label": "pseudo-label[mu=2,teacher=true]",
    "self-training": "self-training[mu=2,revisions=2,threshold=0.2]",
    "noisy-student": "noisy-student[iterations=2,mu=2,teacher_width=0.5,threshold=0.05]",
}
# What a network trained in steps can run, and what a head solved on embeddings can.
NETWORK = tuple(name for name in registry.names() if "refits" not in registry.resolve(name).build().needs)
SOLVED = tuple(name for name in registry.names() if "attach" not in registry.resolve(name).build().hooks)
# A strategy that is slow with what it repeats many times, with fewer of them.
SHORTER = {
    "activeft": "activeft[iterations=10]",
    "batchbald": "batchbald[configurations=400]",
    "boss": "boss[batches=5]",
    "refine": "refine[batches=9,depth=2]",
}
# What these carry from round to round changes with weights that go on from the round before.
LATER = ("tod", "uherding", "semi-supervised-learning-loss[official=True]")
Lines = dict[str, list[dict[str, Any]]]


class Runs:
    """The lines of the same runs on the CPU and on the pretended GPU, and what the latter logged."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        for device in ("cpu", "cuda"):
            (folder / device).mkdir()
        with patch("strategies.kernels.clusters.squared_distances", _rounded_distances):
            self.statuses = {"cpu": bench(folder / "cpu", *arguments)}
            with pretended_gpu() as log:
                self.statuses["cuda"] = bench(folder / "cuda", *arguments, "--device", "cuda")
        self.operations = Counter(log.operations)
        self.waits = Counter(log.waits)
        self.lines = {device: _without_headers(run_lines(folder / device)) for device in ("cpu", "cuda")}

    def check(self, part: str) -> None:
        """The runs whose path has ``part`` are there, on both devices, with the same lines."""
        ours, theirs = ({k: v for k, v in self.lines[d].items() if part in k} for d in ("cuda", "cpu"))
        rounds = [len(lines) for path, lines in theirs.items() if not path.endswith(TRACES)]
        assert set(rounds) == {3}  # label counts
        assert ours == theirs


def _rounded_distances(points: Points, others: Points) -> Tensor:
    """Those to centres, which are in float32; those that clusters are merged by are in float64, and stay."""
    distances = squared_distances(points, others)
    return distances.round(decimals=4) if distances.dtype == torch.float32 else distances


def forms(strategies: tuple[str, ...]) -> list[str]:
    return [SHORTER.get(name, name) for name in strategies]


def folder_of(strategy: str) -> str:
    return f"{slug(SHORTER.get(strategy, strategy))}/"


def _without_headers(lines: Lines) -> Lines:
    """Without the lines that name the device, and with premises to ten digits: their sums are for reading only."""
    kept = {path: [line for line in own if "fingerprint" not in line] for path, own in lines.items()}
    for line in (line for own in kept.values() for line in own):
        for name, value in line.get("diagnostics", {}).items():
            if name.startswith("premise."):
                line["diagnostics"][name] = float(f"{value:.10g}")
    return kept


@pytest.fixture(scope="module")
def strategy_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("strategies")
    return Runs(folder, "--strategies", *forms(NETWORK), *COMMON)


@pytest.fixture(scope="module")
def head_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("heads")
    rng = np.random.default_rng(1)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 196)])
    rows = rng.normal(0, 1, (4, 14))[labels] + rng.normal(0, 1, (200, 14))
    np.savez(folder / "four.npz", x_train=rows[:150], y_train=labels[:150], x_test=rows[150:], y_test=labels[150:])
    settings = ("--model", "linear", "--set", "recipe.augmentation=none", "--budgets", "8", "16", "24", "--seeds", "0")
    return Runs(folder, "--dataset", str(folder / "four.npz"), "--strategies", *forms(SOLVED), *settings)


@pytest.fixture(scope="module")
def learner_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("learners")
    arguments = ("--strategies", "learning-loss", "--learner", *FORMS.values())
    return Runs(folder, *arguments, *COMMON)


@pytest.fixture(scope="module")
def later_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Each training starts from the weights of the one before."""
    folder = tmp_path_factory.mktemp("later")
    return Runs(folder, "--strategies", *LATER, *COMMON, "warm_start=true")


def test_all_runs_finish(strategy_runs: Runs, learner_runs: Runs, later_runs: Runs, head_runs: Runs) -> None:
    for runs in (strategy_runs, learner_runs, later_runs, head_runs):
        assert runs.statuses == {"cpu": 0, "cuda": 0}
        assert runs.operations["addmm" if runs is head_runs else "convolution"] > 0
        assert runs.waits


@pytest.mark.parametrize("strategy", SOLVED)
def test_a_strategy_queries_the_same_with_a_solved_head(strategy: str, head_runs: Runs) -> None:
    head_runs.check(folder_of(strategy))


@pytest.mark.parametrize("strategy", NETWORK)
def test_a_strategy_queries_the_same(strategy: str, strategy_runs: Runs) -> None:
    strategy_runs.check(folder_of(strategy))


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_learner_fits_the_same(learner: str, learner_runs: Runs) -> None:
    learner_runs.check(f"/{learner}")


@pytest.mark.parametrize("strategy", LATER)
def test_what_goes_from_round_to_round_is_the_same(strategy: str, later_runs: Runs) -> None:
    later_runs.check(strategy.partition("[")[0])


def test_a_replay_trains_the_same(tmp_path: Path, learner_runs: Runs) -> None:
    lines = []
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
        places = [f"--{place}-dir={tmp_path / device / place}" for place in ("data", "results", "cache")]
        asked = ("--set", "recipe.momentum=0.8", "--workers", "1")
        command = ["--replay", str(experiment(learner_runs.folder / "cpu")), *asked, *places]
        with patch("benchmark.commands.computing.show"), pretended_gpu() if device == "cuda" else nullcontext():
            assert run_benchmark.main([*command, "--device", device]) == 0
        lines.append(_without_headers(run_lines(tmp_path / device)))
    assert len(lines[0]) == 1
    assert lines[0] == lines[1]
