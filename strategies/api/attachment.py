"""Attachments: modules that a strategy trains along with the network, and what they read in a training step.

Shapes: B images in a mini-batch, C classes, D embedding dimensions, S stages of the network.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Output(NamedTuple):
    """One forward pass: logits (B, C), embedding (B, D) and the S stage features, each (B, c_s, h_s, w_s).

    The stages always end with the embedding that the classifier sees: the mean of the last one over its positions is
    the embedding. Where no feature map of the network has that mean, the embedding itself follows as a 1×1 map.
    """

    logits: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]


class Step(NamedTuple):
    """A labelled mini-batch of a training step, as the attachment's loss sees it.

    ``losses`` (B,) is the task loss of each sample, still attached to the graph; ``progress`` in [0, 1) is the share
    of the training's steps already taken.
    """

    logits: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]
    targets: Tensor
    losses: Tensor
    progress: float


class Attachment(nn.Module):
    """A module trained along with the network, on the network's features.

    ``learning_rate_scale`` multiplies the recipe's learning rate for the module's own parameters.
    """

    learning_rate_scale: float = 1.0

    def forward(self, output: Output | Step) -> Tensor:
        """One number per image, (B,)."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        """A scalar, added to the learner's loss on the labelled batch."""
        raise NotImplementedError
