"""Where runs happen: this process, a process per core or GPU, or Ray."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any, Literal, Self

import torch

from benchmark.data import datasets
from benchmark.experiment import from_dict
from benchmark.loop.run import ActiveLearningRun
from benchmark.loop.setting import Setting
from benchmark.results import environment
from benchmark.results.store import Busy, RunFile
from strategies.registry import resolve


@dataclass(frozen=True)
class Job:
    """A run as plain data, for any process to take up."""

    label: str
    protocol: dict[str, Any]
    strategy: str
    learner: str
    seed: int
    path: Path
    data_dir: Path
    cache: Path
    device: str
    commit: str | None
    dataset_sha256: str
    deadline: float | None = None  # seconds since the epoch
    wait: bool = False  # for another process that is at this run


@dataclass(frozen=True)
class RoundDone:
    """A line has been written."""

    job: Job
    line: dict[str, Any]


Outcome = Literal["done", "stopped", "busy"]
Emit = Callable[[RoundDone], None]


@dataclass(frozen=True)
class Finished:
    """A job has ended; ``error`` is one line where it failed."""

    job: Job
    outcome: Outcome | Literal["failed"]
    error: str = ""


def perform(job: Job, data: datasets.ImageData, emit: Emit) -> Outcome:
    """Do a job in this process, on one thread."""
    if job.deadline is not None and time.time() > job.deadline:
        return "stopped"
    torch.set_num_threads(1)
    environment.keep_freed_memory()
    environment.warm_up()  # here, so that it is no part of the first training's seconds
    protocol = from_dict(job.protocol)
    setting = Setting(protocol, resolve(job.strategy), job.learner, job.seed, job.cache, job.commit)
    began = time.time()

    def on_round(line: dict[str, Any]) -> bool:
        nonlocal began
        now = time.time()
        took, began = now - began, now
        emit(RoundDone(job, line))
        return job.deadline is None or now + took <= job.deadline

    try:
        with RunFile(job.path, wait=job.wait) as file:
            return "done" if ActiveLearningRun(setting, data, file).execute(on_round) else "stopped"
    except Busy:
        return "busy"


@lru_cache(maxsize=1)
def _load(dataset: str, data_dir: Path, device: str, sha256: str) -> datasets.ImageData:
    """The data on a machine that shares no memory with the one that planned the jobs."""
    data = datasets.load(dataset, data_dir, device=device)
    if data.sha256 != sha256:
        raise ValueError(
            f"dataset '{dataset}' has SHA-256 {data.sha256[:12]}, but the runs on disk were computed on "
            f"{sha256[:12]}: put the same data in place or choose another --name"
        )
    return data


class Executor:
    """Runs jobs; yields each as it ends. Jobs that another process holds are taken up again at the end.

    A context manager: what takes time to start, starts on entering, beside whatever is done until ``execute``.
    """

    def execute(self, jobs: list[Job], data: datasets.ImageData, emit: Emit) -> Iterator[Finished]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        return


class InProcess(Executor):
    """One job after the other, here."""

    def execute(self, jobs: list[Job], data: datasets.ImageData, emit: Emit) -> Iterator[Finished]:
        later = []
        for job in jobs:
            data = data.to(job.device)
            finished = _guarded(job, lambda job=job, data=data: perform(job, data, emit))  # type: ignore[misc]
            if finished.outcome == "busy":
                later.append(replace(job, wait=True))
            else:
                yield finished
        if later:
            yield from self.execute(later, data, emit)


class Processes(Executor):
    """A process for each entry of ``devices``, one thread each; the data lie in memory once, shared by all."""

    def __init__(self, devices: list[str]) -> None:
        self.devices = devices
        context = torch.multiprocessing.get_context("spawn")  # passes tensors as shared memory
        self._events, self._inbox = context.SimpleQueue(), context.SimpleQueue()
        self._pool = futures.ProcessPoolExecutor(
            len(devices), mp_context=context, initializer=_enter_worker, initargs=(self._events, self._inbox)
        )

    def __enter__(self) -> Self:
        for _ in self.devices:  # each task starts a worker, which imports what it needs and waits for the data
            self._pool.submit(_nothing)
        return self

    def execute(self, jobs: list[Job], data: datasets.ImageData, emit: Emit) -> Iterator[Finished]:
        for device in self.devices:
            self._inbox.put((device, data))
        listener = threading.Thread(target=_forward, args=(self._events, emit), daemon=True)
        listener.start()
        yield from self._drain(self._pool, jobs)
        self._pool.shutdown()
        self._events.put(None)
        listener.join()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()

    def _drain(self, pool: futures.ProcessPoolExecutor, jobs: list[Job]) -> Iterator[Finished]:
        pending = {pool.submit(_perform_in_worker, job): job for job in jobs}
        later = []
        for future in futures.as_completed(pending):
            job = pending[future]
            finished = _guarded(job, future.result)
            if finished.outcome == "busy":
                later.append(replace(job, wait=True))
            else:
                yield finished
        if later:
            yield from self._drain(pool, later)


class Ray(Executor):
    """A Ray task per run; ``resources`` such as ``{"num_cpus": 1}`` or ``{"num_gpus": 0.25}`` for each."""

    def __init__(self, resources: dict[str, float]) -> None:
        self.resources = resources

    def execute(self, jobs: list[Job], data: datasets.ImageData, emit: Emit) -> Iterator[Finished]:
        ray: Any = importlib.import_module("ray")  # an extra
        queue: Any = importlib.import_module("ray.util.queue")
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        events = queue.Queue(actor_options={"num_cpus": 0})
        remote = ray.remote(**self.resources, max_retries=0)(_perform_in_ray)
        waiting = {remote.remote(job, events): job for job in jobs}
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=0.5)
            while not events.empty():
                emit(events.get())
            for reference in ready:
                job = waiting.pop(reference)
                finished = _guarded(job, lambda reference=reference: ray.get(reference))  # type: ignore[misc]
                if finished.outcome == "busy":
                    again = replace(job, wait=True)
                    waiting[remote.remote(again, events)] = again
                else:
                    yield finished


def _guarded(job: Job, perform: Callable[[], Outcome]) -> Finished:
    """One run's failure is reported, and the others go on."""
    try:
        return Finished(job, perform())
    except Exception as error:
        return Finished(job, "failed", f"{type(error).__name__}: {error}".replace("\n", " "))


_events: Any = None
_device = ""
_data: datasets.ImageData | None = None


def _enter_worker(events: Any, inbox: Any) -> None:
    global _events, _device, _data
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C, and ends its workers
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    environment.warm_up()
    _device, data = inbox.get()
    _events, _data = events, data.to(_device)


def _nothing() -> None:
    """A task that only starts a worker."""


def _die_with(sentinel: int) -> None:
    """Leave at once when the parent is gone, so that a killed benchmark leaves no worker behind."""
    wait_for([sentinel])
    os._exit(1)


def _perform_in_worker(job: Job) -> Outcome:
    assert _data is not None
    return perform(replace(job, device=_device), _data, _events.put)


def _perform_in_ray(job: Job, events: Any) -> Outcome:
    data = _load(from_dict(job.protocol).dataset, job.data_dir, job.device, job.dataset_sha256)
    return perform(job, data, events.put)


def _forward(events: Any, emit: Emit) -> None:
    while (event := events.get()) is not None:
        emit(event)
