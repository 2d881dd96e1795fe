"""The page on clusters: its commands are ones that the suite, the shell and the schedulers understand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.tiny import bench, run_lines

import run_benchmark
from benchmark.experiment import load
from strategies import registry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|yaml)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
VARIABLES = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "8", "JOB_COMPLETION_INDEX": "3"}


def commands() -> list[list[str]]:
    """The arguments of all commands of the suite on the page."""
    joined = re.sub(r"\n {14}(?=--)", " ", PAGE)  # a folded text of YAML
    return [
        shlex.split(re.sub(r"\$(\w+)", lambda name: VARIABLES[name[1]], line))
        for line in re.findall(r"python run_benchmark\.py (--.*)$", joined, re.MULTILINE)
    ]


def test_every_command_is_understood() -> None:
    assert len(commands()) == 8
    for arguments in commands():
        options = run_benchmark.parser().parse_args(arguments)
        assert run_benchmark.unused_flags(options, run_benchmark.given_flags(arguments)) == ""
        if options.protocol is not None:
            load(options.protocol)
            registry.expand(options.strategies)


def test_scripts_are_shell() -> None:
    for kind, text in BLOCKS:
        if kind == "sh":
            subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_manifest_is_a_job() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    (job,) = (yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize(("ends", "requeued"), [(0, False), (1, False), (3, True)])
def test_an_array_job_queues_itself_again_while_work_is_left(tmp_path: Path, ends: int, requeued: bool) -> None:
    """The script as it stands, with commands in place of Python and Slurm that note how they were called."""
    (script,) = (text for _, text in BLOCKS if text.startswith("#!/bin/bash"))
    for name, status in (("python", ends), ("scontrol", 0)):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/said\nexit {status}\n')
        stub.chmod(0o755)
    environment = {**VARIABLES, "SLURM_ARRAY_JOB_ID": "77", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(["bash", "-c", script], env=environment, check=False).returncode == ends
    said = (tmp_path / "said").read_text().splitlines()
    assert "--seeds 3 --workers 8" in said[0]
    assert said[1:] == (["scontrol requeue 77_3"] if requeued else [])


def test_an_array_computes_what_one_command_does(tmp_path: Path) -> None:
    """Seed by seed, each stopped by a time limit and repeated while the status is 3."""
    whole, array = tmp_path / "whole", tmp_path / "array"
    whole.mkdir()
    array.mkdir()
    assert bench(whole) == 0
    statuses = []
    for seed in ("0", "1"):
        statuses.append(bench(array, "--seeds", seed, "--time-limit", "0.01s"))
        assert bench(array, "--seeds", seed) == 0
    assert statuses == [3, 3]
    assert run_lines(array) == run_lines(whole)
