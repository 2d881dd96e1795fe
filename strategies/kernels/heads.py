"""Outputs of many last layers on the same images.

A head is (C, D + 1), the biases last. Shapes: N images, P heads, C classes, D embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 2**22  # logits at once


def logits_by_part(embeddings: Tensor, heads: Tensor) -> Iterator[Tensor]:
    """The logits (n, P, C) of ``heads`` (P, C, D + 1) on ``embeddings`` (N, D), n images at a time, in their order."""
    weights = heads[:, :, :-1].flatten(0, 1).T
    biases = heads[:, :, -1].flatten()
    dtype = torch.promote_types(embeddings.dtype, weights.dtype)
    for part in embeddings.split(max(1, _BLOCK // weights.shape[1])):
        yield torch.addmm(biases.to(dtype), part.to(dtype), weights.to(dtype)).view(len(part), *heads.shape[:2])


def probabilities(embeddings: Tensor, heads: Tensor) -> Tensor:
    """The probabilities (N, P, C) of ``heads`` (P, C, D + 1) on ``embeddings`` (N, D)."""
    return torch.cat([part.softmax(dim=2) for part in logits_by_part(embeddings, heads)])
