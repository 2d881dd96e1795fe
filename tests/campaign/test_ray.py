"""Runs as Ray tasks, on a cluster of two nodes that the tests start; those are skipped without the extra."""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.report_lines import header_of, round_of, write_lines
from support.tiny import bench, experiment, plugin, run_lines, run_task

import run_benchmark
from benchmark.campaign import ray as ray_executor
from benchmark.experiment import ProtocolError, load
from benchmark.experiment.keys import RunKey
from benchmark.results import environment, failures

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra 'ray' is not installed")
CHECKOUT = Path(__file__).resolve().parents[2]
SLOW = """\
class Mine(Strategy):
    def select(self, pool, n, generator):
        import time
        time.sleep(0.2)
        return torch.randperm(len(pool.indices), generator=generator)[:n]
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The node that commands are given on, which computes a run at a time, and another that can be lost."""
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from ray.cluster_utils import Cluster

    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    memory = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    both = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "resources": {"stays": 1}, **memory})
    try:
        both.add_node(num_cpus=1, resources={"goes": 1}, object_store_memory=memory["object_store_memory"])
        both.wait_for_nodes()
        ray.init(address=both.address, log_to_driver=False)
        yield both
    finally:
        ray.shutdown()
        both.shutdown()


def folders(tmp_path: Path) -> tuple[Path, Path]:
    here, there = tmp_path / "here", tmp_path / "ray"
    here.mkdir()
    there.mkdir()
    return here, there


@needs_ray
def test_a_lost_node_costs_the_round_in_hand(
    tmp_path: Path, cluster: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative folders, data that only the command's own node has, and in the end the bits of a local campaign."""
    here, there = folders(tmp_path)
    mine = plugin(tmp_path, SLOW)
    request = ("--strategies", mine, "--seeds", "0", "1", "2", "--budgets", *map(str, range(10, 81, 10)))
    assert bench(here, *request) == 0
    (lost,) = cluster.worker_nodes

    over = threading.Event()

    def lose_a_node() -> None:
        while not over.wait(0.02):
            begun = list(there.glob("results/*/runs/*/*-seed?.jsonl"))
            if len(begun) >= 2 and all(path.read_bytes().count(b"\n") > 2 for path in begun[:2]):
                cluster.remove_node(lost, allow_graceful=False)
                return

    thread = threading.Thread(target=lose_a_node)
    thread.start()
    capsys.readouterr()
    monkeypatch.chdir(there)
    relative = [f"--{place}-dir={place}" for place in ("data", "results", "cache")]
    try:
        assert bench(there, *request, "--executor", "ray", *relative) == 0
    finally:
        over.set()
        thread.join()
    assert run_lines(there) == run_lines(here)
    found = failures.read(experiment(there))[0]
    assert all(failure.retried for failure in found)
    assert [0 < failure.round < 8 for failure in found].count(True) == 1  # another may have waited there to begin
    said = Counter(re.findall(r"^\[\d+/\d+\] (.*? labels), ", capsys.readouterr().out, re.MULTILINE))
    assert max(said.values()) == 1  # no round is computed again that was on disk


@needs_ray
def test_resources_say_where_runs_go(tmp_path: Path, cluster: Any) -> None:
    """Two runs at a time on a fraction of what one node alone has."""
    here, there = folders(tmp_path)
    assert bench(here) == 0
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
    assert bench(there, "--executor", "ray", "--resources", "stays=0.5", "cpu=0.5") == 0
    assert run_lines(there) == run_lines(here)


@needs_ray
def test_a_replay_has_the_bits_of_a_local_one(tmp_path: Path, cluster: Any) -> None:
    source, *both = (tmp_path / name for name in ("source", "here", "there"))
    for folder in (source, *both):
        folder.mkdir()
    assert bench(source, "--strategies", "margin", "learning-loss") == 0
    for folder, executor in zip(both, ((), ("--executor", "ray")), strict=True):
        places = [f"--{place}-dir={folder / place}" for place in ("data", "results", "cache")]
        asked = ("--strategies", "margin", "learning-loss")
        command = ["--replay", str(experiment(source)), "--device", "cpu", *asked, *places, *executor]
        with patch("benchmark.commands.computing.show"):
            assert run_benchmark.main(command) == 0
    here, there = map(run_lines, both)
    assert len(here) == 4
    assert there == here


def test_amounts_of_a_run() -> None:
    assert ray_executor.options({}, "cpu") == {"num_cpus": 1.0, "resources": {}}
    assert ray_executor.options({}, "cuda:1") == {"num_cpus": 1.0, "num_gpus": 1.0, "resources": {}}
    shared = ray_executor.options({"gpu": 0.25, "cpu": 0.5, "epyc": 1.0}, "cuda")
    assert shared == {"num_cpus": 0.5, "num_gpus": 0.25, "resources": {"epyc": 1.0}}
    with pytest.raises(ProtocolError, match="--resources gpu has no effect on the CPU"):
        ray_executor.options({"gpu": 0.25}, "cpu")
    with pytest.raises(ProtocolError, match=r"--resources gpu=1\.5: give a fraction below 1 or a whole number"):
        ray_executor.options({"gpu": 1.5}, "cuda")


@pytest.mark.parametrize("amount", ["gpu", "gpu=", "gpu=0", "gpu=-1", "=1", "gpu=1e3", "gpu=nan", "gpu=0.2.1", "a b=1"])
def test_what_is_no_amount_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], amount: str) -> None:
    assert bench(tmp_path, "--executor", "ray", f"--resources={amount}") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_resources_have_no_effect_without_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--resources", "gpu=0.25") == 2
    assert "--resources has no effect without --executor ray: leave out" in capsys.readouterr().err


def test_a_node_that_does_not_share_the_folder_computes_nothing(tmp_path: Path) -> None:
    task = run_task(tmp_path, load("digits"), RunKey("random", "supervised", 0))
    assert "give a --results-dir on a file system that all nodes share" in ray_executor.node_problem(task)
    task.path.parents[2].mkdir(parents=True)
    assert ray_executor.node_problem(task) == ""


def test_a_node_of_another_kind_continues_no_run(tmp_path: Path) -> None:
    task = run_task(tmp_path, load("digits"), RunKey("random", "supervised", 0))
    header = header_of(task.key, 10)
    write_lines(task.path, header, [round_of(0, 10, 10)])
    assert "it was started on another kind of node than" in ray_executor.node_problem(task)
    alike = environment.record(torch.device("cpu"))
    write_lines(task.path, replace(header, environment=alike), [round_of(0, 10, 10)])
    assert ray_executor.node_problem(task) == ""


def test_a_node_continues_a_published_run_only_if_it_is_of_its_kind(tmp_path: Path) -> None:
    own = run_task(tmp_path, load("digits"), RunKey("random", "supervised", 0))
    own.path.parents[2].mkdir(parents=True)
    task = replace(own, begun=tmp_path / "published" / own.path.name)
    assert f"has no {task.begun}: give a --published on a file system that" in ray_executor.node_problem(task)
    header = header_of(task.key, 10)
    write_lines(task.begun, header, [round_of(0, 10, 10)])
    assert "it was started on another kind of node than" in ray_executor.node_problem(task)
    alike = replace(header, environment=environment.record(torch.device("cpu")))
    write_lines(task.path, alike, [round_of(0, 10, 10)])  # taken over meanwhile: the run to continue
    assert ray_executor.node_problem(task) == ""
