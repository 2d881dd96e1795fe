"""The floating-point operations of a training step, as PyTorch counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark.experiment.recipe import Recipe
from benchmark.models import factory
from benchmark.models.masks import Masks
from benchmark.models.network import Network


def flops(network: Network, images: Tensor) -> float:
    """Floating-point operations per image of a training step on ``images`` (B, c, H, W), forward and backward.

    A multiplication and an addition count as two; only convolutions and matrix products are counted. Afterwards the
    network's dropout draws from a stream of its own.
    """
    network.draw_dropout_from(Masks(0))
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(network(images).logits, torch.zeros(len(images), dtype=torch.int64)).backward()
    return counter.get_total_flops() / len(images)


def of_model(name: str, parameters: Mapping[str, Any], shape: tuple[int, int, int], class_count: int = 10) -> float:
    """``flops`` of the named network on images of ``shape`` (c, H, W)."""
    channels, height, width = shape
    network = factory.build(name, parameters, channels, (height, width), class_count)
    return flops(network, torch.zeros(2, *shape))


def of_training(
    name: str, parameters: Mapping[str, Any], shape: tuple[int, int, int], recipe: Recipe, labels: int
) -> float:
    """The operations of a supervised training by ``recipe`` on ``labels`` images of ``shape`` (c, H, W)."""
    steps, (channels, height, width) = recipe.steps(labels), shape
    halved = recipe.half_size_steps(steps)
    whole = (steps - halved) * of_model(name, parameters, shape)
    half = halved * of_model(name, parameters, (channels, height // 2, width // 2)) if halved else 0.0
    return recipe.batch_size * (whole + half)
