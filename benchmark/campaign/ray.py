"""Tasks on a Ray cluster, whose machines load the data themselves."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from benchmark.campaign.agenda import Agenda
from benchmark.campaign.data_access import DataSource, source_of
from benchmark.campaign.tasks import Emit, Ended, Executor, Failure, Finished, perform
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask

_POLL = 0.5  # seconds


class Ray(Executor):
    """A Ray task per run; ``resources`` such as ``{"num_cpus": 1}`` or ``{"num_gpus": 0.25}`` for each."""

    def __init__(self, resources: dict[str, float]) -> None:
        self.resources = resources

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        ray: Any = importlib.import_module("ray")  # an extra
        queue: Any = importlib.import_module("ray.util.queue")
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        events = queue.Queue(actor_options={"num_cpus": 0})
        remote = ray.remote(**self.resources, max_retries=0)(_perform_in_ray)
        agenda = Agenda(map(_absolute, tasks), emit)
        running: dict[Any, RunTask] = {}
        while agenda:
            while (task := agenda.next()) is not None:
                running[remote.remote(task, events)] = task
            if not running:
                time.sleep(_POLL)
                continue
            ready, _ = ray.wait(list(running), timeout=_POLL)
            while not events.empty():
                emit(events.get())
            for reference in ready:
                task = running.pop(reference)
                try:
                    finished = agenda.over(task, ray.get(reference))
                except ray.exceptions.RayError as error:  # its process died, or the machine
                    finished = agenda.lost(task, Failure(" ".join(str(error).split())))
                    if finished.retried:
                        agenda.put_back(task)
                if finished is not None:
                    yield finished


def _absolute(task: RunTask) -> RunTask:
    """The task with absolute paths: a Ray worker has a current directory of its own."""
    begun = None if task.begun is None else task.begun.absolute()
    return replace(
        task,
        path=task.path.absolute(),
        cache=task.cache.absolute(),
        data_dir=task.data_dir.absolute(),
        begun=begun,
    )


def _perform_in_ray(task: RunTask, events: Any) -> Ended:
    protocol = task.protocol
    source = source_of(protocol, task.data_dir, task.cache)
    try:
        data = _load(source, task.device, task.dataset_sha256)
    except ValueError as error:
        return Ended("failed", Failure(str(error)))
    return perform(task, data, events.put)


@lru_cache(maxsize=1)
def _load(source: DataSource, device: str, sha256: str) -> ImageData:
    """The data on a machine that shares no memory with the one that planned the tasks."""
    data = source.load()[0].to(device)
    if data.sha256 != sha256:
        raise ValueError(
            f"dataset '{source.dataset}' has SHA-256 {data.sha256[:12]} on this machine, but {sha256[:12]} where the "
            "command was given: put the same files in place on both"
        )
    return data
