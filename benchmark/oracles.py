"""Who answers when a strategy buys labels."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Oracle(Protocol):
    """Anything that turns dataset indices (n,) into labels (n,), int64, on the CPU."""

    def answer(self, indices: Tensor) -> Tensor: ...


class SimulatedOracle:
    """The dataset's own labels (N,), each wrong with probability ``noise``.

    A wrong answer is one of the other classes, uniformly. Which images get which wrong answer is fixed by
    ``generator`` beforehand: asking in another order, or twice, changes nothing.
    """

    def __init__(self, labels: Tensor, class_count: int, noise: float, generator: torch.Generator) -> None:
        self._labels = labels.cpu().clone()
        if noise > 0:
            wrong = torch.rand(len(labels), generator=generator) < noise
            shift = torch.randint(1, class_count, (len(labels),), generator=generator)
            self._labels[wrong] = (self._labels + shift)[wrong] % class_count

    def answer(self, indices: Tensor) -> Tensor:
        return self._labels[indices.cpu()]
