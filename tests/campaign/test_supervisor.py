"""Workers that die: what it costs, what is said and recorded, and the bits of an undisturbed campaign."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.tiny import bench, experiment, plugin, run_lines

import run_benchmark
from benchmark.campaign import supervisor as supervisors
from benchmark.campaign.agenda import Agenda
from benchmark.campaign.memory import MemoryWatch
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Ended, Failure, Notice
from benchmark.results import failures
from benchmark.results.locks import Holder
from benchmark.results.paths import lock_path

CHECKOUT = Path(__file__).resolve().parents[2]

DIES = """\
import os, pathlib, signal

by = lambda number: os.kill(os.getpid(), number)
KILL = [lambda: by(signal.SIGKILL), lambda: by(signal.SIGSEGV), lambda: os._exit(7)]

class Mine(ScoreStrategy):
    def score(self, pool):
        marks = pathlib.Path({marks!r})
        if len(pool.indices) > 1000 and len(pool.labelled_indices) == {labels}:
            first = str(int(pool.labelled_indices[0]))  # another one for each seed
            died = [mark.name for mark in marks.glob("*")]
            if sum(mark.startswith(first + "-") for mark in died) < {times}:
                (marks / f"{{first}}-{{len(died)}}").touch()
                KILL[len(died) % 3]()
        return pool.probs[:, 0]
"""
SAID = ["its process was killed by SIGKILL", "its process was killed by SIGSEGV", "its process ended with exit code 7"]


def dying(folder: Path, times: int, labels: int) -> str:
    """A strategy whose process dies so often in the round with so many labels, every time in another way."""
    marks = folder / "marks"
    marks.mkdir()
    return plugin(folder, DIES.format(marks=str(marks), times=times, labels=labels))


def test_a_death_costs_one_round_and_the_run_is_retried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = ("--strategies", dying(tmp_path, 1, labels=20), "random", "--seeds", "0", "1", "2")
    assert bench(tmp_path, *request, "--workers", "2") == 0
    out = capsys.readouterr().out.splitlines()
    recorded, problems = failures.read(experiment(tmp_path))
    assert not problems
    assert sorted(record.error for record in recorded) == sorted(SAID)
    assert {(record.round, record.retried, record.traceback) for record in recorded} == {(1, True, "")}
    assert [line for line in out if line.startswith("retrying")] == [
        f"retrying: {record.key}: {record.error} in round 1; it begins again there in another process"
        for record in recorded
    ]
    for record in recorded:
        assert sum(f"{record.key}: 10 labels" in line for line in out) == 1  # the round before is computed once
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    assert bench(undisturbed, *request) == 0
    assert run_lines(tmp_path) == run_lines(undisturbed)


def test_a_run_whose_process_dies_twice_has_failed_and_a_repeat_computes_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = ("--strategies", dying(tmp_path, 2, labels=10), "random", "margin", "--seeds", "0")
    assert bench(tmp_path, *request, "--workers", "2") == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in out if "its process" in line] == ["retrying", "failed"]
    lines = run_lines(tmp_path)
    assert len(lines.pop("random/supervised-seed0.jsonl")) == len(lines.pop("margin/supervised-seed0.jsonl")) == 4
    recorded, _ = failures.read(experiment(tmp_path))
    assert [(record.round, record.retried) for record in recorded] == [(0, True), (0, False)]
    doctor = ["--doctor", str(experiment(tmp_path))]
    assert run_benchmark.main(doctor) == 0
    assert "failures.jsonl: mine:Mine, seed 0 failed in round 0 (" in capsys.readouterr().out
    assert bench(tmp_path, *request) == 0
    assert "2 of 3 runs are in" in capsys.readouterr().out
    assert run_benchmark.main(doctor) == 0
    assert "failed in round" not in capsys.readouterr().out  # it has been got over


# --- the supervisor's decisions, with workers that are pretended


@dataclass
class PretendedProcess:
    exitcode: int = -signal.SIGKILL
    pid: int = 1234

    def terminate(self) -> None: ...
    def join(self, seconds: float) -> None: ...


@dataclass
class PretendedWorker:
    """A worker that dies, runs out of memory or ends, as its script says of each task."""

    device: str
    first: Any = None
    task: Any = None
    is_ready: bool = True
    process: PretendedProcess = field(default_factory=PretendedProcess)
    handles: tuple[()] = ()
    cause: str = "its process was killed by SIGKILL"

    verdict: Any = None
    is_spoken_of: bool = False
    script = staticmethod(lambda task: Ended("done"))

    def begin(self, task: Any) -> None:
        self.task, self.verdict = task, type(self).script(task)

    def is_dead(self) -> bool:
        return self.verdict == "dies"

    def messages(self) -> Any:
        if isinstance(self.verdict, Ended):
            yield self.verdict

    def is_stopped(self) -> bool:
        return bool(self.task) and self.verdict == "stopped"

    def give_data(self, data: Any) -> None: ...
    def dismiss(self) -> None: ...
    def bury(self) -> None: ...


@dataclass(frozen=True)
class PretendedTask:
    key: str
    path: Path
    shared: frozenset[str] = frozenset()


def tasks(count: int) -> list[Any]:
    return [PretendedTask(f"run {i}", Path(f"/nowhere/{i}")) for i in range(count)]


def supervised(
    monkeypatch: pytest.MonkeyPatch, script: Any, workers: int, count: int, of_memory: bool
) -> tuple[list[Any], list[str]]:
    """What a supervisor reports and says of so many tasks."""
    monkeypatch.setattr(supervisors, "Worker", type("Scripted", (PretendedWorker,), {"script": staticmethod(script)}))
    monkeypatch.setattr(supervisors, "_UNTIL_OURS", 0.0)
    monkeypatch.setattr(supervisors, "wait_for", lambda handles, seconds: None)
    monkeypatch.setattr(MemoryWatch, "has_killed", lambda self, code: of_memory)
    said: list[str] = []
    with Supervisor(["cpu"] * workers) as executor:
        data: Any = None
        found = list(executor.execute(tasks(count), data, lambda event: said.append(event.line)))  # type: ignore[union-attr]
    return found, said


def test_memory_deaths_lower_the_number_of_workers_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found, said = supervised(monkeypatch, lambda task: "dies", workers=3, count=3, of_memory=True)
    assert said == [
        "memory is short: going on with 2 worker processes",
        "memory is short: going on with 1 worker process",
    ]
    assert sorted((finished.task.key, finished.retried) for finished in found) == [
        (f"run {i}", retried) for i in range(3) for retried in (False, True)
    ]


def test_what_runs_out_of_memory_without_dying_is_retried_after_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Ended("failed", Failure("MemoryError: ", "a traceback", of_memory=True))
    tries: list[str] = []

    def script(task: Any) -> Ended:
        tries.append(task.key)
        return short if task.key == "run 0" and tries.count("run 0") == 1 else Ended("done")

    found, said = supervised(monkeypatch, script, workers=1, count=3, of_memory=False)
    order = [(finished.task.key, finished.outcome) for finished in found]
    assert order == [("run 0", "failed"), ("run 1", "done"), ("run 2", "done"), ("run 0", "done")]
    assert (found[0].retried, said) == (True, [])


def test_other_deaths_leave_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    found, said = supervised(monkeypatch, lambda task: "dies", workers=2, count=4, of_memory=False)
    assert not said
    assert [finished.retried for finished in found].count(False) == 4


def test_a_stopped_worker_is_spoken_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def look(self: PretendedWorker) -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:  # somebody has let it go on
            self.verdict = Ended("done")
        return True

    monkeypatch.setattr(PretendedWorker, "is_stopped", look)
    found, said = supervised(monkeypatch, lambda task: "stopped", workers=1, count=1, of_memory=False)
    assert said == ["run 0: its process 1234 is stopped; kill -CONT 1234 lets it go on"]
    assert [finished.outcome for finished in found] == ["done"]


def test_workers_that_die_before_they_begin_end_the_campaign_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = type("Stillborn", (PretendedWorker,), {"is_dead": lambda self: True, "messages": lambda self: iter(())})
    monkeypatch.setattr(supervisors, "Worker", lambda *given: scripted(*given, is_ready=False))
    monkeypatch.setattr(supervisors, "_UNTIL_OURS", 0.0)
    monkeypatch.setattr(supervisors, "wait_for", lambda handles, seconds: None)
    data: Any = None
    with pytest.raises(OSError, match="die before they begin"), Supervisor(["cpu", "cpu"]) as executor:
        list(executor.execute(tasks(2), data, lambda event: None))


def test_kills_for_memory_are_told_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = tmp_path / "vmstat"
    monkeypatch.setattr("benchmark.campaign.memory._COUNTS", ((counts, "oom_kill"),))
    counts.write_text("pgfault 9\noom_kill 3\n")
    watch = MemoryWatch()
    assert not watch.has_killed(-signal.SIGKILL)
    counts.write_text("pgfault 9\noom_kill 4\n")
    assert not watch.has_killed(-signal.SIGSEGV)
    assert watch.has_killed(-signal.SIGKILL)
    assert not watch.has_killed(-signal.SIGKILL)
    counts.unlink()
    assert watch.has_killed(-signal.SIGKILL)  # nobody can tell: the cautious answer


# --- runs that another process holds


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_a_stopped_process_holds_is_said_and_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    request = ("--strategies", "random", "margin", "--seeds", "0", "--workers", workers)
    assert bench(tmp_path, *request, "--budgets", "10") == 0
    capsys.readouterr()
    lock = lock_path(experiment(tmp_path) / "runs" / "random" / "supervised-seed0.jsonl")
    script = (
        "import time; from pathlib import Path; from benchmark.results.locks import Lock\n"
        f"Lock(Path({str(lock)!r})).acquire(); print('locked', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        other.send_signal(signal.SIGSTOP)
        os.waitpid(other.pid, os.WUNTRACED)
        assert bench(tmp_path, *request) == 3
    finally:
        other.kill()
        other.wait()
    out = capsys.readouterr().out
    assert f"random, seed 0: process {other.pid} on " in out
    assert "which is stopped, is computing it; going on with other runs" in out
    assert "random, seed 0: left as it is: process" in out
    assert "runs are left that other processes hold: end those processes, and repeat the command to go on" in out
    assert "time limit" not in out
    lines = run_lines(tmp_path)
    assert [len(lines[f"{name}/supervised-seed0.jsonl"]) for name in ("margin", "random")] == [5, 2]
    assert bench(tmp_path, *request) == 0


@pytest.mark.parametrize(
    ("devices", "at_once"), [(["cpu"] * 2, 2), (["cuda:0"] * 3, 1), (["cuda:0", "cuda:1", "cuda:0"], 2)]
)
def test_workers_on_one_gpu_count_as_one_in_a_forecast(devices: list[str], at_once: int) -> None:
    assert Supervisor(devices).at_once == at_once


@pytest.mark.parametrize(("count", "others"), [(2, "b and 1 other,"), (3, "c and 2 others,")])
def test_it_is_said_how_many_runs_are_waited_for(tmp_path: Path, count: int, others: str) -> None:
    said: list[str] = []
    tasks: list[Any] = [PretendedTask(name, tmp_path / f"{name}.jsonl") for name in "abc"[:count]]
    agenda = Agenda(tasks, lambda event: said.append(event.line) if isinstance(event, Notice) else None)
    while (task := agenda.next()) is not None:
        assert agenda.over(task, Ended("busy", holder=Holder("another-host", 7, "1"))) is None
    assert said[-1] == f"only runs of other processes are left: waiting for {others} by process 7 on another-host"


def test_a_holder_at_work_is_waited_for_and_one_out_of_sight_only_for_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    agenda = Agenda(
        [PretendedTask("a run", tmp_path / "a.jsonl")],  # type: ignore[list-item]
        lambda event: said.append(event.line) if isinstance(event, Notice) else None,
    )
    elsewhere = Holder("another-host", 7, "1")
    task = agenda.next()
    assert task is not None
    assert agenda.over(task, Ended("busy", holder=elsewhere)) is None
    assert agenda.next() is None
    assert said == [
        "a run: process 7 on another-host is computing it; going on with other runs",
        "only runs of other processes are left: waiting for a run, by process 7 on another-host",
    ]
    time.sleep(agenda.pause or 0)
    assert agenda.next() == task
    monkeypatch.setattr("benchmark.campaign.agenda.PATIENCE", 0.0)
    finished = agenda.over(task, Ended("busy", holder=elsewhere))
    assert finished is not None
    assert finished.outcome == "held"
    assert not agenda
