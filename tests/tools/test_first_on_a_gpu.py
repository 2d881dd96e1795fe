"""The first minutes on a GPU: a rehearsal on the CPU, and one line where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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
