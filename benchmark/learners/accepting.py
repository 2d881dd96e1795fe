"""Which pseudo-labels of a whole unlabelled pool are accepted: the confident ones, evenly over the classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def capped(probs: Tensor, threshold: float, balance: float) -> Tensor:
    """Positions (P,) of the rows of ``probs`` (N, C) whose confidence max p reaches ``threshold``.

    No class has more than ``balance`` times the mean number over the classes, rounded up: the most confident of each.
    """
    classes = _confident(probs, threshold)
    cap = math.ceil(balance * sum(map(len, classes)) / len(classes))
    return torch.cat([own[:cap] for own in classes])


def levelled(probs: Tensor, threshold: float, per_class: int) -> Tensor:
    """Positions (P,) of confident rows as above, exactly ``per_class`` of every class that has any.

    The most confident ones; where there are fewer, each comes again and again, the most confident ones once more.
    """
    turn = torch.arange(per_class, device=probs.device)
    return torch.cat([own[turn % len(own)] if len(own) else own for own in _confident(probs, threshold)])


def _confident(probs: Tensor, threshold: float) -> list[Tensor]:
    """The positions of confident rows of every predicted class, the most confident first, C tensors."""
    confidence, predicted = probs.max(1)
    order = confidence.argsort(descending=True, stable=True)
    order = order[confidence[order] >= threshold]
    return [order[predicted[order] == label] for label in range(probs.shape[1])]
