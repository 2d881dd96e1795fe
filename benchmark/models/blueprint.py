"""A network that can be made again and again, with the initial weights of any stream; nothing of the data but shapes.

And the covariance of patches, where the network has a first layer that is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmark.data.datasets import ImageData
from benchmark.experiment import seeds
from benchmark.models import factory
from benchmark.models.network import Network


@dataclass(frozen=True)
class Blueprint:
    """All that it takes to make a network. No label and no test image can be reached from here."""

    name: str
    parameters: Mapping[str, Any]
    channels: int
    image_size: tuple[int, int]
    class_count: int
    patch_covariance: Tensor | None

    def network(self, seed: int, stream: str, number: int, device: torch.device) -> Network:
        """The network with the initial weights of a stream of ``seeds``, on ``device``, channels last."""
        with seeds.scoped(seed, stream, number):
            network = factory.build(self.name, self.parameters, self.channels, self.image_size, self.class_count)
        if self.patch_covariance is not None:
            network.whiten(self.patch_covariance)
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def scaled(self, factor: float) -> Blueprint:
        """The same with ``factor`` times the width, at least 1."""
        width = self.parameters.get("width", factory.default_of(self.name, "width"))
        return replace(self, parameters={**self.parameters, "width": max(1, round(factor * width))})


@dataclass(frozen=True)
class Fresh:
    """Networks like that of a training, with initial weights of parts of its stream: ``Task.fresh``."""

    blueprint: Blueprint
    seed: int
    round: int
    device: torch.device

    def __call__(self, part: str, width: float) -> Network:
        blueprint = self.blueprint if width == 1 else self.blueprint.scaled(width)
        return blueprint.network(self.seed, f"weights/{part}", self.round, self.device)


def blueprint(name: str, parameters: Mapping[str, Any], data: ImageData) -> Blueprint:
    """The named network for images like those of ``data``."""
    whitens = factory.MODELS[name].whiten is not Network.whiten
    covariance = data.patch_covariance if whitens else None
    return Blueprint(name, parameters, data.channels, data.image_size, data.class_count, covariance)
