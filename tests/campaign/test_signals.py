"""Signals end the benchmark cleanly: status 3, one line, whole files, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tiny import bench, experiment, plugin

from benchmark.campaign.signals import STOPPING, Stopped, stopping
from benchmark.results.store import read_experiment

ROOT = Path(__file__).resolve().parents[2]
STATUS = 3


def command(folder: Path, workers: int) -> list[str]:
    places = ["--results-dir", str(folder / "results"), "--cache-dir", str(folder / "cache")]
    size = ["--budgets", "20", "40", "60", "80", "--set", "recipe.min_steps=60", "--seeds", "0", "1"]
    strategies = ["--strategies", "random", "margin", "entropy"]
    return [sys.executable, str(ROOT / "run_benchmark.py"), *strategies, *size, "--workers", str(workers), *places]


def start(folder: Path, workers: int) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(folder, workers),
        stdout=pipe,
        stderr=pipe,
        text=True,
        cwd=folder,
        env=env,
        start_new_session=True,
        preexec_fn=by_default,
    )


def by_default() -> None:
    """Ignore no signal: what runs the tests may, as nohup and a shell's background jobs do."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def not_ignored() -> Iterator[None]:
    """In this process likewise."""
    defaults = {
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_for_rounds(folder: Path, count: int) -> None:
    until = time.time() + 120
    while sum(path.read_bytes().count(b"\n") - 1 for path in folder.glob("results/*/runs/*/*.jsonl")) < count:
        assert time.time() < until, "no round was recorded"
        time.sleep(0.05)


def processes_of(group: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in listed.splitlines()]
    there = [args for pgid, stat, args in lines if int(pgid) == group and not stat.startswith("Z")]
    return [args for args in there if not args.startswith("[")]  # one that is ending has no arguments any more


@pytest.mark.parametrize(
    ("number", "workers", "rounds", "whole_group"),
    [
        (signal.SIGTERM, 1, 2, False),
        (signal.SIGHUP, 2, 3, False),
        (signal.SIGTERM, 2, 1, True),  # as a scheduler does it
        (signal.SIGINT, 2, 2, True),  # as a terminal does it
    ],
)
def test_a_signal_ends_at_once_with_status_3_and_repeating_goes_on(
    tmp_path: Path, number: signal.Signals, workers: int, rounds: int, whole_group: bool
) -> None:
    running = start(tmp_path, workers)
    wait_for_rounds(tmp_path, rounds)
    (os.killpg if whole_group else os.kill)(running.pid, number)
    _, errors = running.communicate(timeout=300)
    assert running.returncode == STATUS, errors
    assert errors.strip().splitlines()[-1] == f"interrupted by {number.name}; repeat the command to go on"
    assert "Traceback" not in errors
    assert processes_of(running.pid) == []
    (root,) = (tmp_path / "results").glob("digits*")
    before = {run.key: run.rounds for run in read_experiment(root).runs}  # every line is whole
    assert sum(map(len, before.values())) >= rounds
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    again = subprocess.run(command(tmp_path, 2), capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 0, again.stderr
    after = {run.key: run.rounds for run in read_experiment(root).runs}
    assert len(after) == 6
    assert all(after[key][: len(known)] == known for key, known in before.items())


def test_a_signal_while_the_program_starts_ends_it_with_status_3(tmp_path: Path) -> None:
    running = start(tmp_path, 1)
    time.sleep(1.0)  # PyTorch is being imported
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=300)
    assert running.returncode == STATUS, errors
    assert "Traceback" not in errors


def test_the_first_signal_raises_and_the_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(Stopped, match="SIGHUP"), stopping():
        signal.raise_signal(signal.SIGHUP)
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.parametrize("call", ["contextlib.nullcontext()", "restored()"])
def test_a_second_signal_ends_the_process(call: str) -> None:
    """Also where the first one came in a call into a plugin, after which the handlers are put back."""
    code = (
        "import contextlib, os, signal, time\n"
        "from benchmark.campaign.signals import stopping\n"
        "from strategies.api.process_state import restored\n"
        "with stopping():\n"
        "    try:\n"
        f"        with {call}:\n"
        "            os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)\n"
        "    except KeyboardInterrupt:\n"
        "        os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 128 + signal.SIGTERM


SWALLOWS = """\
class Mine(ScoreStrategy):
    def score(self, pool):
        import os, signal
        if len(pool.labels) == 20:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                sum(range(10**6))
            except BaseException:
                pass
        return pool.probs[:, 0]
"""


def test_an_interruption_that_a_plugin_swallows_stops_the_run_after_its_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = plugin(tmp_path, SWALLOWS)
    request = ("--strategies", mine, "random", "--seeds", "0", "--budgets", "10", "20", "30", "40")
    assert bench(tmp_path, *request) == STATUS
    assert "stopped by a signal; repeat the command to go on" in capsys.readouterr().out
    assert [len(run.rounds) for run in read_experiment(experiment(tmp_path)).runs] == [2]


def test_work_that_is_left_outranks_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a scheduler that repeats the command while its status is 3 would leave the other runs out."""
    fails = SWALLOWS.replace("pass", "raise ValueError('no luck') from None")
    request = ("--strategies", plugin(tmp_path, fails), "random", "--seeds", "0", "--budgets", "10", "20", "30")
    assert bench(tmp_path, *request) == STATUS
    said = capsys.readouterr().out
    assert "failed: mine:Mine, seed 0: ValueError: no luck" in said
    assert "stopped by a signal; repeat the command to go on" in said


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with stopping():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)
