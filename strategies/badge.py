"""BADGE: batch active learning by diverse gradient embeddings.

The gradient embedding of an image is the gradient of its cross-entropy with respect to the weights of the
last linear layer, as if its predicted class ŷ = argmax p were its label:

    g = (p − e_ŷ) ⊗ h,    h the embedding,

long where the model is unsure, and alike for images that would teach it the same. The batch is a k-means++
seeding on g: the longest first, then each next image ∝ D², its squared distance to the nearest one chosen.

g has C·D entries and is never formed: with a = p − e_ŷ

    ‖g_i − g_j‖² = ‖a_i‖²‖h_i‖² + ‖a_j‖²‖h_j‖² − 2 ⟨a_i, a_j⟩⟨h_i, h_j⟩.

Ash, Zhang, Krishnamurthy, Langford & Agarwal, *Deep Batch Active Learning by Diverse, Uncertain Gradient
Lower Bounds*, ICLR 2020, arXiv 1906.03671. Reference implementation: github.com/JordanAsh/badge.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api.base import Pool, Strategy
from strategies.kernels.distances import Points
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus
from strategies.registry import register


@register("badge", group=("core", "hybrid"), paper="ash2020")
class Badge(Strategy):
    """k-means++ seeding on the gradient embeddings (p − e_ŷ) ⊗ h, the longest first."""

    cost = "O(n N (C + D))"
    remarks = (
        "Weighs uncertainty against diversity without a parameter; in its paper as good as the best of the others, or "
        "better, for all batch sizes and networks."
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        points = gradient_embeddings(pool.probs, pool.embeddings)
        return kmeans_plus_plus(points, n, generator, first=int(points.squared_norms.argmax()))


def gradient_embeddings(probs: Tensor, embeddings: Tensor) -> Points:
    """(p − e_ŷ) ⊗ h for ``probs`` (N, C) and ``embeddings`` (N, D), as N points of two factors."""
    errors = probs.to(torch.promote_types(probs.dtype, torch.float32), copy=True)
    predicted = probs.argmax(dim=1, keepdim=True)
    # p_ŷ − 1 is minus the sum of the others, which keeps the digits that a p_ŷ close to 1 has lost.
    errors.scatter_(1, predicted, 0)
    errors.scatter_(1, predicted, -errors.sum(dim=1, keepdim=True))
    return Points.of(errors, embeddings)
