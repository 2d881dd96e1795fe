"""Files of label lists: dataset indices in the order of their acquisition, by strategy and seed, as ``--replay`` reads.

A .csv has the columns strategy, seed and index, a row for each label, and may have the columns label and num_labelled,
the first label count at which it was trained on. A .json holds ``{"strategy": {"seed": [indices]}}``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.experiment import ProtocolError
from benchmark.experiment.kinds import mistaken

FILES = (".csv", ".json")
COLUMNS = ("strategy", "seed", "index")
Key = tuple[str, int]


@dataclass(frozen=True)
class LabelList:
    """Distinct dataset ``indices`` ≥ 0, and their ``labels`` and label ``counts``, empty where the file has none."""

    indices: tuple[int, ...]
    labels: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()


def read(path: Path) -> tuple[bytes, dict[Key, LabelList]]:
    """The content of a file and its lists. Raises ProtocolError, in one line, for anything else."""
    try:
        if path.exists() and not path.is_file():
            raise ProtocolError(f"--replay {path}: it is a pipe, a device or a folder, and no file")
        if path.name == "experiment.json":
            raise ProtocolError(f"--replay: {mistaken(path, 'a list of indices')}")
        content = path.read_bytes()
        text = content.decode()
    except OSError as error:
        raise ProtocolError(f"--replay cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ProtocolError(f"--replay {path}: it is no text") from error
    try:
        if not text.strip():
            raise ValueError("it is empty")
        found = _of_json(text) if path.suffix.lower() == ".json" else _of_csv(text)
        if not found:
            raise ValueError("there is no list in it")
    except (ValueError, RecursionError) as error:
        raise ProtocolError(
            f"--replay {path}: {error}; a .csv has the columns {', '.join(COLUMNS)}, a .json "
            '{"strategy": {"seed": [indices]}}'
        ) from error
    return content, found


def _of_json(text: str) -> dict[Key, LabelList]:
    try:
        tree = json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno}: {error.msg})") from error
    found = {}
    for strategy, seeds in _mapping(tree, "the file").items():
        for seed, indices in _mapping(seeds, f"'{strategy}'").items():
            if not isinstance(indices, list):
                raise ValueError(f"'{strategy}', seed {seed}, is no list")
            found[_key(strategy, seed)] = _checked(strategy, seed, indices)
    return found


def _of_csv(text: str) -> dict[Key, LabelList]:
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    if missing := [column for column in COLUMNS if column not in table]:
        raise ValueError(f"it has no column {' and no column '.join(missing)}")
    return {
        _key(str(strategy), str(seed)): _checked(
            str(strategy), str(seed), own["index"], own.get("label", ()), own.get("num_labelled", ())
        )
        for (strategy, seed), own in table.groupby(["strategy", "seed"], sort=False)
    }


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no mapping")
    return value


def _key(strategy: str, seed: str) -> Key:
    if not strategy.strip():
        raise ValueError("a list has no strategy's name")
    return strategy, _number(seed, lambda: f"'{strategy}' has the seed '{seed}', which is no number from 0 on")


def _checked(strategy: str, seed: str, indices: Any, labels: Any = (), num_labelled: Any = ()) -> LabelList:
    where = f"'{strategy}', seed {seed}"
    numbers = tuple(_number(i, lambda i=i: f"{where}: '{i}' is no index") for i in indices)  # type: ignore[misc]
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise ValueError(f"{where}: the index {number} is there twice")
        seen.add(number)
    classes = tuple(_number(y, lambda y=y: f"{where}: '{y}' is no label") for y in labels)  # type: ignore[misc]
    return LabelList(numbers, classes, _counts(where, num_labelled))


def _counts(where: str, num_labelled: Any) -> tuple[int, ...]:
    """The label counts of a list whose rows say at which of them each was first trained on."""
    per_row = [_number(n, lambda n=n: f"{where}: num_labelled '{n}' is no label count") for n in num_labelled]  # type: ignore[misc]
    counts = tuple(dict.fromkeys(per_row))
    for count in counts:
        if sum(n <= count for n in per_row) != count:
            raise ValueError(f"{where}: by num_labelled {sum(n <= count for n in per_row)} labels are there at {count}")
    return counts


def _number(value: Any, problem: Callable[[], str]) -> int:
    text = str(value).strip()
    if isinstance(value, (bool, float)) or not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise ValueError(problem())
    return int(text)
