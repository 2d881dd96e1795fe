"""Gradient embeddings: the gradient of an image's loss with respect to the last layer's weights.

The gradient of the cross-entropy with respect to the weights of the last linear layer, as if the predicted class ŷ
were the label, is g = (p − e_ŷ) ⊗ h with h the embedding. It has C·D entries and is kept as its two factors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.kernels.distances import Points


def gradient_embeddings(probs: Tensor, embeddings: Tensor) -> Points:
    """(p − e_ŷ) ⊗ h for ``probs`` (N, C) and ``embeddings`` (N, D), as N points of two factors."""
    errors = probs.to(torch.promote_types(probs.dtype, torch.float32), copy=True)
    predicted = probs.argmax(dim=1, keepdim=True)
    # p_ŷ − 1 is minus the sum of the others, which keeps the digits that a p_ŷ close to 1 has lost.
    errors.scatter_(1, predicted, 0)
    errors.scatter_(1, predicted, -errors.sum(dim=1, keepdim=True))
    return Points.of(errors, embeddings)
