"""Which runs can be compared: the label counts that all strategies reach, and the seeds that all share.

Means over different seeds are not comparable: a seed's initial labels shift all its curves. So means that are compared
are over the same seeds (``comparable``). A few strategies with many seeds among many with few would lose most of
theirs; ``seed_groups`` tells the two apart, so that a report can show both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmark.reports.statistics.tidy import chosen, pieces, places
from benchmark.reports.words import count, name, ranges

GROUP = ["strategy", "learner"]
REFERENCE = "random"  # the strategy that all are compared with
SUPERVISED = "supervised"  # the learner that others are compared with
ENOUGH = 0.8  # of the largest number of seeds: strategies with as many cost the others few seeds
FEWEST_SEEDS = 3  # for a t-test
NAMED = 6  # a note names each of up to this many strategies

Key = tuple[str, str]  # strategy, learner


class SeedGroups(NamedTuple):
    """Strategies (with learners) by how many of the seeds they have.

    ``complete`` have the most seeds or nearly as many, ``partial`` far fewer. ``unfinished`` have no run that reaches
    the end, or none with a seed of the reference: they are shown only where they have all seeds that the others share,
    and never reduce those.
    """

    complete: list[Key]
    partial: list[Key]
    unfinished: list[Key]


def seed_groups(curves: pd.DataFrame, end: int | None = None, reference: str = REFERENCE) -> SeedGroups:
    """Group strategies by the number of seeds that they have complete runs (see ``reaching``) and a reference for.

    Complete are those with at least 80 % of the largest number; all are if that is less than 3. The ``reference`` has
    as many as any strategy with the same learner: where one of these is complete, it is too.
    """
    order = [key for key, _ in places(curves, GROUP)]
    ran = {key: set(run["seed"].tolist()) for key, run in pieces(reaching(curves, end), GROUP)}
    usable = {key: len(ran[key] & ran.get((reference, key[1]), ran[key])) if key in ran else 0 for key in order}
    if not any(usable[key] for key in order if key[0] != reference):
        usable = {key: len(ran.get(key, ())) for key in order}  # nothing pairs with the reference
    most = max((n for key, n in usable.items() if key[0] != reference), default=max(usable.values()))
    least = ENOUGH * most if most >= FEWEST_SEEDS else 1
    return SeedGroups(
        complete=[key for key in order if usable[key] >= least],
        partial=[key for key in order if 0 < usable[key] < least],
        unfinished=[key for key in order if not usable[key]],
    )


def only(frame: pd.DataFrame, who: Collection[Key]) -> pd.DataFrame:
    """The rows of these strategies (with learners)."""
    them = set(who)
    return chosen(frame, GROUP, lambda key, _: key in them)


def horizon(curves: pd.DataFrame, last: int | None = None) -> int:
    """The label count at which the comparison of areas ends: the last one that all strategies reach.

    Strategies without a run up to ``last`` do not count, provided that at least two have one. If only one has, as
    random may, there is nothing to compare it with, and all end where the shortest ends.
    """
    reach = [int(own["labels"].max()) for _, own in pieces(curves, GROUP)]
    full = [count for count in reach if count >= (last or 0)]
    return min(full if len(full) > 1 else reach)


def reaching(curves: pd.DataFrame, end: int | None = None) -> pd.DataFrame:
    """The rows up to the label count ``end``, by default the ``horizon`` of ``curves``, of the runs that reach it."""
    final = horizon(curves) if end is None else end

    def reached(_: Key, own: pd.DataFrame) -> pd.Series[bool]:
        return (own["labels"] <= final) & own["seed"].isin(own.loc[own["labels"] == final, "seed"])

    return chosen(curves, GROUP, reached).reset_index(drop=True)


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at label counts that at least two strategies have; all rows if there are none.

    For figures: where a single strategy goes on there is nothing to compare, and its line would squeeze the others.
    """
    there = rows[[*GROUP, "labels"]].drop_duplicates()["labels"].value_counts()
    shared = there.index[there > 1]
    return rows[rows["labels"].isin(shared)] if len(shared) else rows


def compared(curves: pd.DataFrame, end: int | None = None, unfinished: Collection[Key] = ()) -> pd.DataFrame:
    """The rows behind comparisons of areas: those of ``reaching``, of the seeds that all strategies there share."""
    rows = reaching(curves, end)
    there, _ = comparable(rows[rows["labels"] == rows["labels"].max()], unfinished)
    seeds = {key: own["seed"] for key, own in pieces(there, GROUP)}
    shared = chosen(rows, GROUP, lambda key, own: own["seed"].isin(seeds[key]) if key in seeds else False)
    return shared.reset_index(drop=True)


def comparable(curves: pd.DataFrame, unfinished: Collection[Key] = ()) -> tuple[pd.DataFrame, list[str]]:
    """At each label count, the rows of the seeds that all strategies there share; and notes on what is left out.

    Where strategies share no seed, those with fewer seeds are left out, until the others share some. ``unfinished``
    strategies are left out where they lack a shared seed.
    """
    sizes = sum(1 for _ in places(curves, GROUP)), curves["seed"].nunique(), curves["labels"].nunique()
    if len(curves) == math.prod(sizes):
        return _in_order(curves), []  # every strategy has every seed at every label count
    several = curves["learner"].nunique() > 1
    at: dict[int, dict[Key, set[int]]] = {}  # label count: strategy: its seeds
    for key, own in pieces(curves, GROUP):
        before = set[int]()
        for labels, where in places(own, ["labels"]):
            seeds_there = set(own["seed"].iloc[where].tolist())
            before = before if seeds_there == before else seeds_there  # one set of many that are equal
            at.setdefault(labels, {})[key] = before
    kept: dict[int, tuple[set[int], set[Key]]] = {}  # label count: seeds and strategies that stay
    absent: dict[tuple[Key, str], list[int]] = {}  # strategy and reason: label counts
    lacking: dict[tuple[int, tuple[Key, ...]], list[int]] = {}  # seed and strategies that lack it: label counts
    for labels, seeds in sorted(at.items()):
        finished = {key: own for key, own in seeds.items() if key not in unfinished}
        shared, disjoint = _shared(finished or seeds)
        apart = dict.fromkeys(disjoint, "shares no seed with the others")
        apart |= {key: "lacks seeds of the others" for key in seeds if key in unfinished and not shared <= seeds[key]}
        for key, why in apart.items():
            absent.setdefault((key, why), []).append(labels)
            del seeds[key]
        for seed in sorted(set().union(*seeds.values()) - shared):
            who = tuple(key for key in seeds if seed not in seeds[key])
            lacking.setdefault((seed, who), []).append(labels)
        kept[labels] = shared, set(seeds)
    together: dict[
        tuple[tuple[Key, ...], tuple[int, ...]], list[int]
    ] = {}  # strategies and label counts: the seeds that they lack there
    for (seed, who), counts in lacking.items():
        together.setdefault((who, tuple(counts)), []).append(seed)
    reasons = [(f"{name(*key, several)}, which {why}", counts) for (key, why), counts in absent.items()]
    reasons += [
        (f"{count(len(some), 'seed')} {ranges(some)}, which {_listed(who, several)} did not run", list(counts))
        for (who, counts), some in together.items()
    ]

    def stays(key: Key, own: pd.DataFrame) -> np.ndarray:
        mask = np.zeros(len(own), dtype=bool)
        for labels, where in places(own, ["labels"]):
            shared, who = kept[labels]
            mask[where] = own["seed"].iloc[where].isin(shared) & (key in who)
        return mask

    return _in_order(chosen(curves, GROUP, stays)), [
        f"Left out at {counts[0] if len(counts) == 1 else f'{counts[0]} to {counts[-1]}'} labels: {reason}."
        for reason, counts in reasons
    ]


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by their index; themselves where they are: a copy of them may be large."""
    return rows if rows.index.is_monotonic_increasing else rows.sort_index()


def _listed(who: Sequence[Key], several: bool) -> str:
    """The names of strategies; of many, the first three and the number."""
    names = [name(*key, several) for key in who]
    return ", ".join(names if len(names) <= NAMED else [*names[:3], f"… ({len(names)} strategies)"])


def _shared(seeds: dict[Any, set[int]]) -> tuple[set[int], list[Any]]:
    """The seeds that all share, and the keys that must be left out for there to be any."""
    shared: set[int] = set()
    disjoint = []
    for key in sorted(seeds, key=lambda key: -len(seeds[key])):
        if shared and not shared & seeds[key]:
            disjoint.append(key)
        else:
            shared = shared & seeds[key] if shared else seeds[key]
    return shared, disjoint
