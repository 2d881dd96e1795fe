"""A protocol: everything that an experiment's numbers depend on, and which runs it consists of."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmark.experiment import plain_data
from benchmark.experiment.errors import ProtocolError
from benchmark.experiment.feature_settings import FeatureSettings
from benchmark.experiment.fingerprint import fingerprint
from benchmark.experiment.recipe import MOST_STEPS, Recipe
from benchmark.experiment.suggestions import nearest

INITIAL = ("random", "balanced", "strategy")
ORACLES = ("simulated", "person")
NOT_SHOWN = "a person labels images, not embeddings"
LARGEST_IMAGE = 1024  # pixels a side
_OPEN_TABLES = (["model", "parameters"], ["features", "parameters"])  # whose keys are another module's to check
# What to use in place of ``--set`` for the fields that it does not take.
OPTIONS = {
    "name": "--name",
    "dataset": "--dataset",
    "budgets": "--budgets",
    "ladder": "--budgets",
    "strategies": "--strategies",
    "learners": "--learner",
    "seeds": "--seeds",
    "description": "a --protocol file",
    "papers": "a --protocol file",
    "notes": "a --protocol file",
    "replay": "--replay",
    "looks": "--until-decided",
}


@dataclass(frozen=True)
class Model:
    """A network's name and parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """A named, frozen experiment.

    ``ladder`` is the protocol's own budget schedule, the label counts from the initial labels on; ``budgets`` is the
    one asked for. ``initial`` says how the initial labels are chosen: at ``random``, ``balanced`` over the classes by
    the true labels, which costs no budget here but would elsewhere, or by the ``strategy`` where it
    can without a model (``Strategy.cold_start``), at random for the others. ``candidates`` > 0 scores
    a random subset of that size instead of the whole pool. ``warm_start`` starts each training from the last round's
    weights. ``label_noise`` is the share of wrong labels from the simulated ``oracle``; ``person`` asks at the
    terminal. ``features`` says how the features that some strategies need are made; None for none. ``papers`` are keys
    of strategies.bib or learners.bib, those whose setting this is, and ``notes`` say where it departs from theirs.
    ``image_size`` is the side in pixels of the squares that the images of a folder are brought to; 0 keeps their size.
    ``looks`` is how often results may be looked at to decide on more seeds, which verdicts are corrected for.
    ``embedding`` says which network's embeddings take the images' place, such as
    ``efficientnet-lite0[size=96,pca=256]`` (see ``benchmark.features.embedding``); empty for the images themselves.
    ``imbalance`` > 1 makes the training images long-tailed, with so many times as many of the first class as of the
    last (see ``benchmark.data.long_tail``).
    ``replay`` names the experiment, or the file, whose acquired labels are trained on, as ``name@checksum``; empty
    where strategies choose.

    Raises ProtocolError for values that cannot be; whether the network, the strategies and the learners exist is
    checked before a campaign starts.
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
    features: FeatureSettings | None = None
    description: str = ""
    papers: tuple[str, ...] = ()
    notes: str = ""
    ladder: tuple[int, ...] = ()
    image_size: int = 0
    replay: str = ""
    looks: int = 1
    embedding: str = ""
    imbalance: float = 1.0

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
        if (steps := self.recipe.steps(self.budgets[-1])) > MOST_STEPS:
            raise ProtocolError(f"recipe: {self.budgets[-1]} labels take {steps:,} steps; at most are {MOST_STEPS:,}")
        if self.initial not in INITIAL:
            raise ProtocolError(f"initial is one of {', '.join(INITIAL)}, not '{self.initial}'")
        if self.oracle not in ORACLES:
            raise ProtocolError(f"oracle is one of {', '.join(ORACLES)}, not '{self.oracle}'")
        if self.candidates < 0:
            raise ProtocolError(f"candidates must be 0 (the whole pool) or more, not {self.candidates}")
        if not 0 <= self.image_size <= LARGEST_IMAGE:
            raise ProtocolError(
                f"image_size must be 0 (as the images are) to {LARGEST_IMAGE} pixels, not {self.image_size}"
            )
        largest = max((b - a for a, b in pairwise(self.budgets)), default=0)
        if 0 < self.candidates < largest:
            raise ProtocolError(
                f"candidates must be at least the largest acquisition batch, {largest}, not {self.candidates}"
            )
        if self.looks < 1:
            raise ProtocolError(f"looks must be at least 1, not {self.looks}")
        if self.embedding and self.image_size:
            raise ProtocolError("image_size is of images without an embedding: write embedding=name[size=…] instead")
        if not self.imbalance >= 1:
            raise ProtocolError(f"imbalance must be at least 1, not {self.imbalance}")
        if not 0 <= self.label_noise < 1:
            raise ProtocolError(f"label_noise must be at least 0 and below 1, not {self.label_noise}")
        if self.oracle == "person" and self.label_noise:
            raise ProtocolError("label_noise has no effect on a person's labels: leave it out, or oracle=person")
        if self.oracle == "person" and self.embedding and not self.replay:
            raise ProtocolError(f"{NOT_SHOWN}: leave out embedding=…, or oracle=person")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that a round's numbers depend on, except the axes of the grid: see ``fingerprint``."""
        return fingerprint(self)

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
                    node[parent] = dataclasses.asdict(FeatureSettings())
                if not isinstance(node.get(parent), dict):
                    raise _no_field(path)
                node = node[parent]
            if leaf not in node and parents not in _OPEN_TABLES:
                raise _no_field(path)
            node[leaf] = value
        return plain_data.build(Protocol, tree, set_names())


def from_dict(tree: Mapping[str, Any]) -> Protocol:
    """A protocol from plain data, every field and type checked. Raises ProtocolError."""
    return plain_data.build(Protocol, tree, _field_names())


def is_folder_name(name: str) -> bool:
    """Whether a folder under ``results/`` can be called ``name``."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\0]", name)


def _no_field(path: str) -> ProtocolError:
    return ProtocolError(f"the protocol has no field '{path}'{nearest(path, set_names())}")


def _field_names() -> list[str]:
    return plain_data.field_names(Protocol)


def set_names() -> list[str]:
    """The names of the fields that ``--set`` takes."""
    return [name for name in _field_names() if name not in OPTIONS]
