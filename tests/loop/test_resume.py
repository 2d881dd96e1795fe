"""Runs that are killed, at any moment, and go on as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from support.tiny import bench, experiment, plugin, run_lines

from benchmark.loop.run import ActiveLearningRun
from benchmark.results.run_file import RunFile

ROOT = Path(__file__).resolve().parents[2]
REMEMBERS = """\
class Mine(ScoreStrategy):
    hooks = frozenset({"state"})

    def __init__(self):
        self.memory = torch.zeros(1, dtype=torch.float64)

    def score(self, pool):
        self.memory = 2 * self.memory + pool.probs.double().sum(0)
        return pool.probs.double() @ (self.memory % 1)

    def state_dict(self):
        return {"memory": self.memory}

    def load_state_dict(self, state):
        self.memory = state["memory"]
"""
SETTINGS: dict[str, tuple[str, ...]] = {
    "cold": ("--strategies", "margin", "learning-loss"),
    "warm": ("--strategies", "margin", "learning-loss", "--set", "warm_start=true"),
    "stateful": ("--strategies", "mine.py:Mine", "random"),
}


@pytest.fixture(params=SETTINGS)
def request_(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """What to run: one seed, four budgets, with nothing, weights or a strategy's memory to carry along."""
    arguments = " ".join(SETTINGS[request.param]).replace("mine.py:Mine", plugin(tmp_path, REMEMBERS)).split()
    return ("--seeds", "0", "--budgets", "10", "20", "30", "40", *arguments)


def start(target: Callable[..., None], *arguments: Any) -> Any:
    """A process of its own, forked from one that has imported all that a run needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["support.tiny", "benchmark.cli", "benchmark.commands.computing", "sklearn.datasets", "torch._dynamo"]
    )
    process = context.Process(target=target, args=arguments)
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):  # or it would not find ``tiny``
        process.start()
    return process


def run_to_the_end(folder: Path, arguments: tuple[str, ...], report: bool) -> None:
    os._exit(bench(folder, *arguments, report=report))


def run_to_a_crash(folder: Path, arguments: tuple[str, ...], point: str, occurrence: int) -> None:
    """Run until ``point`` is reached for the ``occurrence``-th time, and be killed there."""
    left = occurrence
    append, carry = RunFile._append, ActiveLearningRun._carry

    def dies(at: str) -> bool:
        nonlocal left
        left -= at == point
        return at == point and left == 0

    def appending(file: RunFile, line: bytes) -> None:
        if dies("before the line"):
            die()
        if dies("half a line"):
            with file.path.open("ab") as stream:
                stream.write(line[: len(line) // 2])
            die()
        append(file, line)
        if dies("behind the line"):
            die()

    def carrying(run: ActiveLearningRun, *arguments: Any) -> None:
        if dies("before the state"):
            die()
        carry(run, *arguments)

    with patch.object(RunFile, "_append", appending), patch.object(ActiveLearningRun, "_carry", carrying):
        run_to_the_end(folder, arguments, report=False)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def newest(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every run's header and the line that counts of every round."""
    return {
        run: [lines[0], *{line["round"]: line for line in lines[1:]}.values()]
        for run, lines in run_lines(folder).items()
    }


def test_killed_again_and_again(tmp_path: Path, request_: tuple[str, ...]) -> None:
    through, killed = tmp_path / "through", tmp_path / "killed"
    for folder in (through, killed):
        folder.mkdir()
    assert bench(through, *request_) == 0
    points = cycle([("half a line", 1), ("before the line", 2), ("behind the line", 1), ("before the state", 2)])
    kills = 0
    for point, occurrence in points:
        process = start(run_to_a_crash, killed, request_, point, occurrence)
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        assert kills < 30
    assert kills >= 6
    assert newest(killed) == newest(through)
    assert run_lines(killed) == run_lines(through)  # what was carried was there: no round was computed twice


def test_killed_and_the_cache_lost(tmp_path: Path, request_: tuple[str, ...]) -> None:
    """What is carried can be had again, by computing the run from its beginning; the lines come out the same."""
    through, killed = tmp_path / "through", tmp_path / "killed"
    for folder in (through, killed):
        folder.mkdir()
    assert bench(through, *request_) == 0
    process = start(run_to_a_crash, killed, request_, "behind the line", 4)  # of 5: header, rounds 0, 1, 2
    process.join()
    shutil.rmtree(killed / "cache")
    assert bench(killed, *request_) == 0
    assert newest(killed) == newest(through)


def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    through, both = tmp_path / "through", tmp_path / "both"
    for folder in (through, both):
        folder.mkdir()
    arguments = ("--set", "recipe.min_steps=40", "--strategies", "random", "margin", "entropy")
    assert bench(through, *arguments, report=True) == 0
    processes = [start(run_to_the_end, both, arguments, True) for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert run_lines(both) == run_lines(through)  # every line once, whoever wrote it
    assert curves(both).equals(curves(through))


def curves(folder: Path) -> pd.DataFrame:
    return pd.read_csv(experiment(folder) / "curves.csv").drop(columns=["train_seconds", "query_seconds"])


def test_a_killed_benchmark_leaves_no_worker_behind(tmp_path: Path) -> None:
    """The real thing: two workers, killed when some rounds are there, and the same command again."""
    through, killed = tmp_path / "through", tmp_path / "killed"
    for folder in (through, killed):
        folder.mkdir()
    more = ("--set", "recipe.min_steps=100")
    assert bench(through, *more, report=True) == 0
    shutil.copy(through / "tiny.toml", killed)
    places = [f"--{place}-dir={killed / place}" for place in ("data", "results", "cache")]
    command = [sys.executable, str(ROOT / "run_benchmark.py"), "--protocol", str(killed / "tiny.toml"), *more]
    command += ["--device", "cpu", "--workers", "2", *places]
    with (killed / "out").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
        wait_until(lambda: len(list(killed.glob("results/*/runs/*/*.jsonl"))) >= 2, 300)
        workers = descendants(process.pid)
        process.kill()
        process.wait()
    assert len(workers) >= 2
    wait_until(lambda: not any(is_alive(worker) for worker in workers), 30)
    assert 2 <= len(list(killed.glob("results/*/runs/*/*.jsonl"))) <= 4
    assert bench(killed, *more, report=True) == 0
    assert run_lines(killed) == run_lines(through)
    assert curves(killed).equals(curves(through))


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """All processes below ``pid``."""
    try:
        text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:
        return []
    return [found for child in map(int, text.split()) for found in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
