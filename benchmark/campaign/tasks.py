"""Computing one task in this process, and what an executor of many tasks offers."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch

from benchmark import learners
from benchmark.campaign import process, signals
from benchmark.data.datasets import ImageData
from benchmark.experiment.keys import RunKey
from benchmark.loop.replay import Replayed
from benchmark.loop.run import ActiveLearningRun
from benchmark.loop.task import RunTask
from benchmark.models import factory
from benchmark.results.errors import Busy, StartedMeanwhile
from benchmark.results.locks import Holder
from benchmark.results.records import RoundRecord
from benchmark.results.run_file import RunFile
from benchmark.training import backends
from strategies.api import Strategy
from strategies.registry import resolve


@dataclass(frozen=True)
class RoundDone:
    """A round's line has been written."""

    key: RunKey
    record: RoundRecord


@dataclass(frozen=True)
class Notice:
    """Something to say on one line; nothing has ended."""

    line: str


@dataclass(frozen=True)
class Failure:
    """Why a task failed: ``error`` on one line, ``traceback`` empty where its process died.

    ``of_device`` if every later call of the process to its device fails as well.
    """

    error: str
    traceback: str = ""
    of_memory: bool = False
    of_device: bool = False

    @property
    def in_process(self) -> bool:
        """Whether the process may be the reason, so that the task is worth another try in a fresh one."""
        return self.of_memory or self.of_device


@dataclass(frozen=True)
class Ended:
    """How a process ended with a task. ``failure`` is that of a failed one, ``holder`` that of a busy one, if known.

    One is ``taken`` if its file has a run that another command began since, and that must not be continued here.
    """

    outcome: Literal["done", "stopped", "busy", "taken", "failed"]
    failure: Failure | None = None
    holder: Holder | None = None


Left = Literal["stopped", "held", "taken", "deferred"]  # how a task ends that a later command is to go on with


@dataclass(frozen=True)
class Finished:
    """A task is over, or failed and is ``retried``; ``failure`` is that of a failed one."""

    task: RunTask
    outcome: Literal["done", "failed"] | Left
    failure: Failure | None = None
    retried: bool = False


Emit = Callable[[RoundDone | Notice], None]
_OF_MEMORY = re.compile(r"can't allocate memory|CUDA (?:driver )?error: out of memory|_ALLOC(?:ATION)?_FAILED")


class Executor:
    """Computes tasks; yields each as it ends. Tasks that another process holds are taken up again at the end.

    A context manager: what takes time to start, starts on entering, while the caller loads the data.
    ``at_once`` is how many it computes at a time, each as fast as one alone; 1 where that is not known.
    """

    at_once: int = 1

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        return


def perform(task: RunTask, data: ImageData, emit: Emit) -> Ended:
    """Compute a task in this process, on one thread. One task's failure is told, and the others go on."""
    try:
        return Ended(_computed(task, data, emit))
    except Busy as busy:
        return Ended("busy", holder=busy.holder)
    except StartedMeanwhile as found:
        emit(Notice(str(found)))
        return Ended("taken")
    except KeyboardInterrupt:  # of a signal
        raise
    except BaseException as error:  # whatever a plugin raises
        return Ended("failed", failure_of(error, task.device))


def failure_of(error: BaseException, device: str) -> Failure:
    """What to report of an exception that a process has raised at its work on ``device``."""
    trace = "".join(traceback.format_exception(error))
    return Failure(told(error).replace("\n", " "), trace, _is_of_memory(error), not _responds(device))


def told(error: BaseException) -> str:
    """An exception's class and message, whatever its ``__str__`` does."""
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as another:
        said = f"its message cannot be read, for {type(another).__name__} is raised"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _computed(task: RunTask, data: ImageData, emit: Emit) -> Literal["done", "stopped"]:
    """Raises Busy, and ValueError if the source of a plugin is not the one that the task was planned with."""
    if signals.requested() or (task.deadline is not None and time.time() > task.deadline):
        return "stopped"
    backends.settle()
    torch.set_grad_enabled(True)  # whatever the objects of a run that failed did when they were freed
    process.keep_freed_memory()
    process.warm_up()  # here, so that it is no part of the first training's seconds
    if task.learner_source is not None:
        learners.PLUGINS.enter(task.learner_source)
    for source in task.network_sources:
        factory.PLUGINS.enter(source)
    strategy = _strategy(task)
    began = time.time()

    def on_round(record: RoundRecord) -> bool:
        nonlocal began
        now = time.time()
        took, began = now - began, now
        emit(RoundDone(task.key, record))
        return not signals.requested() and (task.deadline is None or now + took <= task.deadline)

    with RunFile(task.path, begun=task.begun) as file:
        return "done" if ActiveLearningRun(task, strategy, data, file).execute(on_round) else "stopped"


def _strategy(task: RunTask) -> Strategy:
    """What chooses in a task's run. Raises ValueError if its source has changed."""
    if task.replay is not None and task.replay.recomputed is None:
        return Replayed(task.replay)
    spec = resolve(task.reference)
    if spec.source_sha256 != task.source_sha256:
        raise ValueError(f"the source of '{task.key.strategy}' has changed since the run was planned; run it again")
    return spec.build()


def _is_of_memory(error: BaseException) -> bool:
    """Whether a device had too little memory; PyTorch says so of the CPU, and of NVIDIA's libraries, in words alone."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or bool(_OF_MEMORY.search(told(error)))


def _responds(device: str) -> bool:
    """Whether a device still computes for this process.

    After an illegal address, an assertion in a kernel, an error of its memory or its loss, every call raises.
    """
    if torch.device(device).type != "cuda":
        return True
    try:
        torch.cuda.synchronize(device)
    except Exception:
        return False
    return True
