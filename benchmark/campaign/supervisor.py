"""Tasks on this machine in a process per core, or several per GPU, under a supervisor that outlives any of them.

A death costs the round in hand: its run begins again from the last one on disk, in a fresh process; if that dies too,
the run has failed. A process whose GPU has failed counts as dead, because all that it is given would fail. When
processes die for memory again and again, fewer of them go on; a GPU on which none begins any more is left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from multiprocessing.connection import wait as wait_for
from typing import Any, Self

from benchmark.campaign import signals
from benchmark.campaign.agenda import Agenda
from benchmark.campaign.memory import MemoryWatch
from benchmark.campaign.tasks import Emit, Ended, Executor, Failure, Finished, Notice
from benchmark.campaign.worker import Worker
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask

_STILLBORN = 3  # workers of a device in a row that die before their first task: something is wrong with all of them
_UNTIL_OURS = 0.5  # seconds
_LOOK = 10.0  # seconds without a message after which stopped workers are looked for


class Supervisor(Executor):
    """A worker for each entry of ``devices``; the data lie in memory once, shared by all."""

    def __init__(self, devices: list[str]) -> None:
        self._devices = devices
        self.at_once = len(devices) if devices[0] == "cpu" else len(set(devices))  # those on one GPU slow each other
        self._most = len(devices)
        self._workers: list[Worker] = []
        self._memory = MemoryWatch()
        self._memory_deaths = 0
        self._stillborn: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._workers += [Worker(device) for device in self._devices]
        return self

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        """As ``Executor.execute``. Raises OSError when no worker can be started any more."""
        agenda = Agenda(tasks, emit)
        for worker in self._workers:
            worker.give_data(data)
        while agenda:
            self._hand_out(agenda)
            pause = min(_LOOK, _LOOK if agenda.pause is None else agenda.pause)
            if not wait_for([handle for worker in self._workers for handle in worker.handles], pause):
                self._look_for_stopped(emit)
            for worker in list(self._workers):
                is_dead = worker.is_dead()  # asked before its last messages are read
                failure = yield from self._listen(worker, agenda, emit)
                if is_dead and failure is None:
                    time.sleep(_UNTIL_OURS)  # a signal to all processes may have reached it first
                    worker.bury()
                    failure = Failure(worker.cause, of_memory=self._memory.has_killed(worker.process.exitcode))
                if failure is not None:
                    yield from self._replace(worker, failure, data, agenda, emit)
        for worker in self._workers:
            worker.dismiss()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return
        for worker in self._workers:
            worker.process.terminate()
        until = time.monotonic() + signals.GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.bury()  # one that is in a long computation; what it has written is whole

    def _hand_out(self, agenda: Agenda) -> None:
        for worker in self._workers:
            if worker.is_ready and worker.task is None:
                task, worker.first = worker.first or agenda.next(), None
                if task is not None:
                    worker.begin(task)

    def _look_for_stopped(self, emit: Emit) -> None:
        for worker in self._workers:
            if worker.task is not None and worker.is_stopped() and not worker.is_spoken_of:
                worker.is_spoken_of = True
                number = worker.process.pid
                emit(Notice(f"{worker.task.key}: its process {number} is stopped; kill -CONT {number} lets it go on"))

    def _listen(self, worker: Worker, agenda: Agenda, emit: Emit) -> Generator[Finished, None, Failure | None]:
        """Take a worker's messages; the failure of one that is to be replaced, for its memory or its device."""
        for message in worker.messages():
            if message is None:
                worker.is_ready = True
                self._stillborn.pop(worker.device, None)
            elif not isinstance(message, Ended):
                agenda.heed(message)
                emit(message)
            elif message.failure is not None and message.failure.in_process:
                worker.dismiss()
                return message.failure
            else:
                task, worker.task = worker.task, None
                assert task is not None
                if (finished := agenda.over(task, message)) is not None:
                    yield finished
        return None

    def _replace(
        self, worker: Worker, failure: Failure, data: ImageData, agenda: Agenda, emit: Emit
    ) -> Iterator[Finished]:
        """Another worker for one that is gone, if there is anything to do for it; the lost task is its first."""
        self._workers.remove(worker)
        if failure.of_memory:
            self._spare_memory(emit)
        first, task = worker.first, worker.task
        if task is not None:
            finished = agenda.lost(task, failure)
            yield finished
            if finished.retried and failure.of_memory:
                agenda.put_back(task, last=True)  # when there may be fewer at work
            elif finished.retried:
                first = task
        elif not worker.is_ready:
            if first is not None and self._workers:  # for one that can begin
                agenda.put_back(first, last=failure.of_memory)
                first = None
            if not self._can_begin(worker.device, failure, emit):
                return
        if first is not None or not self._workers or (agenda.waiting and len(self._workers) < self._most):
            fresh = Worker(worker.device, first)
            fresh.give_data(data)
            self._workers.append(fresh)

    def _can_begin(self, device: str, failure: Failure, emit: Emit) -> bool:
        """Whether to try once more after a worker that died before its first task. Raises OSError if none is left."""
        if failure.of_memory and self._workers:
            return True  # the others have taken it; ``_spare_memory`` sees to an end
        self._stillborn[device] += 1
        if self._stillborn[device] < _STILLBORN:
            return True
        if all(worker.device == device for worker in self._workers):
            raise OSError(f"worker processes die before they begin; of the last one, {failure.error}")
        if self._stillborn[device] == _STILLBORN:
            emit(Notice(f"worker processes die on {device} before they begin ({failure.error}): going on without it"))
        return False

    def _spare_memory(self, emit: Emit) -> None:
        """After the second death for memory, and each after that, one worker fewer goes on."""
        self._memory_deaths += 1
        if self._memory_deaths > 1 and self._most > 1:
            self._most -= 1
            count = "1 worker process" if self._most == 1 else f"{self._most} worker processes"
            emit(Notice(f"memory is short: going on with {count}"))
