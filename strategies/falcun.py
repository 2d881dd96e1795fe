"""FALCUN: fast active learning by contrastive uncertainty.

Uncertainty and diversity both live in the predictions p. With the uncertainty u = 1 − (p_(1) − p_(2)) and the distance
d, which starts as u, images are drawn one after the other with probability ∝ (u + d)^γ. After each draw q

    d ← min(d, ‖p − p_q‖₁),  d ← (d − min d) / (max d − min d),

the extremes taken over all images, the drawn ones included.

Gilhuber, Beer, Ma & Seidl, *FALCUN: A Simple and Efficient Deep Active Learning Strategy*, ECML PKDD 2024. This is the
form of scikit-activeml, in which the rescaled d is carried on; the authors' code (github.com/sobermeier/falcun) carries
the plain one, and rescales it for each draw among the images not yet drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Pool, Strategy, register
from strategies.kernels.kmeans_plus_plus import proportionally
from strategies.kernels.margins import margin_uncertainty


@register("falcun", group="hybrid", paper="gilhuber2024", version=1)
class FALCUN(Strategy):
    """Draws ∝ (u + d)^γ: the margin uncertainty u plus the distance d of the prediction from those drawn before.

    ``gamma`` γ: 0 draws uniformly, the larger the nearer to always taking the maximum.
    """

    cost = "O(n N C)"
    remarks = "Reads nothing but the predictions, so that its cost does not grow with the embedding."

    def __init__(self, gamma: float = 10.0) -> None:
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0, not {gamma}")
        self.gamma = gamma

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        probs = pool.probs.to(torch.promote_types(pool.probs.dtype, torch.float32))
        uncertainty = margin_uncertainty(pool.probs).to(probs.dtype)
        if uncertainty.isnan().any():
            raise ValueError("probabilities contain NaN: the model's outputs are not finite")
        distance = uncertainty
        free = torch.ones_like(uncertainty, dtype=torch.bool)
        picks: list[Tensor] = []
        while len(picks) < n:
            if picks:
                distance = updated(distance, probs, picks[-1])
            weights = relevance(uncertainty, distance, free, self.gamma)
            picks.append(proportionally(weights, 1, generator))
            free[picks[-1]] = False
        return torch.cat(picks)


def updated(distance: Tensor, probs: Tensor, pick: Tensor) -> Tensor:
    """The distances (N,) once the image at ``pick`` (1,) of ``probs`` (N, C) has been drawn, in [0, 1]."""
    distance = torch.minimum(distance, torch.cdist(probs, probs[pick], p=1).squeeze(1))
    distance = distance - distance.min()
    largest = distance.max()
    return torch.where(largest > 0, distance / largest, distance)


def relevance(uncertainty: Tensor, distance: Tensor, free: Tensor, gamma: float) -> Tensor:
    """What the next image is drawn in proportion to, (N,), float64: 0 unless ``free``, and not 0 for all that are."""
    sums = (uncertainty + distance).double() * free
    weights = (sums / sums.max().clamp(min=torch.finfo(sums.dtype).tiny)).pow(gamma) * free
    return torch.where(weights.any(), weights, free.double())
