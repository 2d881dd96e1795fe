"""Whether strategies did what they are named for: premises, round by round, and verdicts where one fails.

A learned scorer is to rank the images that the network gets wrong above the others, a cover by balls is to have balls
that hold more than one image, and so on. Where that fails, a strategy's accuracy says nothing of its method, and a
report says what it did instead of ranking it. Most measures are in the rounds' diagnostics; what the acquired labels
show is taken from them, for runs of every release.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import keys, mean_and_sd, mean_interval
from benchmark.reports.statistics.tidy import table_of
from benchmark.results.records import RoundRecord, RunRecord

MOST = 0.5  # a premise fails where it does in more than this share of the rounds: one bad round is no verdict
CHANCE = 0.6  # AUROC: half a blind module's 0.5 to the 0.7 that loss prediction reaches where it works (MNIST)
OVERLAP = 0.8  # share of margin's images: methods that merely use the margin share at most a third with it on MNIST
FEW_CLASSES = 0.45  # of random's effective number: entropy and margin, which do what they say, have more on MNIST
SATURATED = 0.95  # I / log K: K masks can tell no more than log K nats, and estimates within 5 % of it order by noise
SINGLETONS = 0.5  # share of the balls: a cover whose balls hold their centre alone is an arbitrary order
DUPLICATES = 0.1  # share of the acquired images: a tenth of the budget spent on labels that are known

AUROC, INFORMATIVE, SINGLE = "loss_rank.pool.auroc", "premise.informative_picks", "premise.singletons"
CANDIDATES, MARGIN = "premise.candidates", "acquisition.margin_overlap"
REPEATED = "duplicates"  # share of the acquired images
_KNOWN = (AUROC, INFORMATIVE, SINGLE, CANDIDATES, MARGIN, REPEATED)
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
    """The places of margin's runs by learner and seed."""
    return {(run.key.learner, run.key.seed): place for place, run in enumerate(runs) if run.key.strategy == "margin"}


def _rows(
    runs: Iterable[RunRecord], margin: Mapping[tuple[str, int], int], others: Sequence[RunRecord]
) -> Iterator[dict[str, Any]]:
    for run in runs:
        place = margin.get((run.key.learner, run.key.seed))
        beside: Sequence[RoundRecord] | None = None
        so_far: Counter[int] = Counter()
        labelled = set(run.header.initial.acquired_labels)
        for number, record in enumerate(run.rounds):
            if not record.acquired_labels:
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
    number of classes of random's batches there, at most C, NaN without random: how even the pool is, only that shows.
    Empty for empty ones.
    """
    return _with_usual(pd.DataFrame(_means(measured)))


def rounds_of(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """``by_round`` of the ``measures`` of runs, one strategy and learner after another, without that large table."""
    margin = _of_margin(runs)
    apart: dict[Key, array[int]] = defaultdict(lambda: array("L"))  # their places
    for place, run in enumerate(runs):
        apart[run.key.strategy, run.key.learner].append(place)
    found: list[dict[str, Any]] = []
    names: dict[str, None] = {}  # in the order of ``measures``
    for own in apart.values():
        found += _gathered(_rows((runs[place] for place in own), margin, runs), names)
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
    random = frame[frame["strategy"] == REFERENCE].set_index(["learner", "labels"])["alike"].to_dict()
    places = zip(frame["learner"], frame["labels"], frame["classes"], strict=True)
    return frame.assign(usual=[effective(random.get((learner, n), math.nan), most) for learner, n, most in places])


def effective(alike: float, most: float) -> float:
    """The effective number of classes for a share of pairs that are ``alike``, at most ``most``; NaN for NaN."""
    return min(1 / alike, most) if alike > 0 else math.nan if math.isnan(alike) else most


@dataclass(frozen=True)
class Rule:
    """A premise that can fail.

    ``verdict`` says in two or three words what a strategy was then, ``criterion`` when, completing "in most rounds".
    ``measured`` takes rows of ``by_round`` of one strategy and says in which the premise was measured, ``fails`` in
    which it fails; ``quote`` gives the numbers of the rows where it fails, in a few words.
    """

    verdict: str
    criterion: str
    measured: Callable[[pd.DataFrame], pd.Series[bool]]
    fails: Callable[[pd.DataFrame], pd.Series[bool]]
    quote: Callable[[pd.DataFrame], str]


def _there(name: str) -> Callable[[pd.DataFrame], pd.Series[bool]]:
    return lambda rows: rows[name].notna()


def _most_alike(rows: pd.DataFrame) -> pd.Series[float]:
    return rows[["alike", "alike_so_far"]].max(axis=1)


def _missing(rows: pd.DataFrame) -> str:
    """Up to which label count a seed lacks a class, where it does so after a query."""
    lacking = rows.loc[(rows["missing"] > 0) & (rows["labels"] > rows["labels"].min()), "labels"]
    return f", a class missing up to {lacking.max()} labels" if len(lacking) else ""


def _other_than_margin(rows: pd.DataFrame) -> bool:
    """Whether the rows are not margin's, in any edition and wrapper."""
    return rows["strategy"].iloc[0].rpartition(":")[2].partition("[")[0].partition("@")[0] != "margin"


RULES = (
    Rule(
        "ranks at chance",
        f"the AUROC of the predicted loss for the network's errors on the pool is below {CHANCE}, or its 95 % interval "
        "over seeds includes 0.5",
        _there(AUROC),
        lambda rows: (rows[AUROC] < CHANCE) | (rows["auroc_low"] <= 0.5),
        lambda rows: f"{rows[AUROC].mean():.2f}",
    ),
    Rule(
        "margin sampling",
        f"at least {100 * OVERLAP:.0f} % of the acquired images are those that margin sampling selects by the same "
        "model",
        lambda rows: rows[MARGIN].notna() & _other_than_margin(rows),
        lambda rows: rows[MARGIN] >= OVERLAP,
        lambda rows: f"{100 * rows[MARGIN].mean():.0f} %",
    ),
    Rule(
        "few classes",
        f"a batch, or all that was acquired up to it, has at most {100 * FEW_CLASSES:.0f} % of the effective number of "
        "classes of a random batch",
        lambda rows: rows["alike"].notna() & rows["usual"].notna(),
        lambda rows: _most_alike(rows) * FEW_CLASSES * rows["usual"] >= 1,
        lambda rows: f"{1 / _most_alike(rows).mean():.1f} of {rows['classes'].iloc[0]:.0f}{_missing(rows)}",
    ),
    Rule(
        "Monte-Carlo noise",
        f"the batch goes on after its information has reached {100 * SATURATED:.0f} % of log K, the most that K "
        "dropout masks can tell",
        _there(INFORMATIVE),
        lambda rows: rows[INFORMATIVE] < rows["batch"],
        lambda rows: f"beyond pick {rows[INFORMATIVE].mean():.0f} of {rows['batch'].mean():.0f}",
    ),
    Rule(
        "singleton balls",
        "more than half of the balls hold no image but their centre",
        _there(SINGLE),
        lambda rows: rows[SINGLE] > SINGLETONS,
        lambda rows: f"{100 * rows[SINGLE].mean():.0f} %",
    ),
    Rule(
        "too few candidates",
        "the method finds fewer candidates than it acquires images",
        _there(CANDIDATES),
        lambda rows: rows[CANDIDATES] < rows["batch"],
        lambda rows: f"{rows[CANDIDATES].mean():.0f} for {rows['batch'].mean():.0f}",
    ),
    Rule(
        "duplicates",
        f"at least {100 * DUPLICATES:.0f} % of the acquired images equal a labelled one in every pixel",
        _there(REPEATED),
        lambda rows: rows[REPEATED] >= DUPLICATES,
        lambda rows: f"{100 * rows[REPEATED].mean():.0f} %",
    ),
)


def failing(rounds: pd.DataFrame) -> dict[Key, dict[str, str]]:
    """By strategy and learner, the verdicts of the rules that fail in most of its rounds, each with its numbers.

    A rule that was measured in less than half of the rounds gives no verdict. ``rounds`` are of ``by_round``.
    """
    found: dict[Key, dict[str, str]] = {}
    for key in keys(rounds) if len(rounds) else ():
        own = rounds[(rounds["strategy"] == key[0]) & (rounds["learner"] == key[1])]
        for rule in RULES:
            measured = own[rule.measured(own)]
            failed = measured[rule.fails(measured)] if len(measured) else measured
            if len(measured) >= MOST * len(own) and len(failed) > MOST * len(measured):
                found.setdefault(key, {})[rule.verdict] = rule.quote(failed)
    return found


def degenerate(runs: Sequence[RunRecord]) -> dict[Key, tuple[str, ...]]:
    """The verdicts on the strategies (with learners) whose premises fail: see ``failing``. Never the reference's."""
    found = failing(rounds_of(runs))
    return {key: tuple(verdicts) for key, verdicts in found.items() if key[0] != REFERENCE}
