"""A worker process: it gets the data once, then one task after another, and tells what becomes of each.

``Worker`` is how the supervisor sees it; the functions below it run in the process itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

import torch.multiprocessing

from benchmark.campaign import process, signals
from benchmark.campaign.tasks import Ended, Notice, RoundDone, failure_of, perform
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask
from benchmark.results.locks import state_of

# None when the worker is ready for its first task; it has ended before that where the data find no memory.
Message = RoundDone | Notice | Ended | None


class Worker:
    """A process on ``device``, one thread; ``task`` is what it has in hand, ``first`` a task that is meant for it."""

    def __init__(self, device: str, first: RunTask | None = None) -> None:
        """Starts the process, which imports what it needs and waits for the data."""
        self.device, self.first = device, first
        self.task: RunTask | None = None
        self.is_ready = False
        self.is_spoken_of = False  # as one that is stopped
        context = torch.multiprocessing.get_context("spawn")  # passes tensors as shared memory
        self._channel, theirs = context.Pipe()
        self.process: Any = context.Process(target=_work, args=(theirs, device), name=f"worker on {device}")
        with signals.held_for_workers():
            self.process.start()
        theirs.close()  # so that the channel ends with the process

    @property
    def handles(self) -> tuple[Any, Any]:
        """What to wait for: a message, or the end of the process."""
        return self._channel, self.process.sentinel

    def give_data(self, data: ImageData) -> None:
        self._send(data)

    def begin(self, task: RunTask) -> None:
        """Give it a task. One that has died meanwhile shows as dead with the task in hand."""
        self.task = task
        self._send(replace(task, device=self.device))

    def messages(self) -> Iterator[Message]:
        """What it has sent until now; half a message, of a process that was killed, is none."""
        try:
            while self._channel.poll():
                yield self._channel.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            return

    def is_dead(self) -> bool:
        return not self.process.is_alive()

    def is_stopped(self) -> bool:
        return state_of(self.process.pid)[0] in ("T", "t")

    def dismiss(self) -> None:
        """Let it end, which it does when it has no task in hand."""
        self._send(None)
        self.process.join(signals.GRACE)
        self.bury()

    def bury(self) -> None:
        """Make sure that the process has ended, and free what it leaves."""
        self.process.kill()
        self.process.join()
        self._channel.close()

    @property
    def cause(self) -> str:
        """How the process died, in words."""
        code = self.process.exitcode
        number = -code if code < 0 else code - 128
        if number in set(signal.Signals):
            return f"its process was killed by {signal.Signals(number).name}"
        return f"its process ended with exit code {code}"

    def _send(self, what: ImageData | RunTask | None) -> None:
        try:
            self._channel.send(what)
        except (BrokenPipeError, ConnectionError):
            return  # its death is seen where its messages are awaited


def _work(channel: Connection, device: str) -> None:
    signals.enter_worker()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    process.warm_up()
    data = channel.recv()
    if data is None:
        return
    try:
        data = data.to(device)
    except Exception as error:
        failure = failure_of(error, device)
        if not failure.of_memory:
            raise
        channel.send(Ended("failed", failure))
        return
    channel.send(None)
    while (task := channel.recv()) is not None:
        with signals.at_work():
            ended = perform(task, data, channel.send)
        channel.send(ended)


def _die_with(sentinel: int) -> None:
    """Leave at once when the parent is gone, so that a killed benchmark leaves no worker behind."""
    wait_for([sentinel])
    os._exit(1)
