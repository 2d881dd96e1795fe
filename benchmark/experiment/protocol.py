"""A named, frozen experiment: dataset, ladder of label counts, model, recipe; and its fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmark import models
from benchmark.data import datasets
from benchmark.experiment.recipe import Recipe
from benchmark.features.source import Features, resolved
from strategies.registry import nearest

INITIAL = ("random", "balanced", "strategy")
ORACLES = ("simulated", "person")
_COVERED = (
    "initial",
    "candidates",
    "warm_start",
    "label_noise",
    "oracle",
)  # by the fingerprint, beside the structured fields

_TABLES = {"recipe": Recipe, "features": Features}


class ProtocolError(ValueError):
    """A protocol that cannot be; the message is one line that says what to change."""


@dataclass(frozen=True)
class Model:
    """A network's name and its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """Everything that an experiment's numbers depend on, and which runs it consists of.

    ``ladder`` is the protocol's own sequence of label counts; ``budgets`` is the one asked for. ``initial`` says
    who picks the first labels. ``candidates`` > 0 scores a random subset of that size instead of the whole pool.
    ``warm_start`` continues from the last round's weights instead of fresh ones. ``label_noise`` is the share of
    wrong answers of the simulated ``oracle``; ``person`` asks at the terminal. ``features`` says how the
    self-supervised features are made, which some strategies need; None for none. ``papers`` are keys of
    strategies.bib or learners.bib, those whose setting this is or comes from, and ``notes`` say where it departs from
    theirs.
    """

    name: str
    dataset: str
    budgets: tuple[int, ...]
    model: Model
    recipe: Recipe
    strategies: tuple[str, ...] = ("core",)
    learners: tuple[str, ...] = ("supervised",)
    seeds: tuple[int, ...] = (0, 1, 2)
    initial: str = "random"
    candidates: int = 0
    warm_start: bool = False
    label_noise: float = 0.0
    oracle: str = "simulated"
    features: Features | None = None
    description: str = ""
    papers: tuple[str, ...] = ()
    notes: str = ""
    ladder: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.ladder:
            object.__setattr__(self, "ladder", self.budgets)
        if not is_folder_name(self.name):
            raise ProtocolError(f"name must be fit for a folder, which '{self.name}' is not")
        for name in ("strategies", "learners", "seeds", "budgets"):
            if not getattr(self, name):
                raise ProtocolError(f"{name}: name at least one")
        for name in ("budgets", "ladder"):
            counts = getattr(self, name)
            if counts[0] < 1 or any(a >= b for a, b in pairwise(counts)):
                raise ProtocolError(f"{name} must be positive and rise: {' '.join(map(str, counts))}")
        if len(set(self.seeds)) < len(self.seeds) or any(seed < 0 for seed in self.seeds):
            raise ProtocolError(f"seeds must be distinct and not negative: {' '.join(map(str, self.seeds))}")
        if len(set(self.learners)) < len(self.learners):
            raise ProtocolError(f"learners must be distinct: {' '.join(self.learners)}")
        if self.initial not in INITIAL:
            raise ProtocolError(f"initial is one of {', '.join(INITIAL)}, not '{self.initial}'")
        if self.oracle not in ORACLES:
            raise ProtocolError(f"oracle is one of {', '.join(ORACLES)}, not '{self.oracle}'")
        if self.candidates < 0:
            raise ProtocolError(f"candidates must be 0 (the whole pool) or more, not {self.candidates}")
        purchase = max((b - a for a, b in pairwise(self.budgets)), default=0)
        if 0 < self.candidates < purchase:
            raise ProtocolError(f"candidates must be at least the largest purchase, {purchase}, not {self.candidates}")
        if not 0 <= self.label_noise < 1:
            raise ProtocolError(f"label_noise must be at least 0 and below 1, not {self.label_noise}")
        try:
            models.check(self.model.name, self.model.parameters)
        except ValueError as error:
            raise ProtocolError(str(error)) from error

    @property
    def has_dropout(self) -> bool:
        """Whether the protocol's network drops anything."""
        return models.dropout_of(self.model.name, self.model.parameters) > 0

    @property
    def resolved_features(self) -> Features | None:
        """The features' settings with their network named."""
        if self.features is None:
            return None
        return resolved(self.features, self.model.name, self.model.parameters)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that changes a round's numbers, but strategy, learner, seed and the ladder's end.

        Fields at their defaults are left out, so that a new field does not make strangers of published runs. The
        features are covered although few strategies read them: lines by two kinds of them are never mixed.
        """
        covered = {
            "dataset": datasets.canonical_name(self.dataset),
            "ladder": _beginning(self.ladder if _continues(self.ladder, self.budgets) else self.budgets),
            "model": {"name": self.model.name, **self.model.parameters},
            "recipe": _set(self.recipe),
            **{key: value for key, value in _set(self).items() if key in _COVERED},
            **({"features": _set(self.features)} if self.features is not None else {}),
        }
        return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()

    @property
    def experiment(self) -> str:
        """The folder's name: the protocol's while the fingerprint is its own, else with eight digits behind."""
        return self.name if self._own is not None else f"{self.name}-{self.fingerprint[:8]}"

    @property
    def as_published(self) -> Protocol:
        """What experiment.json says: the named protocol itself where this is a part or a continuation of it."""
        if self._own is None:
            return self
        return self._own if len(self.budgets) <= len(self._own.budgets) else self._own.override(budgets=self.budgets)

    @property
    def _own(self) -> Protocol | None:
        """The named protocol, if it has this fingerprint."""
        known = load(self.name) if self.name in names() else None
        return known if known is not None and known.fingerprint == self.fingerprint else None

    def to_dict(self) -> dict[str, Any]:
        """For experiment.json: plain lists, strings and numbers; ``from_dict`` reads it back."""
        return dict(json.loads(json.dumps(dataclasses.asdict(self))))

    def override(self, **changes: Any) -> Protocol:
        """The protocol with some fields changed; a dotted name such as ``recipe.epochs`` reaches inside."""
        tree = self.to_dict()
        for path, value in changes.items():
            *parents, leaf = path.split(".")
            node = tree
            for parent in parents:
                if parent == "features" and node.get(parent) is None:
                    node[parent] = dataclasses.asdict(Features())
                if not isinstance(node.get(parent), dict):
                    raise ProtocolError(f"the protocol has no field '{path}'{nearest(path, _field_names())}")
                node = node[parent]
            if leaf not in node and parents not in (["model", "parameters"], ["features", "parameters"]):
                raise ProtocolError(f"the protocol has no field '{path}'{nearest(path, _field_names())}")
            node[leaf] = value
        return from_dict(tree)


def names() -> tuple[str, ...]:
    """The protocols that come with the suite."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml")))


def load(name_or_path: str) -> Protocol:
    """A protocol by name, or from a TOML file. Raises ProtocolError for one that is unknown or malformed."""
    if name_or_path in names():
        data, name = (_folder() / f"{name_or_path}.toml").read_bytes(), name_or_path
    elif name_or_path.endswith(".toml") and Path(name_or_path).is_file():
        data, name = Path(name_or_path).read_bytes(), Path(name_or_path).stem
    else:
        near = nearest(name_or_path, names())
        raise ProtocolError(f"unknown protocol '{name_or_path}'{near} (known: {', '.join(names())}, or a .toml file)")
    try:
        return from_dict({"name": name, **tomllib.loads(data.decode())})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"protocol {name_or_path}: not TOML: {error}") from error
    except ProtocolError as error:
        raise ProtocolError(f"protocol {name_or_path}: {error}") from error


def from_dict(tree: Mapping[str, Any]) -> Protocol:
    """A protocol from plain data, every field and type checked."""
    return typing.cast(Protocol, _build(Protocol, tree, ""))


def is_folder_name(name: str) -> bool:
    """Whether a folder under ``results/`` can be called ``name``."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\0]", name)


def _folder() -> Any:
    return resources.files("benchmark.experiment.protocols")


def _build(cls: type, tree: Mapping[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in tree.items():
        if key not in hints:
            raise ProtocolError(f"there is no field '{prefix}{key}'{nearest(prefix + key, _field_names())}")
        values[key] = _convert(hints[key], value, prefix + key)
    for f in dataclasses.fields(cls):
        no_default = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if no_default and f.name not in values:
            raise ProtocolError(f"the field '{prefix}{f.name}' is missing")
    try:
        return cls(**values)
    except ProtocolError:
        raise
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def _convert(hint: Any, value: Any, name: str) -> Any:
    if isinstance(hint, types.UnionType):  # a table, or None
        if value is None:
            return None
        hint = typing.get_args(hint)[0]
    table = dataclasses.is_dataclass(hint) or typing.get_origin(hint) is Mapping
    if table and not isinstance(value, Mapping):
        raise ProtocolError(f"'{name}' must be a table, not {value!r}")
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{name}.")
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ProtocolError(f"'{name}' must be a list, not {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, name) for item in value)
    if typing.get_origin(hint) is Mapping:
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ProtocolError(f"'{name}' must be of type {hint.__name__}, not {value!r}")
    if hint is float and not math.isfinite(value):
        raise ProtocolError(f"'{name}' must be a finite number, not {value}")
    return value


def _field_names() -> list[str]:
    top = [f.name for f in dataclasses.fields(Protocol)]
    inner = [f"{table}.{f.name}" for table, cls in _TABLES.items() for f in dataclasses.fields(cls)]
    return top + inner + ["model.name"]


def _set(instance: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their defaults."""
    values = {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}
    defaults = {f.name: f.default for f in dataclasses.fields(instance)}
    return {name: value for name, value in values.items() if value != defaults[name]}


def _beginning(ladder: tuple[int, ...]) -> list[int]:
    """The shortest beginning that fixes an evenly continued ladder: 20 40 60 … 300 becomes 20 40."""
    kept = list(ladder)
    while len(kept) > 2 and kept[-1] - kept[-2] == kept[-2] - kept[-3]:
        kept.pop()
    return kept


def _continues(ladder: tuple[int, ...], budgets: tuple[int, ...]) -> bool:
    """Whether ``budgets`` is a beginning of ``ladder`` or carries its last step on."""
    extended = list(ladder)
    while len(ladder) > 1 and len(extended) < len(budgets):
        extended.append(2 * extended[-1] - extended[-2])
    return list(budgets) == extended[: len(budgets)]
