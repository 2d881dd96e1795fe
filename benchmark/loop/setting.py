"""What a run is, what it knows, and the header that says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION
from benchmark.data.datasets import ImageData
from benchmark.experiment import Protocol
from benchmark.results import environment
from benchmark.results.store import FORMAT
from strategies.registry import Spec


@dataclass(frozen=True)
class Setting:
    """Which run it is, and where; everything but the data."""

    protocol: Protocol
    spec: Spec
    learner: str
    seed: int
    cache: Path
    commit: str | None = None


@dataclass
class Knowledge:
    """What has been bought: dataset indices in the order of purchase, the answers, and who sits out this round."""

    indices: list[int]
    answers: list[int]
    held_out: list[int]

    def add(self, line: dict[str, Any]) -> None:
        """Take in a round's purchase."""
        self.indices = self.indices + line["bought"]
        self.answers = self.answers + line["answers"]
        self.held_out = line["held_out"]


def header(setting: Setting, data: ImageData, experiment: str, initial: Knowledge) -> dict[str, Any]:
    """A run's first line."""
    return {
        "kind": "header",
        "format": FORMAT,
        "strategy": setting.spec.canonical,
        "learner": setting.learner,
        "seed": setting.seed,
        "experiment": experiment,
        "fingerprint": setting.protocol.fingerprint,
        "engine": ENGINE_VERSION,
        "versions": environment.versions(),
        "device": environment.device_name(data.train_images.device),
        "commit": setting.commit,
        "dataset": {"name": data.name, "sha256": data.sha256, "note": data.note},
        "plugin_sha256": setting.spec.source_sha256,
        **({"cheating": True} if "cheating" in setting.spec.cls.groups else {}),  # for the mark in tables and figures
        "initial": asdict(initial),
    }


def draw_initial(labels: Tensor, count: int, balanced: bool, generator: torch.Generator) -> Tensor:
    """``count`` dataset indices, at random; with ``balanced`` as many of every one of ``labels`` (N,) as can be."""
    order = torch.randperm(len(labels), generator=generator)
    if balanced:
        order = order[_rank_within_class(labels[order]).argsort(stable=True)]
    return order[:count]


def _rank_within_class(labels: Tensor) -> Tensor:
    """How many earlier entries of ``labels`` (N,) have the same label, (N,)."""
    rank = torch.empty_like(labels)
    for label in labels.unique():
        where = labels == label
        rank[where] = torch.arange(int(where.sum()))
    return rank
