"""Which pseudo-labels a training gave to which images, epoch by epoch, to be compared with the true ones later.

A learner writes; whoever knows the true labels reads once the training is over. So nothing comes back to the learner
that it did not know: it is never told how many of its pseudo-labels are right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

NONE = -1


class EpochPseudoLabels(NamedTuple):
    """The pseudo-labels of one epoch, which ended after ``step`` steps, of N unlabelled images; on the CPU.

    ``labels`` (N,) int16 has NONE for an image that got no pseudo-label in this epoch; ``weights`` (N,) float32 are
    their weights in the loss.
    """

    step: int
    labels: Tensor
    weights: Tensor


class PseudoLabelLog:
    """The last pseudo-label of each of N unlabelled images in an epoch, and its weight; a part of a saved state.

    They stay on ``device`` until the epoch ends, so that a step does not wait for it.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self.epochs: list[EpochPseudoLabels] = []
        self._labels = torch.full((count,), NONE, dtype=torch.int16, device=device)
        self._weights = torch.zeros(count, device=device)

    def add(self, positions: Tensor, labels: Tensor, weights: Tensor) -> None:
        """Note ``labels`` (B,) and ``weights`` (B,) of the images at ``positions`` (B,) among the unlabelled ones.

        Where a position occurs twice, the later label holds, on any device.
        """
        order = torch.arange(len(positions), device=positions.device)
        latest = torch.full(self._labels.shape, -1, device=positions.device)
        latest.scatter_reduce_(0, positions, order, "amax")
        seen, which = latest >= 0, latest.clamp(min=0)
        self._labels = torch.where(seen, labels.to(torch.int16)[which], self._labels)
        self._weights = torch.where(seen, weights.float()[which], self._weights)

    def end_epoch(self, step: int) -> None:
        """Close the epoch that ends after ``step`` steps."""
        self.epochs.append(EpochPseudoLabels(step, self._labels.cpu(), self._weights.cpu()))
        self._labels, self._weights = torch.full_like(self._labels, NONE), torch.zeros_like(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [tuple(epoch) for epoch in self.epochs], "labels": self._labels, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = [EpochPseudoLabels(*epoch) for epoch in state["epochs"]]
        self._labels, self._weights = (state[key].to(self._labels.device) for key in ("labels", "weights"))
