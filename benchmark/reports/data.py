"""A report as data: what an experiment's lines say, before any of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from benchmark.reports.provenance import Provenance, provenance
from benchmark.reports.statistics.curves import select, tidy
from benchmark.reports.statistics.seeds import BASELINE, Key, reaching
from benchmark.reports.statistics.summary import run_areas
from benchmark.reports.statistics.traces import traced
from benchmark.reports.statistics.views import View, views
from benchmark.results.records import RunRecord
from benchmark.results.store import read_experiment

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """An experiment's runs as data, from which the sections make what they show.

    ``runs`` are those that are shown, ``curves`` their tidy learning curves, and ``last`` the label count aimed at.
    ``views`` are one or two, see ``views.views``; the first is the headline's. ``selection_notes`` say which runs are
    incomplete, repeated or missing. ``baseline`` is the strategy that all are tested against besides random, ``target``
    the accuracy (0–1) whose labels are counted, None for random's final one.
    """

    root: Path
    runs: list[RunRecord]
    curves: pd.DataFrame
    last: int
    views: list[View]
    source: Provenance
    selection_notes: list[str]
    baseline: str = BASELINE
    target: float | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def accuracy(self) -> pd.DataFrame:
        """Of the first view: strategy, learner, labels, mean, sd, low, high, n."""
        return self.views[0].accuracy

    @property
    def summary(self) -> pd.DataFrame:
        """Of the first view: see ``summary.summarise``."""
        return self.views[0].summary

    @property
    def ranking(self) -> list[Key]:
        """All strategies (with learners), the largest area first."""
        return self.views[-1].ranking

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows up to the last label count that all strategies reach: see ``seeds.reaching``."""
        return reaching(self.curves, self.last)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """A row per run in ``rows``: see ``summary.run_areas``."""
        return run_areas(self.rows)

    @cached_property
    def traces(self) -> pd.DataFrame:
        """What learners noted in the course of their trainings: see ``traces.traced``."""
        return traced(self.runs)

    def once(self, compute: Callable[..., T], *arguments: Any) -> T:
        """``compute(report, *arguments)``, kept from the first time on: what a section's parts share."""
        key = (compute, *arguments)
        if key not in self._kept:
            self._kept[key] = compute(self, *arguments)
        found: T = self._kept[key]
        return found


def read_report(
    root: Path,
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
    baseline: str = BASELINE,
    target: float | None = None,
) -> Report:
    """The report of the experiment at ``root``, from its lines alone; writes nothing.

    The first arguments select runs, None all of them; strategies and learners in canonical form. For ``baseline`` and
    ``target`` see ``Report``. Raises ValueError if ``root`` holds no experiment, or no complete round of the selection.
    """
    experiment = read_experiment(root)
    selection = select(experiment, strategies, learners, seeds, budgets)
    curves = tidy(selection.runs, budgets)
    return Report(
        root=root,
        runs=selection.runs,
        curves=curves,
        last=selection.last,
        views=views(curves, selection.last),
        source=provenance(experiment, selection.runs),
        selection_notes=selection.notes,
        baseline=baseline,
        target=target,
    )
