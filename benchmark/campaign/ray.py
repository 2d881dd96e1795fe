"""Tasks on a Ray cluster: each is a Ray task, and one whose process or node is lost begins again from its last round.

The data go to the nodes through Ray's object store, so that every node computes on what was checked where the command
was given. Lines are written where the caller asked, on a file system that all nodes share.
"""

from __future__ import annotations

import importlib
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from benchmark.campaign.agenda import Agenda
from benchmark.campaign.tasks import Emit, Ended, Executor, Failure, Finished, failure_of, perform
from benchmark.data.datasets import ImageData
from benchmark.experiment import ProtocolError
from benchmark.loop.task import RunTask
from benchmark.results import environment, store
from benchmark.training import backends

_POLL = 0.5  # seconds
_SUBMITTED = 1000  # tasks that Ray knows of at once; it is slow with a hundred thousand
_LONGEST = 300  # characters of what Ray says
_OPTIONS = {"cpu": "num_cpus", "gpu": "num_gpus"}  # other resources are those that the nodes were started with
_data: dict[str, ImageData] = {}  # in a worker: those of the command it works for, by their reference


def options(resources: Mapping[str, float], device: str) -> dict[str, Any]:
    """What Ray is to reserve for a run on ``device``, from amounts by name such as ``{"gpu": 0.25}``.

    Without a word on them, a run takes one CPU core, and on a GPU one of these too. Raises ProtocolError for an amount
    that Ray does not know, and for GPUs that a run on the CPU would leave idle.
    """
    on_gpu = torch.device(device).type == "cuda"
    if not on_gpu and "gpu" in resources:
        raise ProtocolError("--resources gpu has no effect on the CPU: add --device cuda")
    for name, amount in resources.items():
        if amount > 1 and amount != int(amount):
            raise ProtocolError(f"--resources {name}={amount:g}: give a fraction below 1 or a whole number")
    amounts = {"cpu": 1.0, **({"gpu": 1.0} if on_gpu else {}), **resources}
    known = {_OPTIONS[name]: amount for name, amount in amounts.items() if name in _OPTIONS}
    return {**known, "resources": {name: amount for name, amount in amounts.items() if name not in _OPTIONS}}


class Ray(Executor):
    """A Ray task per run, with ``options`` as the function of that name makes them."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        ray: Any = importlib.import_module("ray")  # an extra
        queue: Any = importlib.import_module("ray.util.queue")
        strategies: Any = importlib.import_module("ray.util.scheduling_strategies")
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        node = ray.get_runtime_context().get_node_id()
        here = strategies.NodeAffinitySchedulingStrategy(node_id=node, soft=False)  # no other node's end is this one's
        events = queue.Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        remote = ray.remote(**self._options, max_retries=0)(_perform_in_ray)
        shared = [ray.put(data.to("cpu"))]  # within a list Ray passes the reference, not the data
        agenda = Agenda(map(_for_any_node, tasks), emit)
        running: dict[Any, RunTask] = {}
        try:
            while agenda:
                while len(running) < _SUBMITTED and (task := agenda.next()) is not None:
                    running[remote.remote(task, shared, events)] = task
                if not running:
                    time.sleep(_POLL)
                    continue
                ready, _ = ray.wait(list(running), timeout=_POLL)
                while not events.empty():
                    message = events.get()
                    agenda.heed(message)
                    emit(message)
                for reference in ready:
                    finished = _over(running.pop(reference), reference, agenda)
                    if finished is not None:
                        yield finished
        finally:
            for reference in running:  # of a command that is interrupted; what they have written is whole
                ray.cancel(reference, force=True)
            events.shutdown(force=True)


def _over(task: RunTask, reference: Any, agenda: Agenda) -> Finished | None:
    """What to report of a task that has an end: its own, or that of its process or node."""
    ray: Any = importlib.import_module("ray")
    try:
        ended = ray.get(reference)
    except ray.exceptions.RayError as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST]}"
        failure = Failure(said, of_memory=isinstance(error, ray.exceptions.OutOfMemoryError))
    else:
        if ended.failure is None or not ended.failure.in_process:
            return agenda.over(task, ended)
        failure = ended.failure  # Ray has a fresh process for every task on a GPU
    finished = agenda.lost(task, failure)
    if finished.retried:
        agenda.put_back(task, last=failure.of_memory)
    return finished


def _for_any_node(task: RunTask) -> RunTask:
    """The task with absolute paths, for a process elsewhere, and with the only GPU that Ray lets a process see.

    Its experiment has a folder, by which a node knows whether it shares the file system.
    """
    path = task.path.absolute()
    path.parents[2].mkdir(parents=True, exist_ok=True)
    return replace(
        task,
        path=path,
        cache=task.cache.absolute(),
        data_dir=task.data_dir.absolute(),
        begun=None if task.begun is None else task.begun.absolute(),
        device=torch.device(task.device).type,
    )


def _perform_in_ray(task: RunTask, shared: list[Any], events: Any) -> Ended:
    if problem := node_problem(task):
        return Ended("failed", Failure(problem))
    try:
        data = _shared_data(shared[0], task.device)
    except RuntimeError as error:  # no memory for them
        return Ended("failed", failure_of(error, task.device))
    return perform(task, data, events.put)


def node_problem(task: RunTask) -> str:
    """Why this node cannot compute the task, or not with the bits that it was begun with; empty where it can."""
    backends.settle()  # as a run is computed, and recorded
    node, root = socket.gethostname(), task.path.parents[2]
    if not root.is_dir():
        return f"{node} has no {root}: give a --results-dir on a file system that all nodes share"
    path = task.path if task.begun is None or task.path.exists() else task.begun
    if path == task.begun and not path.exists():
        return f"{node} has no {path}: give a --published on a file system that all nodes share"
    started = store.read_summary(path) if path.exists() else None
    if started is None:
        return ""
    unlike = environment.differences(started.header.environment, environment.record(torch.device(task.device)))
    if not unlike:
        return ""
    return f"it was started on another kind of node than {node} ({unlike[0]}): keep to one kind with --resources NAME=1"


def _shared_data(reference: Any, device: str) -> ImageData:
    """The data behind a reference, which a process fetches once; a command has one device."""
    ray: Any = importlib.import_module("ray")
    name = reference.hex()
    if name not in _data:
        _data.clear()
        _data[name] = ray.get(reference).to(device)
    return _data[name]
