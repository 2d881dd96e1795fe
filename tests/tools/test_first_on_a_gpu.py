"""The first minutes on a GPU: a rehearsal on the CPU, and one line where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tools.gpu import first
from tools.gpu.trainings import Bench

TOOL = Path(__file__).resolve().parents[2] / "tools" / "gpu" / "first.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_rehearsal_measures_all_but_kernels_and_graphs(tmp_path: Path) -> None:
    done = run("--rehearse", "--cases", "cnn", "--output", tmp_path / "measured.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "measured.jsonl").read_text()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["what"] for line in lines] == [
        "device",
        "matmul",
        *["same bits"] * 2,
        *["eager step"] * 2,
        "pool pass",
        "plain step",
    ]
    assert all(line["same"] for line in lines if line["what"] == "same bits")
    assert all(line["ms"] > 0 for line in lines if line["what"] in ("eager step", "plain step"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("PyTorch finds no GPU: add --rehearse for a rehearsal on the CPU")
    assert done.stdout == ""


def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *measures: Callable[[Bench], None]) -> list[Any]:
    """The lines of a rehearsal that measures these."""
    monkeypatch.setattr(first, "measurements", lambda cases: ((measure,) for measure in measures))
    monkeypatch.setattr("sys.argv", ["first.py", "--rehearse", "--output", str(tmp_path / "measured.jsonl")])
    first.main()
    return [json.loads(line) for line in (tmp_path / "measured.jsonl").read_text().splitlines()]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that PyTorch starts with."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)


@pytest.mark.usefixtures("fresh")
def test_it_measures_under_the_settings_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure_settings(bench: Bench) -> None:
        cudnn = torch.backends.cudnn
        found = [os.environ.get("CUBLAS_WORKSPACE_CONFIG"), cudnn.deterministic, cudnn.allow_tf32]
        bench.report("settings", found=[*found, torch.get_num_threads()])

    lines = measured(tmp_path, monkeypatch, measure_settings, lambda bench: first.measure_bits(bench, "cnn"))
    assert lines[1]["found"] == [":4096:8", True, False, 1]
    cudnn = torch.backends.cudnn
    assert (cudnn.deterministic, cudnn.allow_tf32) == (True, False)  # as before


@pytest.mark.usefixtures("fresh")
def test_a_measurement_that_fails_is_said_and_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(learner: str) -> None:
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be")

    def measure_bits(bench: Bench) -> None:
        first.measure_bits(bench, "cnn")

    def measure_settings(bench: Bench) -> None:
        bench.report("settings", deterministic=torch.backends.cudnn.deterministic)

    monkeypatch.setattr(first, "build", build)
    said = {
        "measurement": "bits",
        "of": [],
        "error": "RuntimeError: CUDA error: out of memory CUDA kernel errors might be",
    }
    assert measured(tmp_path, monkeypatch, measure_bits, measure_settings)[1:] == [
        {"what": "failed", **said},
        {"what": "settings", "deterministic": True},
    ]


@pytest.mark.usefixtures("fresh")
def test_graphs_are_measured_without_changing_settings() -> None:
    first.measure_graphs(Bench(torch.device("cpu"), None), "cnn")
    assert not torch.backends.cudnn.deterministic
