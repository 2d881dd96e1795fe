"""From records on disk to learning curves: which runs count, and their rounds as one tidy table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd

from benchmark.reports.statistics.editions import Present, choose
from benchmark.reports.statistics.tidy import key_of, tidy
from benchmark.reports.words import count, name, ranges
from benchmark.results.compact import PackedRuns
from benchmark.results.editions import base_name
from benchmark.results.errors import StoreError
from benchmark.results.records import DatasetRecord, Experiment, RunRecord


class Selection(NamedTuple):
    """One run per (strategy, learner, seed), in the order of tables; ``last`` is the schedule's last label count."""

    runs: Sequence[RunRecord]
    last: int
    notes: list[str]


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
    attempts = defaultdict[tuple[str, str, int], list[tuple[int, int]]](list)  # where it ends, place in the choice
    for place, run in enumerate(choice.runs):
        strategy, learner, seed = key_of(run)
        if (
            (strategies is None or strategy in strategies)
            and (learners is None or learner in learners)
            and (seeds is None or seed in seeds)
        ):
            reached = max((n for n in run.label_counts if not budgets or n in wanted), default=0)
            attempts[strategy, learner, seed].append((reached, place))
    furthest = max((reached for tried in attempts.values() for reached, _ in tried), default=0)
    if not furthest:
        damaged = f"{len(experiment.left_out)} {count(len(experiment.left_out), 'file')}"
        raise StoreError(
            f"experiment '{experiment.name}' has no complete round {'to show ' if choice.notes else ''}among the runs "
            f"asked for: run it first, or ask for other strategies, learners, seeds or budgets ({experiment.root})"
            + (f"; damaged: {damaged}, see --doctor {experiment.root}" if experiment.left_out else "")
            + "".join(f"; {note.removesuffix('.')}" for note in choice.notes)
        )
    last = max(wanted, default=furthest)
    listed = list(experiment.protocol.get("strategies", ()))
    several = len({learner for _, learner, _ in attempts}) > 1
    chosen = PackedRuns()
    short: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))  # names: where they end: seeds
    all_ends: set[int] = set()
    repeated: dict[str, list[str]] = defaultdict(list)
    place_of = {strategy: place for place, strategy in enumerate(dict.fromkeys(listed))}
    for key in sorted(attempts, key=lambda k: (place_of.get(base_name(k[0]), len(listed)), *k)):
        tried = [(reached, choice.runs[place]) for reached, place in attempts[key]]
        reached, run = max(
            tried,
            key=lambda a: (a[0] >= last, a[0] < last and a[0], not experiment.is_published(a[1]), a[1].attempt),
        )
        who = name(key[0], key[1], several)
        if reached:
            chosen.add(run)
        all_ends.add(reached)
        if reached < last:
            short[who][reached].append(key[2])
        public = experiment.is_published(run)
        beside = [where for where, other in tried if experiment.is_published(other) != public]
        if beside and public:
            repeated[f"{who}: the published run is shown (your own is not complete)"].append(str(key[2]))
        elif beside and max(beside) >= last:
            repeated[f"{who}: your own run is shown, not the published one"].append(str(key[2]))
        if len(tried) - len(beside) > 1:
            newest = max(other.attempt for _, other in tried if experiment.is_published(other) == public)
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
    if len(all_ends) == 1 and (end := all_ends.pop()) < last:
        notes = [f"All runs end at {end} of {last} labels."]
    notes += [f"{what}, seed {', '.join(where)}." for what, where in repeated.items()]
    there = {strategy for strategy, _, _ in attempts}
    notes += [f"{absent}: no run on disk." for absent in sorted(set(strategies or ()) - there)]
    return Selection(chosen, last, [*choice.notes, *notes, *other_data])


def _on_one_data_set(runs: Sequence[RunRecord]) -> tuple[Sequence[RunRecord], list[str]]:
    """The runs on data that pair with one another, and notes on the others, which no mean may mix with them.

    Those that pair with the published data of their name, where there are any, else the most.
    """
    copies: list[tuple[DatasetRecord, PackedRuns]] = []
    for run in runs:
        dataset = run.header.dataset
        paired = next((others for first, others in copies if first.pairs_with(dataset)), None)
        if paired is None:
            paired = PackedRuns()
            copies.append((dataset, paired))
        paired.add(run)

    def rank(copy: tuple[DatasetRecord, PackedRuns]) -> tuple[bool, int]:
        differing = copy[0].differing
        return differing is not None and differing.pairs, len(copy[1])

    kept = max(copies, key=rank)[1] if copies else PackedRuns()
    notes = [
        f"Left out, on other data (SHA-256 {first.sha256[:12]}): " + "; ".join(str(run.key) for run in others) + "."
        for first, others in copies
        if others is not kept
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
