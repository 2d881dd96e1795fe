"""Tasks one after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmark.campaign.agenda import Agenda
from benchmark.campaign.tasks import Emit, Executor, Finished, perform
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
            data = data.to(task.device)
            finished = agenda.over(task, perform(task, data, emit))
            if finished is not None:
                yield finished
