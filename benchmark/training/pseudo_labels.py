"""What pseudo-labels a training gives to which images, epoch by epoch, for a judge to compare with the true ones.

A learner writes; whoever knows the true labels reads, once the training is over. So nothing comes back to the learner
that it did not know: it is never told how many of its pseudo-labels are right.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NONE = -1

Epoch = tuple[int, Tensor, Tensor]  # steps done; labels (N,) int16, NONE for an image not seen; weights (N,) float32


class Given:
    """The last pseudo-label of each of N unlabelled images in an epoch, and its weight; on ``device`` until it ends."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.epochs: list[Epoch] = []
        self._labels = torch.full((count,), NONE, dtype=torch.int16, device=device)
        self._weights = torch.zeros(count, device=device)

    def add(self, positions: Tensor, labels: Tensor, weights: Tensor) -> None:
        """Labels (B,) and weights (B,) of the images at ``positions`` (B,) among the unlabelled ones.

        Of an image that is twice among them the later one holds, on any device.
        """
        order = torch.arange(len(positions), device=positions.device)
        latest = torch.full(self._labels.shape, -1, device=positions.device)
        latest.scatter_reduce_(0, positions, order, "amax")
        seen, which = latest >= 0, latest.clamp(min=0)
        self._labels = torch.where(seen, labels.to(torch.int16)[which], self._labels)
        self._weights = torch.where(seen, weights.float()[which], self._weights)

    def end_epoch(self, done: int) -> None:
        """Note what was given up to step ``done``, and begin anew."""
        self.epochs.append((done, self._labels.cpu(), self._weights.cpu()))
        self._labels, self._weights = torch.full_like(self._labels, NONE), torch.zeros_like(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": list(self.epochs), "labels": self._labels, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])
        self._labels, self._weights = (state[key].to(self._labels.device) for key in ("labels", "weights"))
