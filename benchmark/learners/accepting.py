"""Which pseudo-labels of a whole unlabelled pool a learner accepts: the confident ones, balanced over the classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def capped(probs: Tensor, threshold: float, balance: float) -> Tensor:
    """Positions (P,) of the rows of ``probs`` (N, C) whose confidence max p is at least ``threshold``.

    Of each predicted class only the most confident rows, at most ``balance`` times the mean number over the classes,
    rounded up.
    """
    classes = _confident(probs, threshold)
    cap = math.ceil(balance * sum(map(len, classes)) / len(classes))
    return torch.cat([own[:cap] for own in classes])


def levelled(probs: Tensor, threshold: float, per_class: int) -> Tensor:
    """Positions (P,) of confident rows as in ``capped``, exactly ``per_class`` of every class that has any.

    The most confident ones; a class with fewer repeats its own, in the order of their confidence.
    """
    turn = torch.arange(per_class, device=probs.device)
    return torch.cat([own[turn % len(own)] if len(own) else own for own in _confident(probs, threshold)])


def _confident(probs: Tensor, threshold: float) -> list[Tensor]:
    """The positions of the confident rows of each predicted class, most confident first: C tensors."""
    confidence, predicted = probs.max(1)
    order = confidence.argsort(descending=True, stable=True)
    order = order[confidence[order] >= threshold]
    return [order[predicted[order] == label] for label in range(probs.shape[1])]
