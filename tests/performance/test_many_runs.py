"""Starting a campaign of which ten thousand runs are done, what is left of it, and its report.

    python -m pytest -o addopts= tests/performance/test_many_runs.py

``PERF_RUNS=100000`` for more of them. The baseline of the start and of what is left is the plain reading of the files,
opened as the store opens them; that of the report is reading them with all checks. Runs have 10 rounds that acquire 20
labels each, and lines as long as those of ``mnist``. Memory is what a process has at its peak beyond what it had
before; of a report, in a process of its own, beyond the peak of a report of 60 runs.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import SMOKE, clock, compare, timed
from support.report_lines import accuracy_of, header_of, round_of, write_experiment

from benchmark import ENGINE_VERSION
from benchmark.campaign import forecast
from benchmark.campaign.costs import Costs, Sizes
from benchmark.campaign.plan import RunPlan, plan
from benchmark.experiment import Protocol, library
from benchmark.experiment.keys import RunKey
from benchmark.reports import write_report
from benchmark.results import index, lines, store
from benchmark.results.fields import plain
from benchmark.results.foreign import content
from benchmark.results.layers import Folders
from benchmark.results.paths import run_path, run_paths
from benchmark.results.records import LabelsRecord, RoundRecord, Seconds
from strategies.registry import Spec, resolve

RUNS = int(os.environ.get("PERF_RUNS", "60" if SMOKE else "10000"))
STRATEGIES = ("random", "margin", "entropy", "badge", "coreset", "typiclust")
LADDER = tuple(range(20, 201, 20))
FEW = 60  # runs of the report whose memory is that of any
DIFFERENT = 50  # runs of a strategy with rounds of their own; the others repeat them
Runs = list[tuple[RunKey, Spec]]


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return library.load("mnist").override(budgets=list(LADDER))


@pytest.fixture(scope="module")
def runs() -> Runs:
    return runs_of(range(-(-RUNS // len(STRATEGIES))))


def runs_of(seeds: range) -> Runs:
    specs = [resolve(name) for name in STRATEGIES]
    return [(RunKey(spec.canonical, "supervised", seed), spec) for seed in seeds for spec in specs]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, protocol: Protocol, runs: Runs) -> Path:
    return write_runs(tmp_path_factory.mktemp("many") / "mnist", protocol, runs)


def write_runs(root: Path, protocol: Protocol, runs: Runs) -> Path:
    write_experiment(root, list(LADDER), fingerprint=protocol.fingerprint)
    drawn = cycle([drawn_rounds(name, seed) for seed in range(DIFFERENT) for name in STRATEGIES])
    for (key, spec), (initial, rounds) in zip(runs, drawn, strict=False):
        header = header_of(key, fingerprint=protocol.fingerprint, strategy_version=spec.version)
        written = [lines.header_bytes(replace(header, engine_version=ENGINE_VERSION, initial=initial))]
        for value in rounds:  # as ``round_bytes``, which would check each again
            before = lines.digest(written[-1])
            written.append(lines._encoded({"kind": "round", **value, "previous_sha256": before}))
        path = run_path(root, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in written))
    return root


def drawn_rounds(strategy: str, seed: int) -> tuple[LabelsRecord, list[dict[str, Any]]]:
    """Initial labels and rounds, as JSON values, of the size and kind of real ones."""
    draw = np.random.default_rng([seed, STRATEGIES.index(strategy)])
    images = draw.permutation(60_000)[: LADDER[-1]].tolist()
    labels = [image % 10 for image in images]
    step = LADDER[0]
    rounds = [
        drawn_round(
            number,
            accuracy_of(strategy, seed % 5, count),
            draw,
            acquired_indices=tuple(images[count : count + step]),
            acquired_labels=tuple(labels[count : count + step]),
        )
        for number, count in enumerate(LADDER)
    ]
    return LabelsRecord(tuple(images[:step]), tuple(labels[:step]), ()), [plain(record) for record in rounds]


def drawn_round(number: int, accuracy: float, draw: np.random.Generator, **acquired: tuple[int, ...]) -> RoundRecord:
    counts = draw.multinomial(10_000, draw.dirichlet(np.ones(15)))
    correct, confidence = draw.binomial(counts, accuracy), draw.random(15)
    bins = tuple((int(n), float(c), int(k)) for n, c, k in zip(counts, confidence, correct, strict=True))
    found = sum(k for _, _, k in bins) / 10_000
    measured = {"scored": 60_000.0 - LADDER[number], "duplicates": 0.0, "margin_overlap": float(draw.random())}
    train, query, evaluate = draw.random(3).round(3).tolist()
    return round_of(
        number,
        LADDER[number],
        accuracy=found,
        nll=float(draw.exponential()),
        ece=sum(abs(n * c - k) for n, c, k in bins) / 10_000,
        bins=bins,
        class_accuracy=(found - 0.02, found + 0.02, *(found + 0.04 * draw.random(8) - 0.02).tolist()),
        seconds=Seconds(10 * train, query, evaluate),
        calibration_seconds=round(0.01 + float(draw.random()) / 1000, 6),
        diagnostics={f"acquisition.{name}": value for name, value in measured.items()}
        if any(acquired.values())
        else {},
        **acquired,
    )


def read(root: Path) -> int:
    return sum(len(content(path)) for path in run_paths(root))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def planned(protocol: Protocol, asked: Runs, folders: Folders) -> list[RunPlan]:
    """What is done, and whether all runs on disk pair with the data."""
    plans = plan(protocol, asked, folders, "cpu", fresh=False)
    assert sum(1 for _ in store.datasets(folders.written, protocol.fingerprint)) == sum(one.done for one in plans)
    return plans


@pytest.mark.benchmark(group="many runs")
def test_start_of_a_campaign(benchmark: Any, root: Path, cache: Path, protocol: Protocol, runs: Runs) -> None:
    """All is done: once the index has been filled."""

    def start() -> None:
        with index.kept_in(cache):
            assert all(one.done for one in planned(protocol, runs, Folders(root, (root,))))

    start()
    note = f"{len(runs):,} runs, memory +{grown(start):.0f} MiB"
    compare(benchmark, timed(start), timed(lambda: read(root)), goal=0.2, note=note)


@pytest.mark.benchmark(group="many runs")
def test_what_is_left(benchmark: Any, root: Path, cache: Path, protocol: Protocol, runs: Runs) -> None:
    """One more seed is asked for: the list of what is left, and its cost by what is on disk."""
    asked = [*runs, *runs_of(range(len(runs), len(runs) + 1))]

    def left() -> None:
        with index.kept_in(cache):
            plans = planned(protocol, asked, Folders(root, (root,)))
            known = store.some_runs(root, protocol.fingerprint)
            costs = Costs(protocol, Sizes((1, 28, 28), 10, 60_000, 10_000), known, 0.01)
            missing = [(one.key, protocol.budgets) for one in plans if not one.done]
            (said, *_) = forecast.lines(len(plans), costs, missing, frozenset(), ())
            assert said.startswith(f"{len(STRATEGIES)} of {len(asked)} runs are left")

    left()
    note = f"{len(asked):,} runs, memory +{grown(left):.0f} MiB"
    compare(benchmark, timed(left), timed(lambda: read(root)), goal=0.2, note=note)


def grown(work: Callable[[], None]) -> float:
    """MiB by which the process's peak grows; 0 where it has been higher before."""
    before = peak()
    work()
    return peak() - before


def peak() -> float:
    """MiB at the process's peak until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def reported(root: Path) -> tuple[float, float]:
    """Seconds of a report, and the process's peak in MiB."""
    start = clock()
    write_report(root)
    return clock() - start, peak()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, protocol: Protocol, runs: Runs) -> Path:
    return write_runs(tmp_path_factory.mktemp("few") / "mnist", protocol, runs[:FEW])


@pytest.mark.benchmark(group="many runs")
def test_report(benchmark: Any, root: Path, few: Path, runs: Runs) -> None:
    peaks: list[float] = []

    def seconds_in_a_process(folder: Path) -> float:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            took, most = process.submit(reported, folder).result()
        peaks.append(most)
        return took

    seconds_in_a_process(few)
    ours, baseline = lambda: seconds_in_a_process(root), timed(lambda: store.read_experiment(root))
    compare(benchmark, ours, baseline, goal=0.2, rounds=1, warm_up=False)
    benchmark.extra_info["note"] = f"{len(runs):,} runs, memory {peaks[0]:,.0f} +{peaks[1] - peaks[0]:,.0f} MiB"
