"""From records on disk to learning curves: which runs count, and their rounds as one tidy table."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmark.reports.statistics.editions import Present, choose
from benchmark.reports.words import count, name, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment, RunRecord
from benchmark.text import escapes

RUN = ["strategy", "learner", "seed"]
COLUMNS = [*RUN, "labels", "accuracy", "nll", "ece", "train_seconds", "query_seconds"]
AT_ONCE = 20_000  # rows of a table


class Selection(NamedTuple):
    """One run per (strategy, learner, seed), in the order of tables; ``last`` is the schedule's last label count."""

    runs: list[RunRecord]
    last: int
    notes: list[str]


def key_of(run: RunRecord) -> tuple[str, str, int]:
    """The run's strategy, learner and seed, in the order of ``RUN``."""
    return run.key.strategy, run.key.learner, run.key.seed


def select(
    experiment: Experiment,
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
    present: Present | None = None,
) -> Selection:
    """The newest complete attempt of each run; where none is complete, the one that gets furthest.

    A run is complete when it reaches the last of ``budgets``, by default the protocol's. A complete run of the user's
    own goes before a published one. None selects all. Of several editions one is shown, by default the newest on disk,
    and older ones where they are named: see ``editions.choose``, also for ``present``.
    Raises StoreError if no run has a complete round.
    """
    alike, other_data = _on_one_data_set(experiment.runs)
    choice = choose(alike, strategies, learners, seeds, present)
    strategies, learners = choice.strategies, choice.learners
    wanted = set(budgets or experiment.protocol.get("budgets", ()))
    attempts: dict[tuple[str, str, int], list[tuple[int, RunRecord]]] = defaultdict(list)
    for run in choice.runs:
        strategy, learner, seed = key_of(run)
        if (
            (strategies is None or strategy in strategies)
            and (learners is None or learner in learners)
            and (seeds is None or seed in seeds)
        ):
            reached = max((n for n in run.label_counts if not budgets or n in wanted), default=0)
            attempts[strategy, learner, seed].append((reached, run))
    furthest = max((reached for tried in attempts.values() for reached, _ in tried), default=0)
    if not furthest:
        damaged = f"{len(experiment.left_out)} {count(len(experiment.left_out), 'file')}"
        raise StoreError(
            f"experiment '{experiment.name}' has no complete round among the runs asked for: "
            f"run it first, or ask for other strategies, learners, seeds or budgets ({experiment.root})"
            + (f"; damaged: {damaged}, see --doctor {experiment.root}" if experiment.left_out else "")
        )
    last = max(wanted, default=furthest)
    listed = list(experiment.protocol.get("strategies", ()))
    several = len({learner for _, learner, _ in attempts}) > 1
    chosen: list[RunRecord] = []
    short: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))  # names: where they end: seeds
    repeated: dict[str, list[str]] = defaultdict(list)
    for key in sorted(attempts, key=lambda k: (listed.index(k[0]) if k[0] in listed else len(listed), *k)):
        reached, run = max(
            attempts[key],
            key=lambda a: (a[0] >= last, a[0] < last and a[0], not experiment.is_published(a[1]), a[1].attempt),
        )
        who = name(key[0], key[1], several)
        if reached:
            chosen.append(run)
        if reached < last:
            short[who][reached].append(key[2])
        public = experiment.is_published(run)
        beside = [where for where, other in attempts[key] if experiment.is_published(other) != public]
        if beside and public:
            repeated[f"{who}: the published run is shown (your own is not complete)"].append(str(key[2]))
        elif beside and max(beside) >= last:
            repeated[f"{who}: your own run is shown, not the published one"].append(str(key[2]))
        if len(attempts[key]) - len(beside) > 1:
            newest = max(other.attempt for _, other in attempts[key] if experiment.is_published(other) == public)
            why = "the newest" if run.attempt == newest else f"attempt {newest} is not complete"
            repeated[f"{who}: attempt {run.attempt} is shown ({why})"].append(str(key[2]))
    together: dict[str, list[str]] = defaultdict(list)
    for who, ends in short.items():
        where = (f"{count(len(some), 'seed')} {ranges(some)} at {reached}" for reached, some in ends.items())
        together[", ".join(where)].append(who)
    notes = [
        f"{', '.join(who)} {'are' if len(who) > 1 else 'is'} incomplete: {where} of {last} labels."
        for where, who in together.items()
    ]
    notes += [f"{what}, seed {', '.join(where)}." for what, where in repeated.items()]
    there = {strategy for strategy, _, _ in attempts}
    notes += [f"{absent}: no run on disk." for absent in sorted(set(strategies or ()) - there)]
    return Selection(chosen, last, [*choice.notes, *notes, *other_data])


def _on_one_data_set(runs: Sequence[RunRecord]) -> tuple[list[RunRecord], list[str]]:
    """The runs on data that pair with one another, and notes on the others, which no mean may mix with them.

    Those that pair with the published data of their name, where there are any, else the most.
    """
    copies: list[list[RunRecord]] = []
    for run in runs:
        for others in copies:
            if others[0].header.dataset.pairs_with(run.header.dataset):
                others.append(run)
                break
        else:
            copies.append([run])

    def rank(copy: list[RunRecord]) -> tuple[bool, int]:
        differing = copy[0].header.dataset.differing
        return differing is not None and differing.pairs, len(copy)

    kept = max(copies, key=rank, default=[])
    notes = [
        f"Left out, on other data (SHA-256 {copy[0].header.dataset.sha256[:12]}): "
        + "; ".join(str(run.key) for run in copy)
        + "."
        for copy in copies
        if copy is not kept
    ]
    return kept, notes


def curves(
    experiment: Experiment,
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
) -> pd.DataFrame:
    """The learning curves of the selected runs (see ``select``), one row per run and round.

    Columns: strategy, learner, seed, labels, accuracy (0–1), nll, ece, train_seconds, query_seconds (NaN in
    rounds without a query). Strategies stand in the protocol's order, the others by name after them.
    """
    return tidy(select(experiment, strategies, learners, seeds, budgets).runs, budgets)


def tidy(runs: Iterable[RunRecord], budgets: Collection[int] | None = None) -> pd.DataFrame:
    """The rounds of ``runs`` as a table (see ``curves``), at the label counts in ``budgets``, by default at all."""
    wanted = set(budgets or ())
    rows = (
        (
            *key_of(run),
            record.num_labelled,
            *(record.accuracy, record.nll, record.ece),
            record.seconds.train,
            record.seconds.query if record.acquired_indices else math.nan,
        )
        for run in runs
        for record in run.rounds
        if not wanted or record.num_labelled in wanted
    )
    return table_of(rows, COLUMNS).astype(dict.fromkeys(COLUMNS[4:], "float64"))


def table_of(rows: Iterable[Any], columns: list[str] | None = None) -> pd.DataFrame:
    """A table of ``rows``, tuples or dicts. Many are taken in turn: as objects they are ten times as large."""
    taken = iter(rows)
    parts = [pd.DataFrame(list(itertools.islice(taken, AT_ONCE)), columns=columns)]
    while some := list(itertools.islice(taken, AT_ONCE)):
        parts.append(pd.DataFrame(some, columns=columns))
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def write_curves(frame: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV: measures at full precision, seconds rounded to 3 decimals."""
    seconds = {"train_seconds": 3, "query_seconds": 3}
    write_atomically(path, escapes.csv_table(frame.round(seconds)).encode())


def groups(frame: pd.DataFrame, by: Sequence[str]) -> dict[Any, pd.DataFrame]:
    """The rows by the values of the columns ``by`` (a tuple, or a single column's value), in order of occurrence."""
    return dict(iter(frame.groupby(by[0] if len(by) == 1 else list(by), sort=False)))
