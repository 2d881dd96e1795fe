"""The margin between the two most probable classes, as an uncertainty."""

from __future__ import annotations

import torch
from torch import Tensor


def margin_uncertainty(probs: Tensor) -> Tensor:
    """1 − (p_(1) − p_(2)), (N,), for ``probs`` (N, C)."""
    first, second = probs.topk(2, dim=1).values.unbind(dim=1)
    return 1 - (first - second)


def tempered_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """softmax(``logits`` / ``temperature``), (N, C), in float32 or more. Raises ValueError for NaN."""
    probs = (logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature).softmax(dim=1)
    if probs.isnan().any():
        raise ValueError("logits contain NaN: the model's outputs are not finite")
    return probs
