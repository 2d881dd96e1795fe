"""Computing one task in this process, and what an executor of many tasks offers."""

from __future__ import annotations

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
from benchmark.results.errors import Busy
from benchmark.results.paths import log_path
from benchmark.results.records import RoundRecord
from benchmark.results.run_file import RunFile
from strategies.api import Strategy
from strategies.registry import resolve


@dataclass(frozen=True)
class RoundDone:
    """A round's line has been written."""

    key: RunKey
    record: RoundRecord


Outcome = Literal["done", "stopped", "busy"]
Emit = Callable[[RoundDone], None]


@dataclass(frozen=True)
class Finished:
    """A task has ended; ``error`` is one line where it failed."""

    task: RunTask
    outcome: Outcome | Literal["failed"]
    error: str = ""


class Executor:
    """Computes tasks; yields each as it ends. Tasks that another process holds are taken up again at the end.

    A context manager: what takes time to start, starts on entering, while the caller loads the data.
    """

    def execute(self, tasks: list[RunTask], data: ImageData, emit: Emit) -> Iterator[Finished]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        return


def perform(task: RunTask, data: ImageData, emit: Emit) -> Outcome:
    """Compute a task in this process, on one thread.

    Raises ValueError if the source of a plugin is not the one that the task was planned with.
    """
    if signals.requested() or (task.deadline is not None and time.time() > task.deadline):
        return "stopped"
    torch.set_num_threads(1)
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

    try:
        with RunFile(task.path, wait=task.wait, begun=task.begun) as file:
            return "done" if ActiveLearningRun(task, strategy, data, file).execute(on_round) else "stopped"
    except Busy:
        return "busy"


def _strategy(task: RunTask) -> Strategy:
    """What chooses in a task's run. Raises ValueError if its source has changed."""
    if task.replay is not None:
        return Replayed(task.replay)
    spec = resolve(task.reference)
    if spec.source_sha256 != task.source_sha256:
        raise ValueError(f"the source of '{task.key.strategy}' has changed since the run was planned; run it again")
    return spec.build()


def guarded(task: RunTask, perform: Callable[[], Outcome]) -> Finished:
    """One task's failure is reported, its traceback kept in a log that the report names, and the others go on."""
    try:
        return Finished(task, perform())
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {error}".replace("\n", " ")
        return Finished(task, "failed", f"{message} ({_logged(task, error)})")


def _logged(task: RunTask, error: BaseException) -> str:
    """Write the traceback, the worker's own if it comes from one, beside the runs; where it is."""
    log = log_path(task.path)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{task.key}\n\n{''.join(traceback.format_exception(error))}", encoding="utf-8")
    except OSError as refused:
        return f"no traceback: cannot write {log}: {refused.strerror or refused}"
    return f"traceback in {log}"
