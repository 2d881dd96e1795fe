"""What strategies did, round by round: whether the premises hold on which their methods rest.

A learned scorer is to rank the images that the network gets wrong above the others, a cover by balls is to have balls
that hold more than one image, and so on. Most measures are in the rounds' diagnostics; what the acquired labels show is
taken from them, for runs of every release. ``degeneracy`` gives the verdicts.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import mean_and_sd, mean_interval
from benchmark.reports.statistics.tidy import table_of
from benchmark.results.editions import base_name
from benchmark.results.records import RoundRecord, RunRecord

AUROC, INFORMATIVE, SINGLE = "loss_rank.pool.auroc", "premise.informative_picks", "premise.singletons"
BIAS, CANDIDATES, CLUSTERS = "premise.bias", "premise.candidates", "premise.clusters"
MARGIN, SCORED = "acquisition.margin_overlap", "acquisition.scored"
MARGIN_PHASE = "premise.margin_phase"
REPEATED = "duplicates"  # share of the acquired images
_KNOWN = (AUROC, INFORMATIVE, BIAS, SINGLE, CANDIDATES, CLUSTERS, MARGIN, SCORED, MARGIN_PHASE, REPEATED)
_PLACE = (*GROUP, "labels")
_LINE = {*_PLACE, "seed"}
_SHARE = "class_"


def measures(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """A row per run and round with a query: strategy, learner, seed, labels, batch, classes, and what was measured.

    ``batch`` is the number n of acquired images and ``classes`` the number C of classes of the test set. ``alike`` is
    the share of pairs of images of the batch that are of one class: an estimate of Σ_c p_c², whatever n, of which 1/Σ
    is the effective number of classes. ``alike_so_far`` is the same of all images acquired up to then, ``missing``
    the number of classes without a label before the query, and ``duplicates`` the share of acquired images that equal a
    labelled one. The other columns are the diagnostics by name, NaN where there are none. The overlap with margin
    sampling is taken from margin's run of the seed where the two have the same model and none is recorded.
    """
    return _complete(table_of(_rows(runs, _of_margin(runs), runs)))


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a share of 0 for classes that were not acquired, and with NaN for what was never measured."""
    shares = [name for name in frame.columns if name.startswith(_SHARE)]
    frame[shares] = frame[shares].fillna(0.0)
    return frame.assign(**{name: math.nan for name in _KNOWN if name not in frame})


def _of_margin(runs: Iterable[RunRecord]) -> dict[tuple[str, int], int]:
    """The places of margin's runs by learner and seed; those of an older edition where no other is shown."""
    found: dict[tuple[str, int], int] = {}
    for place, run in enumerate(runs):
        if base_name(run.key.strategy) == "margin":
            key = run.key.learner, run.key.seed
            found[key] = place if run.key.strategy == "margin" else found.get(key, place)
    return found


def _rows(
    runs: Iterable[RunRecord],
    margin: Mapping[tuple[str, int], int],
    others: Sequence[RunRecord],
    before: float = math.inf,
) -> Iterator[dict[str, Any]]:
    for run in runs:
        place = margin.get((run.key.learner, run.key.seed))
        beside: Sequence[RoundRecord] | None = None
        so_far: Counter[int] = Counter()
        labelled = set(run.header.initial.acquired_labels)
        for number, record in enumerate(run.rounds):
            if not record.acquired_labels or record.num_labelled >= before:
                continue
            batch = Counter(record.acquired_labels)
            so_far += batch
            classes = max(len(record.class_accuracy), 1 + max(batch))
            row: dict[str, Any] = {
                **dict(zip((*GROUP, "seed"), (run.key.strategy, run.key.learner, run.key.seed), strict=True)),
                "labels": record.num_labelled,
                "batch": len(record.acquired_labels),
                "classes": classes,
                "alike": alike(batch),
                "alike_so_far": alike(so_far),
                "missing": classes - len(labelled),
                **{f"{_SHARE}{label}": count / len(record.acquired_labels) for label, count in batch.items()},
                **record.diagnostics,
            }
            if (repeated := row.pop("acquisition.duplicates", None)) is not None:
                row[REPEATED] = repeated / len(record.acquired_labels)
            if MARGIN not in row and place is not None:
                beside = tuple(others[place].rounds) if beside is None else beside
                if number < len(beside):
                    row[MARGIN] = _shared(record, beside[number])
            yield row
            labelled |= batch.keys()


def alike(counts: Counter[int]) -> float:
    """The share of pairs of images that are of one class; NaN for fewer than two images."""
    n = sum(counts.values())
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1)) if n > 1 else math.nan


def _shared(record: RoundRecord, other: RoundRecord) -> float:
    """The share of the images that ``other`` acquired too; NaN where its model was another one."""
    if (record.num_labelled, record.accuracy, record.nll) != (other.num_labelled, other.accuracy, other.nll):
        return math.nan
    return len(set(record.acquired_indices) & set(other.acquired_indices)) / len(record.acquired_indices)


def by_round(measured: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of ``measures``, a row per strategy, learner and label count; n counts the seeds.

    ``auroc_low`` is the lower end of the 95 % interval of the AUROC, NaN below 3 seeds; ``usual`` is the effective
    number of classes of random's batches there, at most C, NaN without random (in any edition): how even the pool is,
    only that shows. Empty for empty ones.
    """
    return _with_usual(pd.DataFrame(_means(measured)))


def rounds_of(runs: Sequence[RunRecord], before: float = math.inf) -> pd.DataFrame:
    """``by_round`` of the ``measures`` of runs, one strategy and learner after another, without that large table.

    Only of queries ``before`` so many labels: later ones say nothing of a curve that ends there.
    """
    margin = _of_margin(runs)
    apart: dict[Key, array[int]] = defaultdict(lambda: array("L"))  # their places
    for place, run in enumerate(runs):
        apart[run.key.strategy, run.key.learner].append(place)
    found: list[dict[str, Any]] = []
    names: dict[str, None] = {}  # in the order of ``measures``
    for own in apart.values():
        found += _gathered(_rows((runs[place] for place in own), margin, runs, before), names)
    columns = [*_PLACE, "n", *(name for name in [*names, *_KNOWN] if name not in (*_PLACE, "seed")), "auroc_low"]
    frame = _complete(pd.DataFrame(found, columns=list(dict.fromkeys(columns)) if found else None))
    measured = frame.columns.drop([*_PLACE, "n"], errors="ignore")
    return _with_usual(frame.astype(dict.fromkeys(measured, "float64")))


def _gathered(rows: Iterable[Mapping[str, Any]], names: dict[str, None]) -> Iterator[dict[str, Any]]:
    """``_means`` of ``rows``, whose names are added to ``names``; holds nothing but the numbers."""
    found: dict[tuple[Any, ...], defaultdict[str, array[float]]] = {}
    counts = Counter[tuple[Any, ...]]()
    for row in rows:
        names |= dict.fromkeys(row)
        place = tuple(row[name] for name in _PLACE)
        values = found.setdefault(place, defaultdict(lambda: array("d")))
        counts[place] += 1
        for name, value in row.items():
            if name not in _LINE and not math.isnan(value):
                values[name].append(value)
    for place, values in found.items():
        n = counts[place]
        means = {
            name: math.fsum(own) / (n if name.startswith(_SHARE) else len(own))  # a share is 0 where there is none
            for name, own in values.items()
        }
        yield dict(zip(_PLACE, place, strict=True)) | {"n": n} | means | {"auroc_low": _low(values.get(AUROC, ()))}


def _means(measured: pd.DataFrame) -> list[dict[str, Any]]:
    if measured.empty:
        return []
    rows = []
    for key, group in measured.groupby(list(_PLACE), sort=False):
        row = dict(zip(_PLACE, key, strict=True)) | {"n": len(group)}
        for name in group.columns.drop([*GROUP, "seed", "labels"]):
            row[name] = mean_and_sd(group[name].dropna())[0]
        row["auroc_low"] = _low(group[AUROC].dropna().tolist())
        rows.append(row)
    return rows


def _low(auroc: Sequence[float]) -> float:
    return mean_interval(auroc).low if len(auroc) >= FEWEST_SEEDS else math.nan


def _with_usual(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    random: dict[tuple[str, int], float] = {}
    editions = {label for label in frame["strategy"] if base_name(label) == REFERENCE}
    for label in sorted(editions, key=lambda label: (label == REFERENCE, label)):  # without an edition last: it counts
        random |= frame[frame["strategy"] == label].set_index(["learner", "labels"])["alike"].to_dict()
    places = zip(frame["learner"], frame["labels"], frame["classes"], strict=True)
    return frame.assign(usual=[effective(random.get((learner, n), math.nan), most) for learner, n, most in places])


def effective(alike: float, most: float) -> float:
    """The effective number of classes for a share of pairs that are ``alike``, at most ``most``; NaN for NaN."""
    return min(1 / alike, most) if alike > 0 else math.nan if math.isnan(alike) else most
