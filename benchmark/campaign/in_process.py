"""Tasks one after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmark.campaign.agenda import Agenda
from benchmark.campaign.tasks import Emit, Ended, Executor, Finished, Notice, failure_of, perform
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask


class InProcess(Executor):
    """One task after the other, here."""

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        agenda = Agenda(tasks, emit)
        while agenda:
            task = agenda.next()
            if task is None:
                time.sleep(agenda.pause or 0.0)
                continue
            try:
                data = data.to(task.device)
            except RuntimeError as error:  # no memory for them, or no device any more
                ended = Ended("failed", failure_of(error, task.device))
            else:
                ended = perform(task, data, emit)
            finished = agenda.over(task, ended)
            if finished is not None:
                yield finished
            if ended.failure is not None and ended.failure.of_device and (rest := agenda.give_up()):
                emit(Notice(f"{task.device} fails every further call of this process: repeat the command to go on"))
                yield from (Finished(task, "deferred") for task in rest)
