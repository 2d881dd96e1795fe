"""The main job, from a request to results on disk: plan, compute, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from rich.console import Console

import strategies  # noqa: F401  (registers the suite's own)
from benchmark import learners
from benchmark.campaign import cache_limit, data_checks, forecast
from benchmark.campaign import plan as grid
from benchmark.campaign import preflight as checks
from benchmark.campaign.costs import Costs, costs_here
from benchmark.campaign.executors import by_trial, executor_for
from benchmark.campaign.in_process import InProcess
from benchmark.campaign.pace import Cost
from benchmark.campaign.plan import RunPlan, shared
from benchmark.campaign.progress import Display
from benchmark.campaign.replay import Request as ReplayRequest
from benchmark.campaign.tasks import Executor, Left
from benchmark.data.datasets import ImageData
from benchmark.data.identity import Identity
from benchmark.experiment import Protocol
from benchmark.experiment.library import as_published
from benchmark.loop.task import RunTask, network_sources
from benchmark.models import factory
from benchmark.models.blueprint import blueprint
from benchmark.results import environment, store
from benchmark.results.layers import Folders, Layers
from benchmark.results.records import Experiment
from benchmark.text.status import doing
from benchmark.training import backends
from strategies import registry
from strategies.registry import Spec

DONE, FAILED, USAGE, UNFINISHED = 0, 1, 2, 3


@dataclass(frozen=True)
class Places:
    """Folders."""

    layers: Layers
    data: Path = Path("data")
    cache: Path = Path("cache")


@dataclass(frozen=True)
class Options:
    """Execution options; none affects results."""

    places: Places
    name: str | None = None
    fresh: bool = False
    device: str = "auto"
    workers: int | None = None
    executor: str = "local"
    resources: Mapping[str, float] = field(default_factory=dict)  # of a run, with Ray
    time_limit: float | None = None  # seconds
    command: tuple[str, ...] = ()  # its words, for a hint

    def deadline(self, began: float) -> float | None:
        """When the time limit of a command that ``began`` then ends, in seconds since the epoch; None without one."""
        return None if self.time_limit is None else began + self.time_limit


@dataclass(frozen=True)
class Campaign:
    """What a request came to: its exit ``status``, the experiment's folders, and what was asked for.

    ``computed`` says whether anything had to be computed, ``left`` how runs ended that are left to the next command.
    """

    status: int
    computed: bool
    left: Set[Left]
    folders: Folders
    protocol: Protocol
    specs: list[Spec]

    def experiment(self) -> Experiment:
        """The experiment as it is on disk, corrected for as many looks as this command may take.

        Nothing was recorded of them where nothing had to be computed.
        """
        found = self.folders.experiment()
        looks = max(found.looks, self.protocol.looks)
        return found if looks == found.looks else replace(found, protocol={**found.protocol, "looks": looks})


def compute_missing(
    protocol: Protocol, options: Options, console: Console, replay: ReplayRequest | None = None
) -> Campaign:
    """Compute the runs of ``protocol`` that are not on disk; with ``replay``, whose protocol it is, those of a replay.

    Raises ValueError (and OSError) with one line, before anything is computed, where the request cannot be met.
    """
    began = time.time()
    backends.settle()
    places = options.places
    protocol = checks.with_learners(protocol)
    protocol = checks.with_networks(protocol)
    if replay is not None:
        runs = replay.runs(protocol.learners)
        specs = list({spec.canonical: spec for _, spec in runs}.values())
    else:
        specs = checks.runnable(protocol, console)
        runs = grid.unroll(specs, protocol.learners, protocol.seeds)
    device = checks.device(options.device)
    folders = checks.folders(protocol, options.name, places.layers)
    root = folders.written
    with doing(f"reading the runs in {root}", console):
        plans = grid.plan(protocol, runs, folders, device, options.fresh)
    if replay is not None:
        plans = [grid.on_list(p, replay.list_of(p.key).indices, folders) for p in plans]
    todo = [p for p in plans if not p.done]
    if len(todo) < len(plans):
        console.print(_there(plans, root), markup=False, soft_wrap=True)
    failed, left = False, set[Left]()
    source = checks.source(protocol, places.data, places.cache, console, options.workers)
    if not todo:
        with doing(f"checking {protocol.dataset}", console):
            data_checks.same_data(protocol, folders, source, console)
        if (root / "runs").is_dir() and store.read_description(root) is None:  # it was lost
            store.write_description(root, protocol.fingerprint, as_published(protocol).to_dict())
    else:
        checks.writable(root, places.cache)
        data_checks.embeddable(protocol, source)
        with doing("checking strategies of your own", console):
            verdicts = checks.plugins(p.spec for p in todo)
        if removed := cache_limit.keep_below(places.cache, cache_limit.LIMIT):
            console.print(removed, markup=False, soft_wrap=True)
        deadline = options.deadline(began)
        per_gpu = by_trial(protocol, lambda: source.load()[0], deadline, checks.said_on(console))
        with executor_for(
            protocol, options.executor, device, options.workers, options.resources, len(todo), per_gpu, deadline
        ) as executor:
            with doing(f"reading {protocol.dataset}", console):
                data, identity = source.load()
                data_checks.runnable(protocol, specs, folders, identity, device)
                if replay is not None:
                    replay.check(identity, data_checks.dataset_record(identity), data.train_labels.tolist())
                todo = grid.on_data(todo, identity.sha256, folders)
            store.write_description(root, protocol.fingerprint, as_published(protocol).to_dict())
            for note in [*data_checks.notes(identity), *notes(todo)]:
                console.print(note, markup=False, soft_wrap=True)
            blueprint(protocol.model.name, protocol.model.parameters, data)  # what is derived once is shared too
            tasks = tasks_of(protocol, todo, verdicts, identity, device, options, began)
            if replay is not None:
                tasks = [replace(task, replay=replay.list_of(task.key)) for task in tasks]
            costs = None
            if replay is None:
                with doing("estimating the cost", console):
                    costs = costs_here(protocol, data, folders, tasks[0].device)
                say_cost(protocol, tasks, len(runs), costs, options, console, executor.at_once)
                if not isinstance(executor, InProcess):
                    tasks = balanced(tasks, costs)
            failed, left = compute(protocol, tasks, data, executor, console, costs)
    status = UNFINISHED if left else FAILED if failed else DONE  # repeating the command is worth it as long as it is 3
    return Campaign(status, bool(todo), left, folders, protocol, specs)


def notes(todo: list[RunPlan]) -> list[str]:
    """Why runs on disk are not continued, one line for all of which the same is to be said."""
    said: dict[str, list[RunPlan]] = {}
    for planned in todo:
        if planned.note:
            said.setdefault(planned.note.removeprefix(f"{planned.key}: "), []).append(planned)
    found = []
    for note, (first, *others) in said.items():
        beside = f" and {len(others)} other run{'s' * (len(others) > 1)}" if others else ""
        found.append(f"{first.key}{beside}: {note}")
    return found


def say_cost(
    protocol: Protocol,
    tasks: list[RunTask],
    asked: int,
    costs: Costs,
    options: Options,
    console: Console,
    workers: int,
) -> None:
    """Print what the tasks will cost, before the first of them begins; of the core alone if all of it is asked for."""
    missing = [(task.key, _missing_budgets(task)) for task in tasks]
    core = frozenset(registry.resolve(name).canonical for name in registry.members("core"))
    names = {spec.canonical for spec, _ in registry.expand(protocol.strategies)}
    for line in forecast.lines(asked, costs, missing, core if core <= names else frozenset(), options.command, workers):
        console.print(line, markup=False, soft_wrap=True)


def balanced(tasks: list[RunTask], costs: Costs) -> list[RunTask]:
    """The tasks in the order of their costs within a seed and learner, highest first, so that workers end together.

    The first task, which trains the round 0 that most share, stays the first, and those that cannot share it stay
    before the others (see ``plan.unroll``). Seeds still come one after the other.
    """

    def place(task: RunTask) -> tuple[bool, float]:
        return "attach" not in registry.resolve(task.reference).build().hooks, -cost(task)

    def cost(task: RunTask) -> float:
        return forecast.forecast(costs, [(task.key, _missing_budgets(task))]).seconds

    order = []
    for _, group in groupby(tasks, lambda task: (task.key.seed, task.key.learner)):
        first, *others = group
        order += [first, *sorted(others, key=place)]
    return order


def _there(plans: list[RunPlan], root: Path) -> str:
    """How many of the planned runs need not be computed, and where they are."""
    done = [p for p in plans if p.done]
    own = sum(p.path.is_relative_to(root) for p in done)
    parts = [f"{own} of {len(plans)} runs are in {root} already"] if own else []
    if published := len(done) - own:
        parts.append(f"{published} of {len(plans)} runs are published")
    rest = "--fresh recomputes them" if len(done) == len(plans) else f"computing the other {len(plans) - len(done)}"
    return "; ".join([*parts, rest])


def tasks_of(
    protocol: Protocol,
    todo: list[RunPlan],
    verdicts: Mapping[str, str],
    identity: Identity,
    device: str,
    options: Options,
    began: float,
) -> list[RunTask]:
    """The planned runs with where and until when to compute them; ``verdicts`` are those on the plugins."""
    commit, recorded = environment.commit(), data_checks.dataset_record(identity)
    return [
        RunTask(
            key=p.key,
            reference=p.spec.reference,
            source_sha256=p.spec.source_sha256,
            protocol=protocol,
            path=p.path,
            cache=options.places.cache,
            data_dir=options.places.data,
            dataset_sha256=recorded.sha256,
            manifest_sha256=recorded.manifest_sha256,
            device=device,
            learner_source=learners.source_of(p.key.learner),
            network_sources=network_sources(protocol),
            differing=recorded.differing,
            commit=commit,
            strategy_check=verdicts.get(p.spec.canonical),
            deadline=options.deadline(began),
            begun=p.begun,
            shared=shared(p, protocol),
        )
        for p in todo
    ]


def compute(
    protocol: Protocol,
    tasks: list[RunTask],
    data: ImageData,
    executor: Executor,
    console: Console,
    costs: Costs | None = None,
) -> tuple[bool, set[Left]]:
    """Execute the tasks and show the progress; whether any failed, and how those ended that are left."""
    missing = [(task.key, labels) for task in tasks for labels in _missing_budgets(task)]
    expected = {
        (key, labels): Cost(1.0, True) if costs is None else costs.of_round(key.strategy, key.learner, labels)
        for key, labels in missing
    }
    trained = 0 if factory.class_of(protocol.model.name).solved else protocol.recipe.batch_size
    images = {n: protocol.recipe.steps(n) * trained for n in protocol.budgets}
    failed, left = False, set[Left]()
    with Display(console, expected, images, protocol.oracle != "person", executor.at_once) as display:
        for finished in executor.execute(tasks, data, display.take):
            display.run_finished(finished)
            if finished.retried:
                continue
            if finished.outcome == "failed":
                failed = True
            elif finished.outcome != "done":
                left.add(finished.outcome)
    if not failed and not left and (lacking := [task for task in tasks if _missing_rounds(task)]):
        console.print(
            f"{len(lacking)} runs ended without all their rounds in {lacking[0].path.parents[2]}, the first "
            f"'{lacking[0].key}': repeat the command",
            markup=False,
            soft_wrap=True,
        )
        failed = True
    return failed, left


def _missing_budgets(task: RunTask) -> tuple[int, ...]:
    budgets = task.protocol.budgets
    return budgets[len(budgets) - _missing_rounds(task) :]


def _missing_rounds(task: RunTask) -> int:
    path = task.begun if task.begun is not None and not task.path.exists() else task.path
    run = store.read_summary(path) if path.exists() else None
    rounds = len(task.protocol.budgets)
    return rounds - (run.extent.done(rounds) if run else 0)
