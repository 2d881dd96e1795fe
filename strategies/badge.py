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

from strategies.api import Passes, Pool, Strategy, register
from strategies.kernels.gradients import gradient_embeddings
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus


@register("badge", group=("core", "hybrid"), paper="ash2020", version=1)
class Badge(Strategy):
    """k-means++ seeding on the gradient embeddings (p − e_ŷ) ⊗ h, the longest first."""

    cost = "O(n N (C + D))"
    forward_passes = Passes(pool=1)
    remarks = (
        "Weighs uncertainty against diversity without a parameter; in its paper as good as the best of the others, or "
        "better, for all batch sizes and networks."
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        points = gradient_embeddings(pool.probs, pool.embeddings)
        return kmeans_plus_plus(points, n, generator, first=int(points.squared_norms.argmax()))
