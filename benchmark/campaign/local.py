"""Tasks on this machine: in this process, or in a process per core or GPU."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import wait as wait_for
from typing import Any, Self

import torch

from benchmark.campaign import process, signals
from benchmark.campaign.tasks import Emit, Executor, Finished, Outcome, guarded, perform
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask

_UNTIL_OURS = 0.5  # seconds


class InProcess(Executor):
    """One task after the other, here."""

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        later = []
        for task in tasks:
            data = data.to(task.device)
            finished = guarded(task, lambda task=task, data=data: perform(task, data, emit))  # type: ignore[misc]
            if finished.outcome == "busy":
                later.append(replace(task, wait=True))
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
        with signals.held_for_workers():
            for _ in self.devices:  # each call starts a worker, which imports what it needs and waits for the data
                self._pool.submit(_nothing)
        return self

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        for device in self.devices:
            self._inbox.put((device, data))
        listener = threading.Thread(target=_forward, args=(self._events, emit), daemon=True)
        listener.start()
        yield from self._drain(self._pool, tasks)
        self._pool.shutdown()
        self._events.put(None)
        listener.join()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            workers = multiprocessing.active_children()
            for worker in workers:
                worker.terminate()
            until = time.monotonic() + signals.GRACE
            for worker in workers:
                worker.join(max(0.0, until - time.monotonic()))
                worker.kill()  # one that is in a long computation; what it has written is whole

    def _drain(self, pool: futures.ProcessPoolExecutor, tasks: list[RunTask]) -> Iterator[Finished]:
        pending = {pool.submit(_perform_in_worker, task): task for task in tasks}
        later = []
        broken = False
        for future in futures.as_completed(pending):
            task = pending[future]
            if isinstance(future.exception(), BrokenProcessPool) and not broken:
                broken = True
                time.sleep(_UNTIL_OURS)  # a signal to all processes may have reached a worker first
            finished = guarded(task, future.result)
            if finished.outcome == "busy":
                later.append(replace(task, wait=True))
            else:
                yield finished
        if later:
            yield from self._drain(pool, later)


_events: Any = None
_device = ""
_data: ImageData | None = None


def _enter_worker(events: Any, inbox: Any) -> None:
    global _events, _device, _data
    signals.enter_worker()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    process.warm_up()
    _device, data = inbox.get()
    _events, _data = events, data.to(_device)


def _nothing() -> None:
    """A call that only starts a worker."""


def _die_with(sentinel: int) -> None:
    """Leave at once when the parent is gone, so that a killed benchmark leaves no worker behind."""
    wait_for([sentinel])
    os._exit(1)


def _perform_in_worker(task: RunTask) -> Outcome:
    assert _data is not None
    with signals.at_work():
        return perform(replace(task, device=_device), _data, _events.put)


def _forward(events: Any, emit: Emit) -> None:
    while (event := events.get()) is not None:
        emit(event)
