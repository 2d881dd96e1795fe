"""Tasks on a Ray cluster, whose machines load the data themselves."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmark.campaign.tasks import Emit, Executor, Finished, Outcome, guarded, perform
from benchmark.data import datasets
from benchmark.data.datasets import ImageData
from benchmark.loop.task import RunTask


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
        waiting = {remote.remote(task, events): task for task in map(_absolute, tasks)}
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=0.5)
            while not events.empty():
                emit(events.get())
            for reference in ready:
                task = waiting.pop(reference)
                finished = guarded(task, lambda reference=reference: ray.get(reference))  # type: ignore[misc]
                if finished.outcome == "busy":
                    again = replace(task, wait=True)
                    waiting[remote.remote(again, events)] = again
                else:
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


def _perform_in_ray(task: RunTask, events: Any) -> Outcome:
    data = _load(task.protocol.dataset, task.data_dir, task.protocol.image_size, task.device, task.dataset_sha256)
    return perform(task, data, events.put)


@lru_cache(maxsize=1)
def _load(dataset: str, data_dir: Path, image_size: int, device: str, sha256: str) -> ImageData:
    """The data on a machine that shares no memory with the one that planned the tasks."""
    data = datasets.load(dataset, data_dir, device=device, image_size=image_size)
    if data.sha256 != sha256:
        raise ValueError(
            f"dataset '{dataset}' has SHA-256 {data.sha256[:12]} on this machine, but {sha256[:12]} where the command "
            "was given: put the same files in place on both"
        )
    return data
