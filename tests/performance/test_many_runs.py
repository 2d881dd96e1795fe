"""Starting a campaign of which ten thousand runs are done, and its report.

    python -m pytest -o addopts= tests/performance/test_many_runs.py

``PERF_RUNS=100000`` for more of them. The baseline of the start is the plain reading of the files, opened as the store
opens them; that of the report is reading them with all checks. Runs have 10 rounds that acquire 20 labels each.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest
from comparison import SMOKE, compare, timed
from support.report_lines import write_experiment, write_run

from benchmark import ENGINE_VERSION
from benchmark.campaign.plan import plan
from benchmark.experiment import Protocol, library
from benchmark.experiment.keys import RunKey
from benchmark.reports import write_report
from benchmark.results import index, store
from benchmark.results.foreign import content
from benchmark.results.layers import Folders
from benchmark.results.paths import run_paths
from strategies.registry import Spec, resolve

RUNS = int(os.environ.get("PERF_RUNS", "60" if SMOKE else "10000"))
STRATEGIES = ("random", "margin", "entropy", "badge", "coreset", "typiclust")
LADDER = tuple(range(20, 201, 20))


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return library.load("mnist").override(budgets=list(LADDER))


@pytest.fixture(scope="module")
def runs() -> list[tuple[RunKey, Spec]]:
    specs = [resolve(name) for name in STRATEGIES]
    seeds = -(-RUNS // len(specs))
    return [(RunKey(spec.canonical, "supervised", seed), spec) for seed in range(seeds) for spec in specs]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, protocol: Protocol, runs: list[tuple[RunKey, Spec]]) -> Path:
    root = write_experiment(tmp_path_factory.mktemp("many") / "mnist", list(LADDER), fingerprint=protocol.fingerprint)
    for key, spec in runs:
        facts: dict[str, Any] = {"fingerprint": protocol.fingerprint, "strategy_version": spec.version}
        write_run(root, key.strategy, key.seed, list(LADDER), engine_version=ENGINE_VERSION, **facts)
    return root


def read(root: Path) -> int:
    return sum(len(content(path)) for path in run_paths(root))


@pytest.mark.benchmark(group="many runs")
def test_start_of_a_campaign(
    benchmark: Any, root: Path, tmp_path: Path, protocol: Protocol, runs: list[tuple[RunKey, Spec]]
) -> None:
    """What is done, and whether all runs on disk pair with the data: once the index has been filled."""
    folders = Folders(root, (root,))

    def start() -> None:
        with index.kept_in(tmp_path):
            plans = plan(protocol, runs, folders, "cpu", fresh=False)
            assert all(planned.done for planned in plans)
            assert sum(1 for _ in store.datasets(root, protocol.fingerprint)) == len(runs)

    start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    note = f"{len(runs):,} runs, memory +{grown:.0f} MiB"
    compare(benchmark, timed(start), timed(lambda: read(root)), goal=0.2, note=note)


@pytest.mark.benchmark(group="many runs")
def test_report(benchmark: Any, root: Path, runs: list[tuple[RunKey, Spec]]) -> None:
    compare(
        benchmark,
        timed(lambda: write_report(root)),
        timed(lambda: store.read_experiment(root)),
        goal=0.2,
        rounds=1,
        warm_up=False,
        note=f"{len(runs):,} runs",
    )
