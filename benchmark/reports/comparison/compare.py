"""Compare two experiments, or two learners of one experiment, paired by seed, from their records alone.

For every strategy (and learner) that both have, over the label counts and seeds that both have: the difference (second
minus first) at the declared endpoints, and what the inference of reports makes of them: all compared strategies and
endpoints are one family. See ``agreement`` for whether both rank the strategies alike.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.reports.comparison.settings import (
    differing,
    headers_say,
    in_words,
    protocol_fields,
    settings_table,
    versions_say,
)
from benchmark.reports.comparison.tables import differences_table, rankings_table
from benchmark.reports.provenance import data_footnotes
from benchmark.reports.rendering.tables.table import Table, csv, markdown
from benchmark.reports.statistics import agreement
from benchmark.reports.statistics.curves import select
from benchmark.reports.statistics.endpoints import declared, run_endpoints
from benchmark.reports.statistics.family import level, resolution
from benchmark.reports.statistics.inference import Contrast, Inference, infer
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.tidy import RUN, groups, tidy
from benchmark.reports.verdicts import BEGINNINGS, reach, sentence
from benchmark.reports.words import count, name, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.editions import named
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment, RunHeader, RunRecord
from benchmark.text import escapes

_AXES = {"name", "description", "papers", "notes", "strategies", "learners", "seeds"}  # not settings


@dataclass(frozen=True)
class Comparison:
    """``differences``: a row per strategy and learner; ``tables``: of differences, rankings and settings, for printing.

    ``differences`` are ``Inference.findings`` with the means ``first`` and ``second`` (0–1) at each endpoint.
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
    runs: Sequence[RunRecord]
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
        # The rows are the second learner's, whose runs are compared with the first's.
        sides[0] = sides[0]._replace(curves=sides[0].curves.assign(learner=named(learners[1]).label))
    else:
        sides = [_side(one, strategies, learners, seeds, budgets) for one in experiments]
        if sides[0].title == sides[1].title:
            sides = [side._replace(title=str(side.experiment.root)) for side in sides]
        if sides[0].title in BEGINNINGS:  # a folder of this name, and no learner
            sides[0] = sides[0]._replace(title=f"experiment {sides[0].title}")
    sides, notes = _of_one_edition(sides)
    first, second = sides
    titles = (first.title, second.title)
    label_counts = [
        _label_counts(side.curves, partner=other.curves) for side, other in ((first, second), (second, first))
    ]
    counts = sorted(label_counts[0] & label_counts[1])
    if not counts:
        why = "".join(f"; {note.removesuffix('.')}" for note in notes)
        raise StoreError(
            f"{first.title} and {second.title} have no label count of a strategy (and learner) in common{why}"
        )
    runs = [_runs(side.curves, counts) for side in sides]
    notes += [f"{side.title}: {note}" for side in sides for note in side.notes]
    notes += [*_other_counts(sides, label_counts), *_unpaired(sides, runs)]
    joined = runs[0].merge(runs[1], on=RUN, suffixes=("_first", "_second"))
    if not len(joined):
        raise StoreError(
            f"{first.title} and {second.title} share no run (strategy, learner and seed) that has all of their "
            f"{len(counts)} common label counts: ask for fewer --budgets, or compute what is missing"
        )
    tested = resolution([*first.runs, *second.runs]), level(*(side.experiment.protocol for side in sides))
    inference = _inference(joined, first.title, declared(len(counts)), *tested)
    differences = _differences(joined, inference)
    notes = [sentence(inference, first.title), *filter(None, [reach(inference, first.title)]), *notes]
    if {h.dataset.sha256 for h in first.headers} != {h.dataset.sha256 for h in second.headers}:
        notes.insert(0, "The data are not the same: runs of one seed share its number alone, and pairs say nothing.")
    rankings: list[Table] = []
    one_learner = len(experiments) > 1
    for learner in differences["learner"].unique():
        mine = [side.curves[(side.curves["learner"] == learner) & side.curves["labels"].isin(counts)] for side in sides]
        try:
            agreed = agreement.compare(*mine)
            rankings.append(rankings_table(agreed, titles, counts, learner if one_learner else None))
        except ValueError as error:  # its line says what is missing
            tail = f" (learner {learner})" if differences["learner"].nunique() > 1 else ""
            notes.append(f"No agreement of rankings{tail}: {error}.")
    few = differences.loc[differences["n"] < FEWEST_SEEDS, "strategy"].unique()
    if len(few) and (differences["n"] >= FEWEST_SEEDS).any():
        notes.append(f"Fewer than {FEWEST_SEEDS} shared seeds, too few for a test: {', '.join(few)}.")
    tables = [differences_table(differences, inference, titles, counts), *rankings]
    versions = [versions_say(side.headers) for side in sides]
    both = versions[0].keys() & versions[1].keys()
    said = [
        _settings(side) | {name: own[name] for name in own if name in both}
        for side, own in zip(sides, versions, strict=True)
    ]
    if settings := differing(*said):
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
    return _Side(experiment.name, experiment, headers, selection.runs, tidy(selection.runs, budgets), notes)


def _of_one_edition(sides: list[_Side]) -> tuple[list[_Side], list[str]]:
    """The sides without strategies and learners that are of another version or source on the other, and notes on those.

    Raises StoreError where the network of both is, whose name is the same.
    """
    networks = [_network(side) for side in sides]
    if networks[0][0] == networks[1][0] and networks[0][1] != networks[1][1]:
        raise StoreError(
            f"{sides[0].title} and {sides[1].title} are not compared: their network {networks[0][0][0]} is of two "
            "sources"
        )
    notes = []
    for column, called in (("strategy", ""), ("learner", "learner ")):
        parts = [_parts(side.headers, column) for side in sides]
        unlike = {who: part for who, part in parts[0].items() if who in parts[1] and _differ(part, parts[1][who])}
        for who, part in unlike.items():
            other = parts[1][who]
            how = "by another source" if part[0] == other[0] else f"of version {part[0]} and of version {other[0]}"
            notes.append(f"{called}{who}: not compared, {how} in {sides[0].title} and {sides[1].title}.")
        sides = [side._replace(curves=side.curves[~side.curves[column].isin(list(unlike))]) for side in sides]
    return sides, notes


def _parts(headers: Sequence[RunHeader], column: str) -> dict[str, tuple[int, str | None]]:
    """Version and source of each strategy or learner: reports show one of each (see ``editions``)."""
    if column == "strategy":
        return {h.key.strategy: (h.strategy_version, h.strategy_source_sha256) for h in headers}
    return {h.key.learner: (h.learner_version, h.learner_source_sha256) for h in headers}


def _network(side: _Side) -> tuple[tuple[str | None, ...], str | None]:
    """The names of a side's networks, that of its features included, and their source where they are a user's own."""
    fields = protocol_fields(side.experiment, left_out=())
    names = tuple(fields.get(name) for name in ("model.name", "features.model"))
    return names, side.headers[0].model_source_sha256


def _differ(edition: tuple[int, str | None], other: tuple[int, str | None]) -> bool:
    """Whether two editions (version, source) are not the same; a replay records no source of its strategies."""
    return edition[0] != other[0] or (None not in (edition[1], other[1]) and edition[1] != other[1])


def _runs(curves: pd.DataFrame, counts: list[int]) -> pd.DataFrame:
    """The endpoints over the label counts ``counts``, a row per run that has them all."""
    rows = curves[curves["labels"].isin(counts)]
    complete = rows.groupby(RUN, observed=True)["labels"].transform("size") == len(counts)
    return run_endpoints(rows[complete])


def _inference(joined: pd.DataFrame, first: str, endpoints: Sequence[str], resolved: float, level: float) -> Inference:
    """All strategies of the second side against those of the ``first``."""
    contrasts = []
    for key, pairs in groups(joined.sort_values("seed", kind="stable"), GROUP).items():
        after, before = (pairs[[f"{name}_{side}" for name in endpoints]].to_numpy() for side in ("second", "first"))
        contrasts.append(Contrast(key, first, tuple(pairs["seed"].tolist()), after - before))
    return infer(contrasts, endpoints, resolved, level=level)


def _differences(joined: pd.DataFrame, inference: Inference) -> pd.DataFrame:
    """The findings with the means of both sides, strategies in the order of ``joined``."""
    means = joined.groupby(GROUP, observed=True).mean(numeric_only=True)
    found = inference.findings.drop(columns="against")
    keys_of = [*zip(found["strategy"], found["learner"], found["endpoint"], strict=True)]
    for position, side in enumerate(("first", "second")):
        values = [means.loc[(strategy, learner), f"{endpoint}_{side}"] for strategy, learner, endpoint in keys_of]
        found.insert(4 + position, side, values)
    place = {key: i for i, key in enumerate(keys(joined))}
    rank = [place[key[:2]] for key in keys_of]
    return found.assign(_rank=rank).sort_values("_rank", kind="stable").drop(columns="_rank").reset_index(drop=True)


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
    protocol = protocol_fields(side.experiment, left_out=_AXES)
    return {"fingerprint": side.experiment.fingerprint[:8], **protocol, **headers_say(side.headers)}
