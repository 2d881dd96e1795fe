"""The main job, from a request to results on disk: plan, execute, report."""

from __future__ import annotations

import importlib.util
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

import strategies  # noqa: F401  (registers the suite's own)
from benchmark.campaign import executors
from benchmark.campaign import plan as grid
from benchmark.campaign import preflight as checks
from benchmark.campaign.executors import Job
from benchmark.campaign.progress import Display, duration
from benchmark.data.datasets import ImageData
from benchmark.experiment import Protocol, ProtocolError
from benchmark.experiment.library import as_published
from benchmark.models.blueprint import blueprint
from benchmark.results import environment, store
from strategies.registry import Spec

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
    torch.set_num_threads(1)
    places = options.places
    protocol = checks.with_learners(protocol)
    checks.networks(protocol)
    specs = checks.runnable(protocol, console)
    device = checks.device(options.device)
    root = checks.folder(protocol, options.name, places.results, places.cache)
    runs = grid.unroll(specs, protocol.learners, protocol.seeds)
    planned = grid.plan(protocol, runs, root, device, options.fresh)
    todo = [p for p in planned if not p.done]
    if len(todo) < len(planned):
        console.print(
            f"{len(planned) - len(todo)} of {len(planned)} runs are in {root} already"
            + ("; --fresh computes them anew" if not todo else f"; computing the other {len(todo)}"),
            markup=False,
            soft_wrap=True,
        )
    for note in filter(None, (p.note for p in todo)):
        console.print(note, markup=False, soft_wrap=True)
    status = DONE
    if todo:
        with executor_for(protocol, options, device, len(todo)) as executor:
            data = checks.data(protocol, specs, root, places.data)
            store.write_description(root, protocol.fingerprint, as_published(protocol).to_dict())
            blueprint(protocol.model.name, protocol.model.parameters, data)  # what is derived once is shared too
            jobs = jobs_of(protocol, todo, data.sha256, device, options, began)
            status = compute(protocol, todo, jobs, data, executor, console)
    _report(protocol, specs, root, console)
    console.print(
        f"{duration(time.time() - began)}; lines, tables and figures are in {root}", markup=False, soft_wrap=True
    )
    if status == UNFINISHED:
        console.print("stopped at the time limit; repeat the command to go on")
    return status


def jobs_of(
    protocol: Protocol, todo: list[grid.Planned], dataset_sha256: str, device: str, options: Options, began: float
) -> list[Job]:
    """The runs as plain data, with where and until when to compute them."""
    commit = environment.commit()
    deadline = None if options.time_limit is None else began + options.time_limit
    return [
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
            dataset_sha256=dataset_sha256,
            deadline=deadline,
        )
        for p in todo
    ]


def compute(
    protocol: Protocol,
    todo: list[grid.Planned],
    jobs: list[Job],
    data: ImageData,
    executor: executors.Executor,
    console: Console,
) -> int:
    """Execute the jobs and show the progress; the exit status."""
    missing = sum(_missing_rounds(protocol, p) for p in todo)
    images = {n: protocol.recipe.steps(n) * protocol.recipe.batch_size for n in protocol.budgets}
    status = DONE
    with Display(console, missing, images, live=protocol.oracle != "person") as display:
        for finished in executor.execute(jobs, data, display.round_done):
            display.run_finished(finished)
            if finished.outcome == "failed":
                status = FAILED
            elif finished.outcome == "stopped" and status == DONE:
                status = UNFINISHED
    return status


def _report(protocol: Protocol, specs: list[Spec], root: Path, console: Console) -> None:
    """Write tables and figures of all that is on disk; print what was asked for."""
    from benchmark.reports import console_table, read_report, write_report  # here: it takes seconds

    there = [record for record in store.read_runs(root, protocol.fingerprint) if record.rounds]
    if there:
        write_report(root)
    asked = [spec.canonical for spec in specs]
    if not any(
        record.header["strategy"] in asked
        and record.header["learner"] in protocol.learners
        and record.header["seed"] in protocol.seeds
        for record in there
    ):
        console.print("no round was finished: there is nothing to show yet")
        return
    report = read_report(
        root, strategies=asked, learners=protocol.learners, seeds=protocol.seeds, budgets=protocol.budgets
    )
    console.print(console_table(report))
    for note in report.notes:
        console.print(note, markup=False)


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


def executor_for(protocol: Protocol, options: Options, device: str, jobs: int) -> executors.Executor:
    """Where so many jobs run. Raises ProtocolError for Ray where it is not installed."""
    if protocol.oracle == "person":
        return executors.InProcess()  # one run after the other, where the terminal is
    if options.executor == "ray":
        if importlib.util.find_spec("ray") is None:
            raise ProtocolError("--executor ray needs Ray: pip install 'acqbench[ray]'")
        return executors.Ray({"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1})
    devices = _devices(device, options.workers, jobs)
    return executors.Processes(devices) if len(devices) > 1 else executors.InProcess()
