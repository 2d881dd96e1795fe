"""The settings of the backends: set in one place before anything is computed, and recorded."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from support.tiny import bench, run_lines

from benchmark.results import environment
from benchmark.results.records import UNKNOWN, EnvironmentRecord
from benchmark.training import backends

ROOT = Path(__file__).resolve().parents[2]
SET_OTHERWISE = """
import json, os, torch
from benchmark.training import backends
torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, True
torch.set_float32_matmul_precision("medium")
backends.settle()
cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
print(json.dumps([cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, products.allow_tf32,
    torch.get_float32_matmul_precision(), torch.get_num_threads(), os.environ["CUBLAS_WORKSPACE_CONFIG"]]))
"""


THREADS = """
import json, numpy
from benchmark.training import backends
backends.settle()
import scipy.linalg, sklearn.cluster
from threadpoolctl import threadpool_info
print(json.dumps([[library["user_api"], library["num_threads"]] for library in threadpool_info()]))
"""


def on_gpu() -> EnvironmentRecord:
    with patch("torch.cuda.get_device_name", lambda *_: "X"):
        return environment.record(torch.device("cuda"))


def test_whatever_was_set_before_is_settled() -> None:
    env = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":0:0"}
    done = subprocess.run(
        [sys.executable, "-c", SET_OTHERWISE],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(done.stdout) == [True, False, False, False, "highest", 1, ":4096:8"]


@pytest.mark.parametrize("threads", [None, "3"])
def test_every_library_has_one_thread_whether_loaded_before_or_after(threads: str | None) -> None:
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    env |= {} if threads is None else {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    assert {name for name, _ in found} >= {"blas", "openmp"}
    assert {count for _, count in found} == {1}


def test_a_run_is_computed_with_them(tmp_path: Path) -> None:
    torch.backends.cudnn.deterministic = False
    assert bench(tmp_path, "--strategies", "random", "--seeds", "0", "--budgets", "10") == 0
    assert torch.backends.cudnn.deterministic
    assert on_gpu().switches["cudnn_deterministic"] is True
    (lines,) = run_lines(tmp_path).values()
    assert not any("cud" in name for name in lines[0]["environment"]["switches"])


def test_a_header_of_a_gpu_names_what_decides_bits(tmp_path: Path) -> None:
    backends.settle()
    version = tmp_path / "version"
    version.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC 12.2\n"
    )
    with patch.object(environment, "DRIVER", version):
        found = on_gpu()
    assert (
        found.switches
        | {
            "cublas_workspace": ":4096:8",
            "cudnn_benchmark": False,
            "cudnn_deterministic": True,
            "cudnn_tf32": False,
            "matmul_tf32": False,
        }
        == found.switches
    )
    assert {"cuda", "cudnn", "matmul_reduced_bf16"} <= found.switches.keys()
    assert found.libraries["nvidia-driver"] == "550.54.15"
    version.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86  Release Build\n")
    with patch.object(environment, "DRIVER", version):
        assert on_gpu().libraries["nvidia-driver"] == "570.86"
    with patch.object(environment, "DRIVER", tmp_path / "none"):
        other = on_gpu()
    assert other.libraries["nvidia-driver"] == UNKNOWN
    assert environment.differences(found, other) == []  # a driver decides no bits
    tf32 = replace(found, switches={**found.switches, "cudnn_tf32": True})
    assert environment.differences(found, tf32) == ["cudnn_tf32 True here, False there"]


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_device_is_one_with_and_without_its_number(name: str) -> None:
    with patch("torch.cuda.get_device_name", lambda device: {None: "X", 0: "X", 1: "Y"}[device.index]):
        record = environment.record(torch.device(name))
        assert environment.differences(record, environment.record(torch.device("cuda"))) == []
        assert environment.differences(record, environment.record(torch.device("cuda:1"))) == [
            "device cuda (Y) here, cuda (X) there"
        ]
