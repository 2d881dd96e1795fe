"""The main job, from a request to results on disk: plan, execute, report."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

import strategies  # noqa: F401  (registers the suite's own)
from benchmark import datasets, environment, executors, grid, store
from benchmark.executors import Job
from benchmark.learners import LEARNERS
from benchmark.progress import Display, duration
from benchmark.protocol import Protocol, ProtocolError
from benchmark.reports import console_table, read_report, write_report
from strategies.registry import Spec, expand, nearest

DONE, FAILED, USAGE, UNFINISHED = 0, 1, 2, 3


@dataclass(frozen=True)
class Places:
    """Folders."""

    data: Path = Path("data")
    results: Path = Path("results")
    cache: Path = Path("cache")


@dataclass(frozen=True)
class Options:
    """How to go about it; nothing here changes a number."""

    places: Places = field(default_factory=Places)
    name: str | None = None
    fresh: bool = False
    device: str = "auto"
    workers: int | None = None
    executor: str = "local"
    time_limit: float | None = None  # seconds


def run(protocol: Protocol, options: Options, console: Console) -> int:
    """Compute what is missing of ``protocol``'s runs, write the report, print the table; the exit status.

    Raises ValueError (and OSError) with one line, before anything is computed, where the request cannot be met.
    """
    began = time.time()
    specs = _runnable(protocol, console)
    device = _device(options.device)
    root = options.places.results / (options.name or protocol.experiment)
    _check_writable(options.places)
    store.write_description(root, protocol.fingerprint, protocol.to_dict())
    runs = grid.unroll(specs, protocol.learners, protocol.seeds)
    planned = grid.plan(protocol, runs, root, device, options.fresh)
    todo = [p for p in planned if not p.done]
    if len(todo) < len(planned):
        console.print(
            f"{len(planned) - len(todo)} of {len(planned)} runs are in {root} already"
            + ("; --fresh computes them anew" if not todo else f"; computing the other {len(todo)}"),
            highlight=False,
        )
    for note in filter(None, (p.note for p in todo)):
        console.print(note, markup=False)
    status = DONE
    if todo:
        status = _compute(protocol, todo, root, device, options, began, console)
    _report(protocol, specs, root, console)
    console.print(f"{duration(time.time() - began)}; lines, tables and figures are in {root}", markup=False)
    if status == UNFINISHED:
        console.print("stopped at the time limit; repeat the command to go on")
    return status


def _compute(
    protocol: Protocol,
    todo: list[grid.Planned],
    root: Path,
    device: str,
    options: Options,
    began: float,
    console: Console,
) -> int:
    data = datasets.load(protocol.dataset, options.places.data)
    if protocol.budgets[-1] > len(data.train_labels):
        raise ProtocolError(
            f"budgets go up to {protocol.budgets[-1]}, but '{data.name}' has {len(data.train_labels)} training images"
        )
    sha256 = _recorded_sha256(root) or data.sha256
    if data.sha256 != sha256:
        raise ProtocolError(
            f"'{protocol.dataset}' is not the data that the runs in {root} were computed on (SHA-256 "
            f"{data.sha256[:12]}, not {sha256[:12]}): put the same data in place or choose another --name"
        )
    del data
    commit = environment.commit()
    deadline = None if options.time_limit is None else began + options.time_limit
    jobs = [
        Job(
            label=str(p.run),
            protocol=protocol.to_dict(),
            strategy=p.run.spec.reference,
            learner=p.run.learner,
            seed=p.run.seed,
            path=p.path,
            data_dir=options.places.data,
            cache=options.places.cache,
            device=device,
            commit=commit,
            dataset_sha256=sha256,
            deadline=deadline,
        )
        for p in todo
    ]
    missing = sum(_missing_rounds(protocol, p) for p in todo)
    images = {n: protocol.recipe.steps(n) * protocol.recipe.batch_size for n in protocol.budgets}
    executor = _executor(options.executor, device, options.workers, len(jobs))
    status = DONE
    with Display(console, missing, images) as display:
        for finished in executor.execute(jobs, display.round_done):
            display.run_finished(finished)
            if finished.outcome == "failed":
                status = FAILED
            elif finished.outcome == "stopped" and status == DONE:
                status = UNFINISHED
    return status


def _report(protocol: Protocol, specs: list[Spec], root: Path, console: Console) -> None:
    """Write tables and figures of all that is on disk; print what was asked for."""
    if not any(record.rounds for record in store.read_experiment(root).runs):
        console.print("no round was finished: there is nothing to report yet")
        return
    write_report(root)
    report = read_report(
        root,
        strategies=[spec.canonical for spec in specs],
        learners=protocol.learners,
        seeds=protocol.seeds,
        budgets=protocol.budgets,
    )
    console.print(console_table(report))
    for note in report.notes:
        console.print(note, markup=False)


def _runnable(protocol: Protocol, console: Console) -> list[Spec]:
    """The strategies asked for; those that a group brought in and that cannot run are left out, with a line."""
    for learner in protocol.learners:
        if learner not in LEARNERS:
            close = nearest(learner, LEARNERS)
            raise ProtocolError(f"unknown learner '{learner}'{close} (known: {', '.join(LEARNERS)})")
    specs = []
    for spec, named in expand(protocol.strategies):
        obstacle = _obstacle(protocol, spec)
        if obstacle and named:
            raise ProtocolError(f"strategy '{spec.canonical}' cannot run here: {obstacle}")
        if obstacle:
            console.print(f"left out: {spec.canonical}: {obstacle}", markup=False)
        else:
            specs.append(spec)
    if not specs:
        raise ProtocolError("none of the strategies can run on this protocol")
    return specs


def _obstacle(protocol: Protocol, spec: Spec) -> str:
    """Why the protocol cannot run a strategy; empty where it can."""
    if "dropout" in spec.cls.needs and not protocol.has_dropout:
        return f"it needs dropout, and model '{protocol.model.name}' has none (set model.parameters.dropout above 0)"
    if "features" in spec.cls.needs:
        return "it needs self-supervised features, which this protocol does not have"
    return ""


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ProtocolError(f"unknown device '{name}': use auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ProtocolError("device 'cuda' is not available: PyTorch finds no GPU")
    return name


def _check_writable(places: Places) -> None:
    for folder in (places.results, places.cache):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ProtocolError(f"cannot write to {folder}: {error.strerror or error}") from error


def _recorded_sha256(root: Path) -> str | None:
    """The dataset that the runs on disk were computed on, if there are any."""
    runs = store.read_experiment(root).runs
    return runs[0].header["dataset"]["sha256"] if runs else None


def _missing_rounds(protocol: Protocol, planned: grid.Planned) -> int:
    record = store.read_run(planned.path) if planned.path.exists() else None
    return len(protocol.budgets) - (len(record.rounds) if record else 0)


def _devices(device: str, workers: int | None, jobs: int) -> list[str]:
    """A device for each worker: on the CPU one per core, on GPUs one per GPU, never more than there are runs."""
    if device == "cuda":
        available = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    elif device == "cpu":
        available = ["cpu"] * len(
            os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        )
    else:
        available = [device]
    count = workers or len(available)
    return [available[i % len(available)] for i in range(min(count, jobs))]


def _executor(name: str, device: str, workers: int | None, jobs: int) -> executors.Executor:
    if name == "ray":
        return executors.Ray({"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1})
    devices = _devices(device, workers, jobs)
    return executors.Processes(devices) if len(devices) > 1 else executors.InProcess()
