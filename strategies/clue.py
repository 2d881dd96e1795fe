"""CLUE: clustering uncertainty-weighted embeddings.

k-means with n clusters on the embeddings, in which each image counts by the entropy of its prediction,
H(softmax(logits / T)): the centres are drawn to where the model is unsure, and the image nearest to each is selected.

Prabhu, Chandrasekaran, Saenko & Hoffman, *Active Domain Adaptation via Clustering Uncertainty-weighted Embeddings*,
ICCV 2021, arXiv 2010.08666. Reference implementation: github.com/virajprabhu/CLUE. Ours: mini-batch k-means beyond 50
clusters, one seeding instead of the best of ten, and centres that share their nearest image take the next
nearest in turn.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy, register
from strategies.components.common_departures import K_MEANS
from strategies.kernels.clusters import kmeans, nearest_to_centres


@register("clue", group="hybrid", paper="prabhu2021", version=1)
class CLUE(Strategy):
    """k-means on the embeddings weighted by predictive entropy; the image nearest to each centre.

    ``temperature`` T divides the logits before the entropy is taken: below 1, only the most unsure images count. The
    authors have T = 1 on digits and 0.1 on DomainNet: the preset ``authors-domainnet``.
    """

    cost = "O(n N D)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Proposed for active domain adaptation, where the pool comes from another distribution than the first labels. "
        "Its authors' code notes that temperatures of 0.1 to 0.5 may do better than its default of 1, ours too. It "
        "does not look at the labelled images: of embeddings that never change, its centres move little between rounds."
    )

    presets: ClassVar = {"authors": {"temperature": 1.0}, "authors-domainnet": {"temperature": 0.1}}
    departures: ClassVar = (K_MEANS,)

    def __init__(self, temperature: float = 1.0) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        probs = (pool.logits.float() / self.temperature).softmax(dim=1)
        entropy = torch.special.entr(probs).sum(dim=1)
        if entropy.isnan().any():
            raise ValueError("logits contain NaN: the model's outputs are not finite")
        _, centres = kmeans(pool.embeddings, n, generator, weights=entropy)
        return nearest_to_centres(pool.embeddings, centres)
