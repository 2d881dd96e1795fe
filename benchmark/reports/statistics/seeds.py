"""Which runs stand beside one another: the label counts that all reach, and the seeds that all share.

Means over different seeds do not compare: what a seed draws at first moves all its curves. So every mean that stands
beside another is over the same seeds (``comparable``). A few strategies with many seeds beside many with few would
then be cut down to the few; ``parties`` tells them apart, so that each party can be shown at its best.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import pandas as pd

from benchmark.reports.statistics.curves import RUN, groups
from benchmark.reports.words import count, name, ranges

GROUP = ["strategy", "learner"]
REFERENCE = "random"  # the strategy that all are compared with
BASELINE = "margin"  # what strategies are tested against besides the reference, unless another is named
SUPERVISED = "supervised"  # the learner that others are compared with
ENOUGH = 0.8  # of the most seeds: a strategy with so many takes few seeds from the others
FEWEST_SEEDS = 3  # for a t-test
NAMED = 6  # up to so many strategies a note names each

Key = tuple[str, str]  # strategy, learner


class Parties(NamedTuple):
    """``most``: the strategies (with learners) with the most seeds; ``fewer``: those with too few to join them.

    ``guests`` have no run that gets to the end, or none of a seed that the reference has: they are shown where they
    have all the seeds that the others share, and take none from them.
    """

    most: list[Key]
    fewer: list[Key]
    guests: list[Key]


def parties(curves: pd.DataFrame, last: int | None = None) -> Parties:
    """Tell the strategies apart by the seeds of their complete runs (see ``reaching``) that their reference has too.

    Enough are 80 % of what the strategy with the most of them has; if that is less than 3, everyone has enough.
    """
    order = list(groups(curves, GROUP))
    ran = {key: set(run["seed"]) for key, run in groups(reaching(curves, last), GROUP).items()}
    usable = {key: len(ran[key] & ran.get((REFERENCE, key[1]), ran[key])) if key in ran else 0 for key in order}
    if not any(usable[key] for key in order if key[0] != REFERENCE):
        usable = {key: len(ran.get(key, ())) for key in order}  # nothing pairs with random
    most = max((n for key, n in usable.items() if key[0] != REFERENCE), default=max(usable.values()))
    least = ENOUGH * most if most >= FEWEST_SEEDS else 1
    return Parties(
        [key for key in order if usable[key] >= least],
        [key for key in order if 0 < usable[key] < least],
        [key for key in order if not usable[key]],
    )


def only(frame: pd.DataFrame, who: Collection[Key]) -> pd.DataFrame:
    """The rows of these strategies (with learners)."""
    chosen = set(who)
    pairs = zip(frame["strategy"], frame["learner"], strict=True)
    return frame[pd.Series([pair in chosen for pair in pairs], index=frame.index, dtype=bool)]


def reaching(curves: pd.DataFrame, last: int | None = None) -> pd.DataFrame:
    """The rows up to the last label count that all strategies reach, of the runs that get there.

    Strategies that nowhere reach ``last`` do not hold back the others, if there are two at least: they are left out.
    One that gets there alone, as random may, has nobody to stand beside there, and is followed as far as all go.
    """
    reach = curves.groupby(GROUP, sort=False)["labels"].max()
    full = reach[reach >= (last or 0)]
    horizon = int((full if len(full) > 1 else reach).min())
    there = curves.loc[curves["labels"] == horizon, RUN]
    return curves[curves["labels"] <= horizon].merge(there, on=RUN)


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at label counts that two strategies have; all rows if there are none.

    For figures: where one goes on alone there is nothing to compare, and its line would press the others together.
    """
    there = rows[[*GROUP, "labels"]].drop_duplicates()["labels"].value_counts()
    shared = there.index[there > 1]
    return rows[rows["labels"].isin(shared)] if len(shared) else rows


def compared(curves: pd.DataFrame, last: int | None = None, guests: Collection[Key] = ()) -> pd.DataFrame:
    """The rows behind every comparison: those of ``reaching``, of the seeds that all strategies there share."""
    rows = reaching(curves, last)
    there, _ = comparable(rows[rows["labels"] == rows["labels"].max()], guests)
    return rows.merge(there[RUN], on=RUN)


def comparable(curves: pd.DataFrame, guests: Collection[Key] = ()) -> tuple[pd.DataFrame, list[str]]:
    """At each label count, the rows of the seeds that all strategies there share; notes on what is left out.

    A strategy (with a learner) that shares no seed with the others is left out at that label count: those
    with more seeds stay. So are ``guests`` that lack one of the shared seeds.
    """
    sizes = len(curves[GROUP].drop_duplicates()), curves["seed"].nunique(), curves["labels"].nunique()
    if len(curves) == math.prod(sizes):
        return curves.sort_index(), []  # everyone has every seed at every label count: nothing to leave out
    several = curves["learner"].nunique() > 1
    at: dict[int, dict[Key, set[int]]] = {}  # at each label count, who has which seeds
    for *key, seed, labels in zip(*(curves[field].tolist() for field in (*RUN, "labels")), strict=True):
        at.setdefault(labels, {}).setdefault((key[0], key[1]), set()).add(seed)
    kept: set[tuple[int, str, str, int]] = set()
    absent: dict[tuple[Key, str], list[int]] = {}  # who is left out and why, at which label counts
    lacking: dict[tuple[int, tuple[Key, ...]], list[int]] = {}  # a seed and who lacks it, at which label counts
    for labels, seeds in sorted(at.items()):
        hosts = {key: own for key, own in seeds.items() if key not in guests}
        shared, strangers = _shared(hosts or seeds)
        apart = dict.fromkeys(strangers, "shares no seed with the others")
        apart |= {key: "lacks seeds of the others" for key in seeds if key in guests and not shared <= seeds[key]}
        for key, why in apart.items():
            absent.setdefault((key, why), []).append(labels)
            del seeds[key]
        for seed in sorted(set().union(*seeds.values()) - shared):
            who = tuple(key for key in seeds if seed not in seeds[key])
            lacking.setdefault((seed, who), []).append(labels)
        kept |= {(labels, *key, seed) for key in seeds for seed in shared}
    together: dict[tuple[tuple[Key, ...], tuple[int, ...]], list[int]] = {}  # seeds that the same strategies lack
    for (seed, who), counts in lacking.items():
        together.setdefault((who, tuple(counts)), []).append(seed)
    reasons = [(f"{name(*key, several)}, which {why}", counts) for (key, why), counts in absent.items()]
    reasons += [
        (f"{count(len(some), 'seed')} {ranges(some)}, which {_listed(who, several)} did not run", list(counts))
        for (who, counts), some in together.items()
    ]
    rows = zip(*(curves[field].tolist() for field in ("labels", *RUN)), strict=True)
    return curves[[row in kept for row in rows]].sort_index(), [
        f"Left out at {counts[0] if len(counts) == 1 else f'{counts[0]} to {counts[-1]}'} labels: {reason}."
        for reason, counts in reasons
    ]


def _listed(who: Sequence[Key], several: bool) -> str:
    """Names of strategies, the first few of many."""
    names = [name(*key, several) for key in who]
    return ", ".join(names if len(names) <= NAMED else [*names[:3], f"… ({len(names)} strategies)"])


def _shared(seeds: dict[Any, set[int]]) -> tuple[set[int], list[Any]]:
    """The seeds that all have in common, and those who must be left aside for there to be any."""
    shared: set[int] = set()
    strangers = []
    for key in sorted(seeds, key=lambda key: -len(seeds[key])):
        if shared and not shared & seeds[key]:
            strangers.append(key)
        else:
            shared = shared & seeds[key] if shared else seeds[key]
    return shared, strangers
