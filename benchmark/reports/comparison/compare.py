"""Compare two experiments, or two learners of one experiment, paired by seed, from their records alone.

For every strategy (and learner) that both have, over the label counts and seeds that both have: the difference (second
minus first) in area under the budget curve and in final accuracy, its mean with a 95 % t-interval, and the p-value of
the paired t-test. Holm's correction covers all compared strategies, for areas and final accuracies separately. See
``agreement`` for whether both rank the strategies alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmark.reports.comparison.settings import differing, flat, headers_say, in_words, settings_table
from benchmark.reports.comparison.tables import MEASURES, differences_table, rankings_table
from benchmark.reports.provenance import data_footnotes
from benchmark.reports.rendering.tables.table import Table, csv, markdown
from benchmark.reports.statistics import agreement
from benchmark.reports.statistics.curves import RUN, groups, select, tidy
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP
from benchmark.reports.statistics.significance import holm, paired_t
from benchmark.reports.statistics.summary import area_under_budget_curve, keys, mean_and_sd, mean_interval
from benchmark.reports.words import count, name, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.editions import named
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment, RunHeader
from benchmark.text import escapes

_AXES = {"name", "description", "papers", "notes", "strategies", "learners", "seeds"}  # not settings


@dataclass(frozen=True)
class Comparison:
    """``differences``: a row per strategy and learner; ``tables``: of differences, rankings and settings, for printing.

    Columns of ``differences``: strategy, learner, n (shared seeds) and, of area and of final accuracy (0–1), the
    means ``_first`` and ``_second``, the difference's ``_mean``, ``_low`` and ``_high``, ``_p`` and ``_p_holm``.
    """

    title: str
    differences: pd.DataFrame
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write the differences to ``comparison.csv``, and all tables and notes to ``comparison.md``."""
    parts = [f"# {escapes.markdown(comparison.title)}\n", *map(markdown, comparison.tables)]
    if comparison.notes:
        parts.append("".join(f"- {escapes.markdown(note)}\n" for note in comparison.notes))
    write_atomically(folder / "comparison.csv", csv(comparison.tables[0]).encode())
    write_atomically(folder / "comparison.md", "\n".join(parts).encode())


class _Side(NamedTuple):
    title: str
    experiment: Experiment
    headers: list[RunHeader]
    curves: pd.DataFrame
    notes: list[str]


def compare_experiments(
    experiments: Sequence[Experiment],
    strategies: Collection[str] | None = None,
    learners: Sequence[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
) -> Comparison:
    """Compare two experiments or, given one, its two ``learners``; the arguments select runs, None selects all.

    Raises StoreError, in one line, where there are no runs or none that can be paired.
    """
    if len(experiments) > 2 or (len(experiments) == 1 and len(learners or ()) != 2):
        raise StoreError("--compare takes two experiments, or one and two learners: --compare DIR --learner A B")
    if len(experiments) == 1:
        assert learners is not None
        sides = [_side(experiments[0], strategies, [own], seeds, budgets)._replace(title=own) for own in learners]
        sides[1] = sides[1]._replace(curves=sides[1].curves.assign(learner=named(learners[0]).label))
    else:
        sides = [_side(one, strategies, learners, seeds, budgets) for one in experiments]
        if sides[0].title == sides[1].title:
            sides = [side._replace(title=str(side.experiment.root)) for side in sides]
    sides, notes = _of_one_edition(sides)
    first, second = sides
    titles = (first.title, second.title)
    label_counts = [
        _label_counts(side.curves, partner=other.curves) for side, other in ((first, second), (second, first))
    ]
    counts = sorted(label_counts[0] & label_counts[1])
    if not counts:
        raise StoreError(f"{first.title} and {second.title} have no label count of a strategy (and learner) in common")
    runs = [_runs(side.curves, counts) for side in sides]
    notes += [f"{side.title}: {note}" for side in sides for note in side.notes]
    notes += [*_other_counts(sides, label_counts), *_unpaired(sides, runs)]
    joined = runs[0].merge(runs[1], on=RUN, suffixes=("_first", "_second"))
    if not len(joined):
        raise StoreError(
            f"{first.title} and {second.title} share no run (strategy, learner and seed) that has all of their "
            f"{len(counts)} common label counts: ask for fewer --budgets, or compute what is missing"
        )
    differences = _differences(joined)
    rankings: list[Table] = []
    for learner in differences["learner"].unique():
        mine = [side.curves[(side.curves["learner"] == learner) & side.curves["labels"].isin(counts)] for side in sides]
        try:
            rankings.append(rankings_table(agreement.compare(*mine), titles, learner))
        except ValueError as error:  # its line says what is missing
            tail = f" (learner {learner})" if differences["learner"].nunique() > 1 else ""
            notes.append(f"No agreement of rankings{tail}: {error}.")
    few = differences.loc[differences["n"] < FEWEST_SEEDS, "strategy"].unique()
    if len(few):
        notes.append(f"Fewer than {FEWEST_SEEDS} shared seeds, too few for a test: {', '.join(few)}.")
    tables = [differences_table(differences, titles, counts), *rankings]
    if settings := differing(_settings(first), _settings(second)):
        tables.append(settings_table(settings, *titles))
    else:
        notes.append("The protocols, versions and devices do not differ.")
    return Comparison(f"{second.title} against {first.title}", differences, tuple(tables), tuple(notes))


def _side(
    experiment: Experiment,
    strategies: Collection[str] | None,
    learners: Collection[str] | None,
    seeds: Collection[int] | None,
    budgets: Collection[int] | None,
) -> _Side:
    selection = select(experiment, strategies, learners, seeds, budgets)
    headers = [run.header for run in selection.runs]
    notes = [*experiment.left_out, *selection.notes, *data_footnotes(headers)]
    return _Side(experiment.name, experiment, headers, tidy(selection.runs, budgets), notes)


def _of_one_edition(sides: list[_Side]) -> tuple[list[_Side], list[str]]:
    """The sides without strategies that are of another version or source on the other, and notes on those."""
    parts = [{h.key.strategy: (h.strategy_version, h.strategy_source_sha256) for h in side.headers} for side in sides]
    unlike = {who: part for who, part in parts[0].items() if parts[1].get(who, part) != part}
    notes = []
    for who, part in unlike.items():
        other = parts[1][who]
        how = "by another source" if part[0] == other[0] else f"of version {part[0]} and of version {other[0]}"
        notes.append(f"{who}: not compared, {how} in {sides[0].title} and {sides[1].title}.")
    return [side._replace(curves=side.curves[~side.curves["strategy"].isin(list(unlike))]) for side in sides], notes


def _runs(curves: pd.DataFrame, counts: list[int]) -> pd.DataFrame:
    """Area and final accuracy over the label counts ``counts``, a row per run that has them all."""
    there = groups(curves[curves["labels"].isin(counts)], RUN)
    rows = [
        (*key, area_under_budget_curve(counts, run["accuracy"].tolist()), run["accuracy"].iloc[-1])
        for key, run in there.items()
        if len(run) == len(counts)
    ]
    return pd.DataFrame(rows, columns=[*RUN, *MEASURES])


def _differences(joined: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for key, pairs in groups(joined, GROUP).items():
        row: dict[str, Any] = {**dict(zip(GROUP, key, strict=True)), "n": len(pairs)}
        for measure in MEASURES:
            before, after = pairs[f"{measure}_first"].tolist(), pairs[f"{measure}_second"].tolist()
            gains = [b - a for a, b in zip(before, after, strict=True)]
            row[f"{measure}_first"], row[f"{measure}_second"] = mean_and_sd(before)[0], mean_and_sd(after)[0]
            row[f"{measure}_mean"], row[f"{measure}_low"], row[f"{measure}_high"], _ = mean_interval(gains)
            row[f"{measure}_p"] = paired_t(gains)[1]
            row[f"{measure}_p_holm"] = math.nan  # its column's place
        rows.append(row)
    table = pd.DataFrame(rows)
    for measure in MEASURES:
        table[f"{measure}_p_holm"] = holm(table[f"{measure}_p"].tolist())
    return table


def _label_counts(curves: pd.DataFrame, partner: pd.DataFrame) -> set[int]:
    """The label counts of the strategies that are in ``partner`` too."""
    return {labels for key, run in groups(curves, GROUP).items() if key in keys(partner) for labels in run["labels"]}


def _other_counts(sides: list[_Side], label_counts: list[set[int]]) -> list[str]:
    return [
        f"Label counts in {side.title} only, left out: {in_words(sorted(label_counts[i] - label_counts[1 - i]))}."
        for i, side in enumerate(sides)
        if label_counts[i] - label_counts[1 - i]
    ]


def _unpaired(sides: list[_Side], runs: list[pd.DataFrame]) -> list[str]:
    """Sentences on strategies and seeds that only one side has, and on runs that lack label counts."""
    several = any(side.curves["learner"].nunique() > 1 for side in sides)
    started, complete = (
        [{key: set(run["seed"]) for key, run in groups(frame, GROUP).items()} for frame in frames]
        for frames in ([side.curves for side in sides], runs)
    )
    notes = []
    for i, side in enumerate(sides):
        mine, theirs = started[i], started[1 - i]
        if alone := [name(key[0], key[1], several) for key in mine if key not in theirs]:
            notes.append(f"In {side.title} only: {', '.join(alone)}.")
        unmatched: dict[str, list[str]] = {}  # one note for all strategies that lack the same seeds
        for key in (key for key in mine if key in theirs):
            alone_there = mine[key] - theirs[key]
            incomplete = (mine[key] & theirs[key]) - complete[i].get(key, set())
            for seeds, reason in ((alone_there, f"In {side.title} only"), (incomplete, f"Incomplete in {side.title}")):
                if seeds:
                    unmatched.setdefault(f"{reason}: {_seeds(seeds)} of", []).append(name(key[0], key[1], several))
        notes += [f"{reason} {', '.join(names)}." for reason, names in unmatched.items()]
    return notes


def _seeds(seeds: set[int]) -> str:
    return f"{count(len(seeds), 'seed')} {ranges(sorted(seeds))}"


def _settings(side: _Side) -> dict[str, str]:
    protocol = {key: value for key, value in side.experiment.protocol.items() if key not in _AXES}
    return {"fingerprint": side.experiment.fingerprint[:8], **flat(protocol), **headers_say(side.headers)}
