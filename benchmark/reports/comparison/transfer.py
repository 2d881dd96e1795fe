"""An experiment and replays of it side by side: who acquired the labels, by what is trained on them.

After Lowell et al., *Practical Obstacles to Deploying Active Learning*, EMNLP 2019, and Munjal et al., *Towards Robust
and Reproducible Active Learning using Neural Networks*, CVPR 2022: a row per acquiring strategy, a column per training.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from benchmark.experiment.keys import acquirer
from benchmark.reports.comparison.compare import Comparison
from benchmark.reports.comparison.settings import differing, in_words, protocol_fields
from benchmark.reports.rendering.tables.cells import points, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.statistics.curves import select
from benchmark.reports.statistics.editions import shown_as
from benchmark.reports.statistics.family import level, resolution
from benchmark.reports.statistics.inference import Contrast, Inference, infer
from benchmark.reports.statistics.seeds import REFERENCE, SUPERVISED
from benchmark.reports.statistics.summary import area_under_budget_curve, paired
from benchmark.reports.statistics.tidy import RUN, groups, tidy
from benchmark.reports.verdicts import explained
from benchmark.reports.words import count
from benchmark.results.editions import named
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment, LabelsRecord, RoundRecord, RunRecord

OWN = "its own"
PLAIN = "plain"
MOST_CHANGES = 3  # that a column's title lists
_NO_TRAINING = {  # fields that are no part of a training
    *("name", "description", "papers", "notes", "strategies", "learners", "seeds", "budgets", "ladder"),
    *("replay", "initial", "candidates", "features"),
}
_FINDINGS = {"difference": "gain", "low": "low", "high": "high", "verdict": "verdict"}


def is_replay_of(experiment: Experiment, source: Experiment) -> bool:
    """Whether the experiment trains on labels that the other acquired."""
    name, _, digest = str(experiment.protocol.get("replay") or "").partition("@")
    return name == source.name and bool(digest) and source.fingerprint.startswith(digest)


def transfer(
    source: Experiment,
    replays: Sequence[Experiment],
    strategies: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
) -> Comparison:
    """The means over the seeds that all trainings of a strategy share, at the label counts that all have.

    ``differences`` has a row per strategy and training: strategy, training, n (seeds), accuracy (the area, 0–1), and
    the mean difference ``gain`` to random in the same training, paired by seed, with its interval ``low`` and
    ``high`` and the area's ``verdict``, NaN where random did not run; all trainings are one family.
    Of a source with several learners, the one counts that acquired the replayed labels.
    Raises StoreError for an experiment that is no replay of ``source``, or where nothing is shared.
    """
    for experiment in replays:
        if not is_replay_of(experiment, source):
            raise StoreError(
                f"{experiment.name} is no replay of {source.name}: --compare takes two experiments, "
                "or one and several replays of it"
            )
    selected = [select(one, strategies, None, seeds, budgets).runs for one in (source, *replays)]
    selected[0] = _acquiring(source.name, *selected)
    chosen = [run for some in selected for run in some]
    curves = [tidy(some, budgets) for some in selected]
    trainings = [(OWN, curves[0])]
    for title, theirs in zip(_titles(source, replays), curves[1:], strict=True):
        for learner, own in groups(theirs, ["learner"]).items():
            trainings.append((title if learner == SUPERVISED else f"{title}, {learner}", own))
    titles = list(dict.fromkeys(title for title, _ in trainings))
    counts = sorted(set.intersection(*(set(one["labels"]) for _, one in trainings)))
    if not counts:
        raise StoreError(f"{source.name} and its replays have no label count in common")
    runs = pd.concat([_areas(one, counts).assign(training=title) for title, one in trainings])
    if (twice := runs.duplicated(["training", "strategy", "seed"])).any():
        raise StoreError(
            f"two trainings are called '{runs.loc[twice, 'training'].iloc[0]}': rename the folder of a replay, so that "
            "each has a column"
        )
    complete = {key: set(own["seed"]) for key, own in groups(runs, ["strategy", "training"]).items()}
    shared = runs.groupby(["strategy", "seed"], observed=True)["training"].transform("nunique") == len(titles)
    runs = runs[shared]
    if not len(runs):
        raise StoreError(f"{source.name} and its replays share no run that has all of {in_words(counts)} labels")
    reference = shown_as(REFERENCE, set(runs["strategy"]))
    inference = _inference(runs, resolution(chosen), reference, level(*(one.protocol for one in (source, *replays))))
    found, rows = inference.of(reference), []
    for key, some in groups(runs, ["strategy", "training"]).items():
        row = {"strategy": key[0], "training": key[1], "n": len(some), "accuracy": some["area"].mean()}
        if key in found.index:
            row |= found.loc[key, [*_FINDINGS]].rename(_FINDINGS)
        rows.append(row)
    data = pd.DataFrame(rows, columns=["strategy", "training", "n", "accuracy", *_FINDINGS.values()])
    table = _table(data, titles, counts, source.name, inference, reference)
    wanted = [named(text).label for text in strategies or ()] or sorted({strategy for strategy, _ in complete})
    alone = [strategy for strategy in wanted if strategy not in set(data["strategy"])]
    notes = _left_out(alone, complete, titles)
    return Comparison(f"{source.name} and {count(len(replays), 'replay')} of it", data, (table,), notes)


def _acquiring(name: str, runs: Sequence[RunRecord], *replayed: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Those of the source's ``runs`` that acquired the ``replayed`` labels, of one learner (see ``keys.acquirer``).

    Raises StoreError where there are several learners and the labels are of none.
    """
    learners = dict.fromkeys(run.key.learner for run in runs)
    if len(learners) < 2:
        return runs
    lists = {(run.key.strategy, run.key.seed): _indices(run) for some in replayed for run in some}
    for run in runs:
        theirs, own = lists.get((run.key.strategy, run.key.seed), ()), _indices(run)
        if any(one != other for one, other in zip(theirs, own, strict=False)):
            learners.pop(run.key.learner, None)
    if not learners:
        raise StoreError(f"no learner of {name} acquired the labels that its replays train on: replay it again")
    learner = acquirer(learners)
    return [run for run in runs if run.key.learner == learner]


def _indices(run: RunRecord) -> list[int]:
    parts: list[LabelsRecord | RoundRecord] = [run.header.initial, *run.rounds]
    return [index for part in parts for index in part.acquired_indices]


def _left_out(
    alone: Sequence[str], complete: Mapping[tuple[str, str], set[int]], titles: Sequence[str]
) -> tuple[str, ...]:
    """A sentence on the strategies that stand ``alone``: which of the trainings have no complete run of them."""
    told = []
    for strategy in alone:
        lacking = [title for title in titles if (strategy, title) not in complete]
        told.append(f"{strategy} ({'none in ' + ', '.join(lacking) if lacking else 'no seed in common'})")
    return (f"Left out, without a run at all label counts in every training: {', '.join(told)}.",) if told else ()


def _areas(curves: pd.DataFrame, counts: list[int]) -> pd.DataFrame:
    """The area of each run that has all label counts."""
    there = groups(curves[curves["labels"].isin(counts)], RUN)
    rows = [
        (*key, area_under_budget_curve(counts, run["accuracy"].tolist()))
        for key, run in there.items()
        if len(run) == len(counts)
    ]
    return pd.DataFrame(rows, columns=[*RUN, "area"])


def _inference(runs: pd.DataFrame, resolved: float, reference: str, level: float) -> Inference:
    """Every strategy against the reference in the same training, by area; a training takes the place of a learner."""
    pairs = groups(paired(runs, "area", ["training", "seed"], reference), ["strategy", "training"])
    contrasts = [
        Contrast(key, reference, tuple(own["seed"].tolist()), own[["gain"]].to_numpy()) for key, own in pairs.items()
    ]
    return infer(contrasts, ("area",), resolved, level=level)


def _titles(source: Experiment, replays: Sequence[Experiment]) -> list[str]:
    """What a replay's training has that the source's has not; its name where that is long, or two would be alike.

    Its folder where two have one name.
    """
    found = []
    for replay in replays:
        own, other = (protocol_fields(one, left_out=_NO_TRAINING) for one in (source, replay))
        changed = [
            f"{'model' if key == 'model.name' else key.rpartition('.')[2]} {new}"
            for key, _, new in differing(own, other)
            if new != MISSING.text  # another network's parameter
        ]
        found.append(replay.name if len(changed) > MOST_CHANGES else ", ".join(changed) or PLAIN)
    found = [title if found.count(title) == 1 else replay.name for title, replay in zip(found, replays, strict=True)]
    return [title if found.count(title) == 1 else str(one.root) for title, one in zip(found, replays, strict=True)]


def _table(
    data: pd.DataFrame, titles: list[str], counts: list[int], source: str, inference: Inference, reference: str
) -> Table:
    cells = {(row["strategy"], row["training"]): row for row in data.to_dict("records")}
    best = data[data["training"] == titles[0]].sort_values("accuracy", ascending=False, kind="stable")
    rows = []
    for strategy, n in zip(best["strategy"], best["n"], strict=True):
        row = [Cell(strategy), Cell(str(n))]
        for title in titles:
            cell = cells.get((strategy, title))
            if cell is None:
                row.append(MISSING)
                continue
            sure = cell["verdict"] in ("better", "worse")
            gain = f" ({points(cell['gain'], 1)})" if math.isfinite(cell["gain"]) else ""
            row.append(Cell(f"{100 * cell['accuracy']:.1f}{gain}", sure))
        rows.append(row)
    what = f"mean accuracy at {in_words(counts)} labels" if len(counts) > 1 else f"accuracy at {counts[0]} labels"
    compared = (
        f", and in parentheses the difference to {reference} in the same training, in points, paired by seed, bold "
        "where the strategy is better or worse"
        if data["gain"].notna().any()
        else ""
    )
    caption = (
        f"Labels acquired in {source}, a row per strategy, and what is trained on them, a column per training, the "
        f"first of which is each strategy's own: {what} in %{compared}."
    )
    plain = f"Plain is the training of {source} without the modules that strategies add to it."
    caption = sentences(caption, plain if PLAIN in titles else "", explained(inference, [reference]))
    return Table(data, ["acquired by", "seeds", *titles], rows, caption)
