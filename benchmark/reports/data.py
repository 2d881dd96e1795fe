"""An experiment's runs as data, from which the sections of a report are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from benchmark.experiment.keys import RunKey
from benchmark.reports.commands import ANYWHERE, Address
from benchmark.reports.provenance import Provenance, provenance
from benchmark.reports.statistics.curves import select
from benchmark.reports.statistics.degeneracy import degenerate
from benchmark.reports.statistics.editions import Present, shown_as
from benchmark.reports.statistics.endpoints import declared
from benchmark.reports.statistics.family import contrasts, level, replay_contrasts, resolution
from benchmark.reports.statistics.inference import MARGIN, Inference, infer
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key, horizon, reaching
from benchmark.reports.statistics.summary import keys, run_areas
from benchmark.reports.statistics.tidy import tidy
from benchmark.reports.statistics.traces import traced
from benchmark.reports.statistics.views import View, views
from benchmark.reports.verdicts import in_words, sentence
from benchmark.results import failures
from benchmark.results.records import Experiment, RunRecord
from benchmark.results.store import read_experiment

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """The runs that a report shows, their learning curves, and the views of them.

    ``curves`` is a tidy table, see ``curves.curves``; ``last`` is the last label count of the budget schedule.
    ``views`` are one or two, see ``views.views``; the first is the headline. ``selection_notes`` name runs that are
    incomplete, repeated or missing. ``baseline`` is a strategy that all others are tested against besides the
    reference; None for none.
    ``target`` is the accuracy (0–1) for which labels saved are counted; None stands for the reference's final accuracy.
    ``reference`` is the strategy that differences are to: random, unless a selection names another. ``flags`` are those
    of the command that selects the same runs; None for an experiment's own report. ``address`` is how a command of the
    user names the runs.
    """

    root: Path
    runs: Sequence[RunRecord]
    curves: pd.DataFrame
    last: int
    views: list[View]
    source: Provenance
    selection_notes: list[str]
    baseline: str | None = None
    target: float | None = None
    reference: str = REFERENCE
    flags: tuple[str, ...] | None = None
    address: Address = ANYWHERE
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def accuracy(self) -> pd.DataFrame:
        """Accuracy in the first view: see ``View.accuracy``."""
        return self.views[0].accuracy

    @property
    def summary(self) -> pd.DataFrame:
        """The summary of the first view: see ``summary.summarise``."""
        return self.views[0].summary

    @property
    def sentence(self) -> str:
        """The one sentence on the experiment: see ``verdicts.sentence``. Empty where no run of the reference pairs."""
        return sentence(self.inference, self.reference, self.source.unranked.degenerate)

    def summary_of(self, view: View) -> pd.DataFrame:
        """A view's summary with what the inference finds against the reference in area.

        Further columns: pairs (the seeds shared with it), difference, low and high (its interval on its own),
        p_corrected, and verdict, as tables print it, empty where there are too few seeds for a test.
        """
        found = self.inference.of(self.reference)[["n", "difference", "low", "high", "p_corrected"]]
        table = view.summary.merge(found.rename(columns={"n": "pairs"}).reset_index(), on=GROUP, how="left")
        verdicts = {key: self.inference.verdicts(key, self.reference) for key in keys(table)}
        said = [
            self.source.unranked.cited(key, in_words(found)) if found and sure else ""
            for (key, found), sure in zip(verdicts.items(), table["low"].notna(), strict=True)
        ]
        return table.assign(verdict=said)

    @property
    def ranking(self) -> list[Key]:
        """All strategies (with learners), the largest area first."""
        return self.views[-1].ranking

    @cached_property
    def end(self) -> int:
        """The label count at which all comparisons of areas end: see ``seeds.horizon``."""
        return horizon(self.curves, self.last)

    @property
    def until(self) -> int:
        """The label count before which queries count: later ones made none of the labels that the report trains on."""
        return _until(self.curves, self.last)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows up to the last label count that all strategies reach: see ``seeds.reaching``."""
        return reaching(self.curves, self.end)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """A row per run in ``rows``: see ``summary.run_areas``."""
        return run_areas(self.rows)

    @cached_property
    def inference(self) -> Inference:
        """What the runs show: every verdict of the report. Diagnostics are no part of its one family."""
        counts = sorted(set(self.rows["labels"].tolist()))
        family = contrasts(self.rows, self.baseline, self.reference) + replay_contrasts(self.runs, counts)
        tested = resolution(self.runs), MARGIN, level(self.source.protocol), self.source.unranked.diagnostic
        return infer(family, declared(len(counts)), *tested)

    @cached_property
    def traces(self) -> pd.DataFrame:
        """What learners recorded during training: see ``traces.traced``."""
        return traced(self.runs, set(self.curves["labels"].tolist()))

    def once(self, compute: Callable[..., T], *arguments: Any) -> T:
        """``compute(report, *arguments)``, computed once: for what several parts of a section share."""
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
    baseline: str | None = None,
    target: float | None = None,
) -> Report:
    """The report of the experiment at ``root``, see ``report_of``. Raises StoreError if there is none."""
    return report_of(read_experiment(root), strategies, learners, seeds, budgets, baseline, target)


def report_of(
    experiment: Experiment,
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
    baseline: str | None = None,
    target: float | None = None,
    present: Present | None = None,
    reference: str = REFERENCE,
) -> Report:
    """The report of an experiment, from its records alone; writes nothing.

    ``strategies`` and ``learners`` (in canonical form), ``seeds`` and ``budgets`` select runs, None selects all. For
    ``baseline``, ``target`` and ``reference`` see ``Report``, for ``present`` and older editions ``editions.choose``.
    Raises StoreError if there is no complete round among the selected runs.
    """
    selection = select(experiment, strategies, learners, seeds, budgets, present)
    curves = tidy(selection.runs, budgets)
    reference = shown_as(reference, set(curves["strategy"]))
    source = provenance(experiment, selection.runs, degenerate(selection.runs, _until(curves, selection.last)))
    asked = (strategies, learners, seeds)
    failed = [failure for failure in experiment.failures if _is_asked_for(failure.key, *asked)]
    return Report(
        root=experiment.root,
        runs=selection.runs,
        curves=curves,
        last=selection.last,
        views=views(curves, horizon(curves, selection.last), source.unranked, reference),
        source=source,
        selection_notes=[*experiment.left_out, *failures.notes(failed), *selection.notes],
        baseline=baseline,
        target=target,
        reference=reference,
    )


def _until(curves: pd.DataFrame, last: int) -> int:
    """See ``Report.until``: the ``last`` label count that is asked for, or a later one to which a run goes."""
    return max(last, int(curves["labels"].max()))


def _is_asked_for(
    key: RunKey,
    strategies: Collection[str] | None,
    learners: Collection[str] | None,
    seeds: Collection[int] | None,
) -> bool:
    return (
        (strategies is None or key.strategy in strategies)
        and (learners is None or key.learner in learners)
        and (seeds is None or key.seed in seeds)
    )
