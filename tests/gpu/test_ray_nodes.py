"""What a fresh process of a Ray node with a GPU says of runs to go on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.pretended_gpu import missing
from support.report_lines import header_of, round_of, write_lines
from support.tiny import run_task

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.pretended_gpu.pretending import pretended_gpu

from benchmark.campaign import ray
from benchmark.experiment import load
from benchmark.experiment.keys import RunKey
from benchmark.results import environment
from benchmark.training import backends


def as_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that PyTorch starts with."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.set_num_threads(2)


def test_a_fresh_worker_goes_on_with_a_run_of_the_same_kind_of_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = replace(run_task(tmp_path, load("digits"), RunKey("random", "supervised", 0)), device="cuda")
    with pretended_gpu():
        backends.settle()
        alike = environment.record(torch.device("cuda"))
        write_lines(task.path, replace(header_of(task.key, 10), environment=alike), [round_of(0, 10, 10)])
        as_in_a_fresh_process(monkeypatch)
        assert environment.differences(alike, environment.record(torch.device("cuda")))
        assert ray.node_problem(task) == ""
        other = replace(alike, device="cuda (another)")
        write_lines(task.path, replace(header_of(task.key, 10), environment=other), [round_of(0, 10, 10)])
        assert "it was started on another kind of node than" in ray.node_problem(task)
