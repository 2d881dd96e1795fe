"""How the self-supervised or pretrained features of an experiment are made, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.experiment.recipe import MOST_IMAGES, MOST_STEPS

SIMCLR = "simclr"
PRETRAINED_SOURCES = ("torchvision", "timm")


@dataclass(frozen=True)
class FeatureSettings:
    """How features are made; table ``[features]`` of a protocol.

    ``method`` is ``simclr``, trained on the data set's own training images, or a pretrained network:
    ``torchvision:<weights>``, such as ``torchvision:ResNet18_Weights.IMAGENET1K_V1``, or ``timm:<model>``. All other
    fields are SimCLR's: the network and its parameters (default: the protocol's network, without dropout), the number
    of steps, images per step, Adam's learning rate and the temperature of the loss. It is trained for each seed of the
    runs anew, so that runs of different seeds share no features; a pretrained network is the same for all.
    The features are not normalised. Whether the network exists is checked where networks are built.
    """

    method: str = SIMCLR
    model: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 1e-3
    temperature: float = 0.5

    @property
    def by_seed(self) -> bool:
        """Whether every seed has features of its own."""
        return self.method == SIMCLR

    def __post_init__(self) -> None:
        source, _, name = self.method.partition(":")
        if self.method != SIMCLR and not (source in PRETRAINED_SOURCES and name):
            raise ValueError(f"features.method is simclr, torchvision:<weights> or timm:<model>, not '{self.method}'")
        if self.parameters and not self.model:
            raise ValueError("features.parameters are those of features.model: name one")
        if self.batch_size < 2:
            raise ValueError(f"features.batch_size must be at least 2, not {self.batch_size}")
        for name in ("steps", "learning_rate", "temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"features.{name} must be positive, not {getattr(self, name)}")
        if self.batch_size > MOST_IMAGES:
            raise ValueError(f"features.batch_size goes up to {MOST_IMAGES:,}, not {self.batch_size}")
        if self.steps > MOST_STEPS:
            raise ValueError(f"features.steps goes up to {MOST_STEPS:,}, not {self.steps}")
