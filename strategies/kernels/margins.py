"""The margin between the two most probable classes, as an uncertainty."""

from __future__ import annotations

import torch
from torch import Tensor

_FEW = 64  # classes


def margin_uncertainty(probs: Tensor) -> Tensor:
    """1 − (p_(1) − p_(2)), (N,), for ``probs`` (N, C)."""
    if probs.shape[1] > _FEW:
        first, second = probs.topk(2, dim=1).values.unbind(dim=1)
        return 1 - (first - second)
    one, two, *others = probs.T.contiguous()  # a few long rows: several times as fast as topk of many short ones
    first, second = torch.maximum(one, two), torch.minimum(one, two)
    for other in others:
        second = torch.maximum(second, torch.minimum(first, other))
        first = torch.maximum(first, other)
    return 1 - (first - second)


def tempered_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """softmax(``logits`` / ``temperature``), (N, C), in float32 or more. Raises ValueError for NaN."""
    probs = (logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature).softmax(dim=1)
    if probs.isnan().any():
        raise ValueError("logits contain NaN: the model's outputs are not finite")
    return probs
