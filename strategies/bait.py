"""BAIT: batch active learning by the Fisher information of the last layer.

The batch S minimises the expected error of the maximum-likelihood fit to second order, by the Fisher information
F(x) = (diag p − p pᵀ) ⊗ h hᵀ of the last layer's weights over the labels that the model expects:

    S = argmin tr((λ I + Σ_{x ∈ L ∪ S} F(x))⁻¹ F̄),    F̄ the mean of F over all images,

greedily: 2 B images are added, then B of them taken out. As in the authors' code the labelled images count as
|L| / (|L| + B) of their mean and each selected one as B / (|L| + B).

Ours, to make it affordable: the embeddings are projected onto their first principal directions about the origin
(the Fisher information has h hᵀ, not deviations from a mean; with ``dimensions`` ≥ D it is unchanged), and the
batch comes from a random part of the pool, whereas F̄ is over all of it.

Ash, Goel, Krishnamurthy & Kakade, *Gone Fishing: Neural Active Learning with Fisher Embeddings*, NeurIPS 2021,
arXiv 2106.09675. Reference implementation: github.com/JordanAsh/badge.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.kernels.distances import Points
from strategies.kernels.fisher import fisher_information, greedy_design


@register("bait", group="hybrid", paper="ash2021", version=1)
class Bait(Strategy):
    """The batch that minimises tr(M⁻¹ F̄), M its Fisher information and F̄ the pool's: greedy, forward and backward.

    ``regularisation`` is λ, ``dimensions`` the principal directions kept of the embeddings (0: all), ``candidates`` how
    many images, drawn at random, the batch is chosen from (n, if that is more; 0: all). The authors' code has λ = 1,
    and 0.01 on data sets whose name has CIFAR in it: the preset ``authors-cifar``.
    """

    max_batch = 200
    cost = "O(N D² + N (C d)² + n m d C²), d = 64 dimensions, m = 5,000 candidates"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "Minimises a criterion of optimal design instead of weighing uncertainty against diversity by a rule. "
        "On 64 principal directions and 5,000 candidates it approximates the published method, whose cost is out of "
        "reach for large pools; memory and time still grow with the square of the number of classes, and more."
    )

    presets: ClassVar = {
        "authors": {"regularisation": 1.0, "dimensions": 0, "candidates": 0},
        "authors-cifar": {"regularisation": 0.01, "dimensions": 0, "candidates": 0},
    }
    departures: ClassVar = (
        Departure(
            "λ on CIFAR",
            "a strategy does not see the data set's name; `bait[regularisation=0.01]` has it",
            "0.01, which shares few picks with 1",
            "1, as on all other data sets; where a model is sure of the labelled images, their information is far less",
        ),
        Departure("dimensions", "0 is all; the Fisher information has (C d)² entries for d of them, and is inverted"),
        Departure("candidates", "0 is all; the cost grows with their number"),
    )

    def __init__(self, regularisation: float = 1.0, dimensions: int = 64, candidates: int = 5_000) -> None:
        if not regularisation > 0:
            raise ValueError(f"regularisation must be positive, not {regularisation}")
        for name, value in (("dimensions", dimensions), ("candidates", candidates)):
            if value < 0:
                raise ValueError(f"{name} must be at least 1, or 0 for all, not {value}")
        self.regularisation = regularisation
        self.dimensions = dimensions
        self.candidates = candidates

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        logits, embeddings = Points.of(pool.logits, pool.embeddings).factors
        known = pool.labelled_embeddings
        known_logits = pool.head(known).detach()
        known = Points.of(known).factors[0]
        basis = principal_directions(torch.cat([embeddings, known]), self.dimensions or embeddings.shape[1])
        probs, rows = logits.double().softmax(dim=1), embeddings.double() @ basis
        of_known = fisher_information(known_logits.double().softmax(dim=1), known.double() @ basis)
        target = (fisher_information(probs, rows) + of_known) / (len(rows) + len(known))

        chosen = torch.randperm(len(rows), generator=generator)[: max(n, self.candidates or len(rows))]
        chosen = chosen.sort().values.to(rows.device)
        weight = len(known) + n
        start = of_known / weight
        start.diagonal().add_(self.regularisation)
        return chosen[greedy_design(start, target, probs[chosen], rows[chosen] * (n / weight) ** 0.5, n)]


def principal_directions(points: Tensor, count: int) -> Tensor:
    """The ``count`` leading eigenvectors of Σ_i x_i x_iᵀ for ``points`` (N, D), as columns (D, count), float64.

    All D directions unchanged, the identity, where D ≤ ``count``.
    """
    width = points.shape[1]
    if width <= count:
        return torch.eye(width, dtype=torch.float64, device=points.device)
    return torch.linalg.eigh((points.T @ points).double()).eigenvectors[:, -count:]
