"""Everything it takes to build a network any number of times, with initial weights from any random stream."""

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
    """A network's name, parameters and shapes; it holds no label and no test image.

    ``patch_covariance`` is ``ImageData.patch_covariance`` for a network whose first layer is computed from it, and
    None for any other.
    """

    name: str
    parameters: Mapping[str, Any]
    channels: int
    image_size: tuple[int, int]
    class_count: int
    patch_covariance: Tensor | None

    def network(self, seed: int, stream: str, number: int, device: torch.device) -> Network:
        """The network on ``device``, channels last; its weights come from the stream of seed, name and ``number``."""
        with seeds.scoped(seed, stream, number):
            network = factory.build(self.name, self.parameters, self.channels, self.image_size, self.class_count)
        if self.patch_covariance is not None:
            network.whiten(self.patch_covariance)
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def scaled(self, factor: float) -> Blueprint:
        """The same network with ``factor`` times the width, at least 1."""
        width = self.parameters.get("width", factory.default_of(self.name, "width"))
        return replace(self, parameters={**self.parameters, "width": max(1, round(factor * width))})


@dataclass(frozen=True)
class Fresh:
    """Builds networks like that of a training: ``TrainingTask.fresh``.

    ``part`` names the stream of their initial weights, ``width`` is a factor on their width.
    """

    blueprint: Blueprint
    seed: int
    round: int
    device: torch.device

    def __call__(self, part: str, width: float) -> Network:
        blueprint = self.blueprint if width == 1 else self.blueprint.scaled(width)
        return blueprint.network(self.seed, f"weights/{part}", self.round, self.device)


def blueprint(name: str, parameters: Mapping[str, Any], data: ImageData) -> Blueprint:
    """The blueprint of the named network for images like those of ``data``."""
    whitens = factory.class_of(name).whiten is not Network.whiten
    covariance = data.patch_covariance if whitens else None
    return Blueprint(name, parameters, data.channels, data.image_size, data.class_count, covariance)
