"""How many worker processes share a GPU: as many as fit into its memory, and as long as more of them get more done.

A network that trains on small batches leaves most of a GPU idle between its kernels, so that several runs side by side
take little longer than one. How many pay depends on the network, the GPU and the host, so a trial finds out: processes
that train the protocol's network on its data, as a run does, first one alone, then two, four, and so on. It takes some
ten seconds beside the start of the processes. No number depends on it: a run's bits are its own, whatever runs beside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.multiprocessing

from benchmark.campaign import mps, process, signals
from benchmark.data.datasets import ImageData
from benchmark.data.image_folder import Say
from benchmark.experiment import Protocol
from benchmark.experiment.recipe import Recipe
from benchmark.learners import supervised
from benchmark.loop.task import network_sources
from benchmark.models import factory
from benchmark.models.blueprint import Blueprint, blueprint
from benchmark.training import backends
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask
from strategies.registry import CodeSource

MOST = 16  # processes that share a GPU
WORTH = 1.1  # times as much that twice the processes must get done
HEADROOM = 1.5  # times the memory of the trial, for what strategies need beside it
USABLE = 0.9  # of the memory that is free
STEPS, LABELS = 10, 1000  # of a training in the trial
MEASURE = 1.5  # seconds with so many processes
PATIENCE = 120.0  # seconds until a process must be ready
SHARE = 0.25  # of the time until a deadline that waiting for it may take at most

_known: dict[str, int] = {}  # what trials of this process have shown


@dataclass(frozen=True)
class Trial:
    """What a process of the trial trains; it can be pickled."""

    data: ImageData
    blueprint: Blueprint
    recipe: Recipe
    sources: tuple[CodeSource, ...]


@dataclass(frozen=True)
class Shared:
    """``processes`` for a GPU; ``rates`` are the steps per second of all together, by how many they were."""

    processes: int
    rates: dict[int, float]

    @property
    def line(self) -> str:
        """What the trial showed, on one line."""
        tried = ", ".join(f"{rate:,.0f} with {count}" for count, rate in self.rates.items())
        return f"processes that share a GPU: {self.processes} (steps per second in a trial: {tried})"


def trial_of(protocol: Protocol, data: ImageData) -> Trial:
    """The trial for a protocol on its data."""
    plan = blueprint(protocol.model.name, protocol.model.parameters, data)
    return Trial(data, plan, protocol.recipe, network_sources(protocol))


def processes_per_gpu(trial: Trial, device: str, gpus: int, say: Say, deadline: float | None = None) -> int:
    """How many processes are to share each of ``gpus`` GPUs like ``device``.

    Where NVIDIA's multi-process service is installed, it is started, unless processes cannot begin under it, on each of
    the GPUs. One process per GPU where even the trial's first process cannot begin: what is wrong shows in the runs.
    ``deadline`` is that of the runs, in seconds since the epoch; None for none.
    """
    most = min(MOST, max(1, cores() // gpus))
    if most == 1:
        return 1
    asked = f"{device} {most} {trial.data.sha256} {trial.blueprint.name} {trial.blueprint.parameters} {trial.recipe}"
    if asked in _known:
        return _known[asked]

    def free() -> int:
        return int(torch.cuda.mem_get_info(torch.device(device))[0])

    shared = None
    free()  # so that this process, which computes nothing there, is no client of the service
    if mps.start():
        others = [f"cuda:{number}" for number in range(1, gpus)]
        if can_begin(trial, others, patience_until(deadline)):
            shared = measure(trial, device, most, free, patience_until(deadline))
        if shared is None:
            mps.stop()
            say("processes cannot begin under NVIDIA's multi-process service: going on without it")
    shared = shared or measure(trial, device, most, free, patience_until(deadline))
    if shared is None:
        return 1
    say(shared.line)
    _known[asked] = shared.processes
    return shared.processes


def patience_until(deadline: float | None) -> float:
    """Seconds to wait for a process to be ready: a trial must not take the time that is for the runs."""
    return PATIENCE if deadline is None else min(PATIENCE, SHARE * max(deadline - time.time(), 0.0))


def can_begin(trial: Trial, devices: list[str], patience: float) -> bool:
    """Whether a process begins on each of the devices."""
    until = time.monotonic() + patience
    with _probes() as probes:
        probes += [_Probe(trial, device) for device in devices]
        return all(probe.is_ready(until - time.monotonic()) for probe in probes)


def measure(trial: Trial, device: str, most: int, free: Callable[[], int], patience: float) -> Shared | None:
    """The trial with at most ``most`` processes; None where the first is not ready in ``patience`` seconds.

    ``free`` tells bytes of memory.
    """
    before = free()
    with _probes() as probes:
        probes.append(_Probe(trial, device))
        if not probes[0].is_ready(patience):
            return None
        most = min(most, that_fit(before, before - free()))
        probes += [_Probe(trial, device) for _ in range(most - 1)]
        until = time.monotonic() + patience
        able = [probe for probe in probes if probe.is_ready(until - time.monotonic())]
        rates: dict[int, float] = {}

        def rate(count: int) -> float:
            rates[count] = _rate(able[:count])
            return rates[count]

        return Shared(choose(rate, len(able)), rates)


def that_fit(free: int, each: int) -> int:
    """How many processes fit into ``free`` bytes where one takes ``each``; at least one."""
    return max(1, int(USABLE * free / (HEADROOM * max(each, 1))))


def choose(rate: Callable[[int], float], most: int) -> int:
    """The number of processes, of 1, 2, 4, … and ``most``, up to which each step gets ``WORTH`` times as much done.

    ``rate`` measures what so many get done. The last step, which may be less than a doubling, needs as much in
    proportion.
    """
    best, count = rate(1), 1
    while count < most:
        more = min(2 * count, most)
        found = rate(more)
        if found < best * (1 + (WORTH - 1) * (more / count - 1)):
            break
        best, count = found, more
    return count


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Probe:
    """A process of the trial, as its parent sees it."""

    def __init__(self, trial: Trial, device: str) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self.process: Any = context.Process(target=_train, args=(theirs, trial, device), daemon=True)
        self._is_ready = False
        with signals.held_for_workers():
            self.process.start()
        theirs.close()

    def is_ready(self, patience: float) -> bool:
        """Wait until it has trained and predicted once; False if it dies over that or takes longer."""
        if not self._is_ready and self._channel.poll(max(patience, 0.0)):
            self._is_ready = self._answer() is not None
        return self._is_ready

    def begin(self, seconds: float) -> None:
        try:
            self._channel.send(seconds)
        except OSError:  # it has died; so says its rate
            return

    def rate(self) -> float:
        """Steps per second in the time it was to train for; 0 if it died."""
        return self._answer() or 0.0

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._channel.close()

    def _answer(self) -> float | None:
        try:
            return float(self._channel.recv())
        except (EOFError, OSError):
            return None


@contextmanager
def _probes() -> Iterator[list[_Probe]]:
    probes: list[_Probe] = []
    try:
        yield probes
    finally:
        for probe in probes:
            probe.end()


def _rate(probes: list[_Probe]) -> float:
    for probe in probes:
        probe.begin(MEASURE)
    return sum(probe.rate() for probe in probes)


# --- in a process of the trial


def _train(channel: Connection, trial: Trial, device: str) -> None:
    signals.enter_worker()
    backends.settle()
    process.keep_freed_memory()
    for source in trial.sources:
        factory.PLUGINS.enter(source)
    where, data = torch.device(device), trial.data.to(device)
    images = Images(data.train_images, data.mean, data.std)
    everything = torch.arange(len(data.train_labels), device=where)
    labelled = everything[:LABELS]
    task = TrainingTask(
        images=images,
        network=trial.blueprint.network(0, "weights", 0, where),
        attachment=None,
        recipe=replace(trial.recipe.at(len(labelled)), half_size_until=0.0),
        labelled=labelled,
        targets=data.train_labels[:LABELS],
        unlabelled=everything[LABELS:],
        seed=0,
        round=0,
    )
    supervised.fit(task, STEPS)
    Predictor(task.network, None, task.recipe.precision).predict(images, everything)
    _wait_for(where)
    channel.send(1.0)
    while True:
        try:
            seconds = channel.recv()
        except EOFError:  # the parent is gone
            return
        began, steps = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            supervised.fit(task, STEPS)
            _wait_for(where)
            steps += STEPS
        channel.send(steps / (time.monotonic() - began))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
