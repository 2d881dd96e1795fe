"""The rounds of runs as tables: a row per run and round, in little memory, taken run by run or strategy by strategy."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.results.atomic import write_atomically
from benchmark.results.records import RunRecord
from benchmark.text import escapes

RUN = ["strategy", "learner", "seed"]
COLUMNS = [*RUN, "labels", "accuracy", "nll", "ece", "train_seconds", "query_seconds"]
AT_ONCE = 20_000  # rows of a table


def key_of(run: RunRecord) -> tuple[str, str, int]:
    """The run's strategy, learner and seed, in the order of ``RUN``."""
    return run.key.strategy, run.key.learner, run.key.seed


def tidy(runs: Iterable[RunRecord], budgets: Collection[int] | None = None) -> pd.DataFrame:
    """The rounds of ``runs`` as a table (see ``curves``), at the label counts in ``budgets``, by default at all."""
    wanted = set(budgets or ())

    def rows(run: RunRecord) -> Iterator[tuple[float, ...]]:
        for record in run.rounds:
            if not wanted or record.num_labelled in wanted:
                yield (
                    record.num_labelled,
                    *(record.accuracy, record.nll, record.ece),
                    record.seconds.train,
                    record.seconds.query if record.acquired_indices else math.nan,
                )

    return table_by_run(((run, rows(run)) for run in runs), COLUMNS[len(RUN) :])


def table_of(rows: Iterable[Any], columns: list[str] | None = None) -> pd.DataFrame:
    """A table of ``rows``, tuples or dicts. Many are taken in turn: as objects they are ten times as large."""
    taken = iter(rows)
    parts = [pd.DataFrame(list(itertools.islice(taken, AT_ONCE)), columns=columns)]
    while some := list(itertools.islice(taken, AT_ONCE)):
        parts.append(pd.DataFrame(some, columns=columns))
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def table_by_run(runs: Iterable[tuple[RunRecord, Iterable[tuple[float, ...]]]], columns: Sequence[str]) -> pd.DataFrame:
    """A table of numbers of runs, which come with their rows: ``RUN``, then ``columns``, the first a label count.

    Built without a copy. Names are categories in the order of texts, so that all sorts and groups as texts do.
    """
    strategies, learners, seeds, ends = _Names(), _Names(), list[int](), array("q", [0])
    numbers = [array("d") for _ in columns]
    for run, rows in runs:
        for row in rows:
            for column, value in zip(numbers, row, strict=True):
                column.append(value)
        strategies.add(run.key.strategy)
        learners.add(run.key.learner)
        seeds.append(run.key.seed)
        ends.append(len(numbers[0]))
    repeats = np.diff(np.array(ends))
    of_run = [strategies.column(repeats), learners.column(repeats), np.repeat(_small(np.array(seeds)), repeats)]
    labels, *rest = (np.frombuffer(own) if len(own) else np.empty(0) for own in numbers)
    values = [*of_run, _small(labels.astype(np.int64)), *rest]
    return pd.DataFrame(dict(zip([*RUN, *columns], values, strict=True)), copy=False)


class _Names:
    """Names of runs as numbers."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}  # by first occurrence
        self._numbers = array("q")

    def add(self, name: str) -> None:
        self._numbers.append(self._known.setdefault(name, len(self._known)))

    def column(self, repeats: np.ndarray) -> pd.Categorical[str]:
        """The names, each repeated so many times."""
        order = sorted(self._known)
        place = {name: i for i, name in enumerate(order)}
        codes = np.array([place[name] for name in self._known], dtype=np.int64)[np.array(self._numbers)]
        small = codes.astype(np.int8 if len(order) < 2**7 else np.int32)
        return pd.Categorical.from_codes(np.repeat(small, repeats), categories=pd.Index(order))


def _small(values: np.ndarray) -> np.ndarray:
    """Integers in half the space, where they fit."""
    if values.dtype.kind == "f":  # of no run
        return values.astype(np.int32)
    return values.astype(np.int32) if values.dtype.kind == "i" and values.max(initial=0) < 2**31 else values


def write_curves(frame: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV: measures at full precision, seconds rounded to 3 decimals."""
    seconds = {"train_seconds": 3, "query_seconds": 3}
    parts = [frame.iloc[start : start + AT_ONCE] for start in range(0, max(len(frame), 1), AT_ONCE)]
    texts = (escapes.csv_table(part.round(seconds), header=part is parts[0]).encode() for part in parts)
    write_atomically(path, texts)


def places(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Any, slice | np.ndarray]]:
    """Where the rows of each group are: the values of the columns ``by`` (a tuple, or a single column's value), and
    their places, a slice where the rows of all groups stand together, as strategies do in ``curves.curves``."""
    if frame.empty:
        return
    changed = np.ones(len(frame), dtype=bool)
    changed[1:] = False
    for column in by:
        values = frame[column]
        codes = values.cat.codes if isinstance(values.dtype, pd.CategoricalDtype) else values
        own = codes.to_numpy()
        changed[1:] |= own[1:] != own[:-1]
    starts = np.flatnonzero(changed).tolist()
    heads = frame[list(by)].iloc[starts]
    keys = (heads[column].tolist() for column in by)
    each = iter(heads[by[0]].tolist() if len(by) == 1 else zip(*keys, strict=True))
    if heads.duplicated().any():
        grouped = frame.groupby(by[0] if len(by) == 1 else list(by), sort=False, observed=True)
        found: Any = grouped.indices
        for key in dict.fromkeys(each):
            yield key, found[key]
    else:
        for key, start, end in zip(each, starts, [*starts[1:], len(frame)], strict=True):
            yield key, slice(start, end)


def pieces(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows of each group in order of occurrence, see ``places``: views of ``frame`` where they stand together."""
    return ((key, frame.iloc[where]) for key, where in places(frame, by))


def groups(frame: pd.DataFrame, by: Sequence[str]) -> dict[Any, pd.DataFrame]:
    """``pieces`` by their keys."""
    return dict(pieces(frame, by))


def chosen(frame: pd.DataFrame, by: Sequence[str], wanted: Callable[[Any, pd.DataFrame], Any]) -> pd.DataFrame:
    """The rows that are ``wanted`` of each group, a Boolean or one per row; ``frame`` itself where all are."""
    mask = np.zeros(len(frame), dtype=bool)
    for key, where in places(frame, by):
        mask[where] = wanted(key, frame.iloc[where])
    return frame if mask.all() else frame[mask]
