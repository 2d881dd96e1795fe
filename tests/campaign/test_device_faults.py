"""Devices that fail or are full: what costs a process, what a run, and when a campaign goes on without a device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.tiny import run_task

from benchmark.campaign import in_process
from benchmark.campaign import ray as ray_executor
from benchmark.campaign import supervisor as supervisors
from benchmark.campaign.agenda import Agenda
from benchmark.campaign.in_process import InProcess
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Ended, Failure, Finished, failure_of, perform
from benchmark.campaign.worker import Worker
from benchmark.experiment import load
from benchmark.experiment.keys import RunKey

ILLEGAL = "CUDA error: an illegal memory access was encountered"
FAULT = Ended("failed", Failure(ILLEGAL, "a traceback", of_device=True))
FULL = Ended("failed", Failure("CUDA error: out of memory", "a traceback", of_memory=True))


# --- what an exception says


@pytest.mark.parametrize(
    ("error", "of_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA driver error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError(ILLEGAL), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(…)`"), False),
        (ValueError("no luck"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_failures(error: Exception, of_memory: bool) -> None:
    assert failure_of(error, "cpu").of_memory == of_memory


@pytest.mark.parametrize("responds", [True, False])
def test_after_a_failure_a_gpu_is_asked_whether_it_still_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, responds: bool
) -> None:
    asked: list[str] = []

    def synchronize(device: str) -> None:
        asked.append(device)
        if not responds:
            raise RuntimeError(ILLEGAL)

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    task = run_task(tmp_path, load("digits"), RunKey("random", "supervised", 0))
    fails: Any = replace(task, source_sha256="another", device="cuda:1")
    data: Any = None
    failure = perform(fails, data, lambda event: None).failure
    assert failure is not None
    assert (asked, failure.of_device) == (["cuda:1"], not responds)
    failure = perform(replace(fails, device="cpu"), data, lambda event: None).failure
    assert failure is not None
    assert (asked, failure.of_device) == (["cuda:1"], False)


# --- under a supervisor, with workers that are pretended


@dataclass(eq=False)
class ScriptedWorker:
    """A worker that does what ``script`` says of each task, None standing for its beginning; ``dies`` or an end."""

    device: str
    first: Any = None
    task: Any = None
    is_ready: bool = False
    is_spoken_of: bool = False
    handles: tuple[()] = ()
    cause: str = "its process ended with exit code 1"
    process: Any = field(default_factory=lambda: SimpleNamespace(exitcode=1, pid=1, terminate=int, join=int))

    begun: Any = None
    script = staticmethod(lambda worker, task: Ended("done"))

    def give_data(self, data: Any) -> None:
        self.begun = type(self).script(self, None)

    def begin(self, task: Any) -> None:
        self.task, self.begun = task, type(self).script(self, task)

    def is_dead(self) -> bool:
        return self.begun == "dies"

    def is_stopped(self) -> bool:
        return False

    def messages(self) -> Iterator[Any]:
        said, self.begun = self.begun, "nothing"
        if said is None or isinstance(said, Ended):
            yield said

    def dismiss(self) -> None: ...
    def bury(self) -> None: ...


@dataclass(frozen=True)
class NamedTask:
    key: str
    path: Path
    device: str = "cuda:0"
    shared: frozenset[str] = frozenset()


def named(count: int) -> list[Any]:
    return [NamedTask(f"run {i}", Path(f"/nowhere/{i}")) for i in range(count)]


def supervised(
    monkeypatch: pytest.MonkeyPatch, script: Any, devices: list[str], count: int
) -> tuple[list[tuple[str, str, bool]], list[str], list[str]]:
    """What a supervisor reports of so many tasks, what it says, and the devices of all workers that it started."""
    scripted = type("Scripted", (ScriptedWorker,), {"script": staticmethod(script)})
    started: list[str] = []

    def start(device: str, first: Any = None) -> Any:
        started.append(device)
        return scripted(device, first)

    monkeypatch.setattr(supervisors, "Worker", start)
    monkeypatch.setattr(supervisors, "_UNTIL_OURS", 0.0)
    monkeypatch.setattr(supervisors, "wait_for", lambda handles, seconds: ["a message"])
    said: list[str] = []
    with Supervisor(devices) as executor:
        data: Any = None
        found = list(executor.execute(named(count), data, lambda event: said.append(event.line)))  # type: ignore[union-attr]
    return [(finished.task.key, finished.outcome, finished.retried) for finished in found], said, started


def test_a_fault_costs_a_process_and_its_run_is_tried_again_in_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose device has failed would fail whatever else it is given."""
    broken: list[Any] = []
    tries: list[str] = []

    def script(worker: Any, task: Any) -> Any:
        if task is None:
            return None
        tries.append(task.key)
        if worker in broken or (task.key == "run 1" and tries.count("run 1") == 1) or task.key == "run 3":
            broken.append(worker)
            return FAULT
        return Ended("done")

    found, said, started = supervised(monkeypatch, script, ["cuda:0"], 5)
    assert found == [
        ("run 0", "done", False),
        ("run 1", "failed", True),
        ("run 1", "done", False),
        ("run 2", "done", False),
        ("run 3", "failed", True),
        ("run 3", "failed", False),
        ("run 4", "done", False),
    ]
    assert (len(started), said) == (4, [])


def test_a_gpu_on_which_no_process_begins_any_more_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that it was lost over goes to the other GPU."""
    lost: list[str] = []

    def script(worker: Any, task: Any) -> Any:
        if worker.device in lost:
            return "dies"
        if task is None:
            return None
        if worker.device == "cuda:1":
            lost.append(worker.device)
            return FAULT
        return Ended("done")

    found, said, started = supervised(monkeypatch, script, ["cuda:0", "cuda:1"], 8)
    assert sorted(key for key, outcome, _ in found if outcome == "done") == [f"run {i}" for i in range(8)]
    assert [retried for _, outcome, retried in found if outcome == "failed"] == [True]
    assert said == [
        "worker processes die on cuda:1 before they begin (its process ended with exit code 1): going on without it"
    ]
    assert started == ["cuda:0", *["cuda:1"] * 4]


def test_where_data_find_no_memory_fewer_processes_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fit."""
    able: list[Any] = []

    def script(worker: Any, task: Any) -> Any:
        if task is None and len(able) < 2:
            able.append(worker)
        return FULL if worker not in able else None if task is None else Ended("done")

    found, said, _ = supervised(monkeypatch, script, ["cuda:0"] * 5, 9)
    assert sorted(found) == [(f"run {i}", "done", False) for i in range(9)]
    assert said[0] == "memory is short: going on with 4 worker processes"


def test_data_that_find_no_memory_for_any_process_end_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="die before they begin; of the last one, CUDA error: out of memory"):
        supervised(monkeypatch, lambda worker, task: FULL, ["cuda:0"] * 3, 9)


def test_what_a_worker_has_reported_before_it_died_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = type("Dead", (ScriptedWorker,), {"is_dead": lambda self: True})
    monkeypatch.setattr(supervisors, "_UNTIL_OURS", 0.0)
    executor = Supervisor(["cuda:0"])
    worker: Any = dead("cuda:0", task=named(1)[0], is_ready=True, begun=FULL)
    executor._workers.append(worker)
    monkeypatch.setattr(supervisors, "Worker", ScriptedWorker)
    monkeypatch.setattr(supervisors, "wait_for", lambda handles, seconds: ["a message"])
    data: Any = None
    monkeypatch.setattr(worker, "give_data", lambda data: None)
    first = next(iter(executor.execute(named(1), data, lambda event: None)))
    assert first.failure == FULL.failure


class Full:
    """Data for which a device has no memory."""

    def to(self, device: str) -> None:
        raise RuntimeError("CUDA error: out of memory")


def test_a_worker_reports_that_its_data_find_no_memory() -> None:
    worker = Worker("cpu")
    try:
        data: Any = Full()
        worker.give_data(data)
        worker.process.join(120)
        (ended,) = worker.messages()
        assert isinstance(ended, Ended)
        assert ended.failure is not None
        assert (ended.failure.of_memory, ended.failure.error) == (True, "RuntimeError: CUDA error: out of memory")
        assert worker.process.exitcode == 0
    finally:
        worker.bury()


# --- on a Ray cluster


def test_a_fault_in_a_ray_process_costs_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    monkeypatch.setattr(ray, "get", lambda reference: FAULT)
    agenda = Agenda(named(1), lambda event: None)
    for retried in (True, False):
        task = agenda.next()
        assert task is not None
        finished = ray_executor._over(task, None, agenda)
        assert finished is not None
        assert (finished.outcome, finished.failure, finished.retried) == ("failed", FAULT.failure, retried)
    assert not agenda


# --- in the command's own process


class Data:
    def to(self, device: str) -> Data:
        return self


def executed(data: Any, count: int) -> tuple[list[Finished], list[str]]:
    said: list[str] = []
    found = list(InProcess().execute(named(count), data, lambda event: said.append(event.line)))  # type: ignore[union-attr]
    return found, said


def test_in_one_process_a_fault_leaves_the_other_runs_to_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "perform", lambda task, *_: FAULT if task.key == "run 1" else Ended("done"))
    found, said = executed(Data(), 4)
    assert [finished.outcome for finished in found] == ["done", "failed", "deferred", "deferred"]
    assert said == ["cuda:0 fails every further call of this process: repeat the command to go on"]
    found, said = executed(Data(), 2)
    assert [finished.outcome for finished in found] == ["done", "failed"]
    assert said == []  # nothing is left


def test_in_one_process_data_that_find_no_memory_fail_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    found, _ = executed(Full(), 2)
    assert [(finished.outcome, finished.failure and finished.failure.of_memory) for finished in found] == [
        ("failed", True)
    ] * 2
