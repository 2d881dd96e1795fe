"""The memory that a report takes for each further run: little more than that of its learning curve."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import accuracy_of, header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.data import Report, report_of
from benchmark.reports.sections.balance import balance
from benchmark.reports.statistics import correction, resampling, tidy
from benchmark.results import compact
from benchmark.results.compact import PackedRuns
from benchmark.results.paths import run_path
from benchmark.results.records import Experiment, LabelsRecord, RunRecord

STRATEGIES = ("random", "margin", "entropy", "badge")
BUDGETS = list(range(20, 201, 20))
FEW, MANY = 20, 140  # seeds
HELD, AT_PEAK = 850, 2800  # bytes a run; with names as texts, a run holds 950; as records, ten times as many


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is packed goes to the temporary file, and what is taken in parts of some MiB is so of few runs too."""
    monkeypatch.setattr(compact, "_IN_MEMORY", 1000)
    monkeypatch.setattr(tidy, "AT_ONCE", 100)
    monkeypatch.setattr(resampling, "AT_ONCE", 1000)
    monkeypatch.setattr(correction, "MOST_STATISTICS", 1)  # as many flips of any number of seeds


def runs(seeds: int) -> Iterator[RunRecord]:
    """Runs of ten rounds, each seed with initial labels of its own."""
    root = Path("results") / "mnist"
    for strategy, seed in itertools.product(STRATEGIES, range(1000, 1000 + seeds)):
        key = RunKey(strategy, "supervised", seed)
        initial = LabelsRecord(tuple(range(seed, seed + 20)), (0,) * 20, ())
        rounds = [
            round_of(
                number,
                labels,
                20,
                accuracy=accuracy_of(strategy, seed % 7, labels),
                calibration_seconds=0.01,
                diagnostics={"acquisition.scored": 1.0 + labels},
            )
            for number, labels in enumerate(BUDGETS)
        ]
        yield RunRecord(replace(header_of(key), initial=initial), rounds, run_path(root, key))


def experiment(seeds: int) -> Experiment:
    protocol = {"name": "mnist", "dataset": "mnist", "budgets": BUDGETS}
    return Experiment("mnist", None, "f" * 64, protocol, Path("results") / "mnist", PackedRuns(runs(seeds)))


def growth(made: Callable[[int], object]) -> tuple[float, float]:
    """Bytes that each further run takes of what is ``made`` of so many seeds, and while it is being made.

    The lesser of two measurements: whatever else the process does meanwhile adds to one of them. Each is of numbers of
    seeds that were not met before, so that what is kept for a number of seeds adds to both.
    """
    more = len(STRATEGIES) * (MANY - FEW)
    found = []
    for few, many in ((FEW, MANY), (FEW + 1, MANY + 1)):
        made(few)  # what is computed once
        before, after = _traced(made, few), _traced(made, many)
        found.append([(large - small) / more for small, large in zip(before, after, strict=True)])
    held, peak = map(min, zip(*found, strict=True))
    return held, peak


def _traced(made: Callable[[int], object], seeds: int) -> tuple[int, int]:
    tracemalloc.start()
    kept = made(seeds)
    gc.collect()
    sizes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return sizes


def test_a_run_on_disk_takes_some_numbers() -> None:
    held, peak = growth(experiment)
    assert held < 250
    assert peak < 1500


def test_a_run_in_a_report_takes_little_more_than_its_curve() -> None:
    def report(seeds: int) -> Report:
        found = report_of(experiment(seeds))
        (view,) = found.views
        computed = (view.accuracy, view.gains, view.areas, found.summary_of(view), found.areas, found.once(balance))
        assert all(map(len, computed))
        return found

    held, peak = growth(report)
    assert held < HELD
    assert peak < AT_PEAK
