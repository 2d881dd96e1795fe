"""CoreMSE: the image whose label would change the predictions most, by the Brier score.

From the family BEMPS (Bayesian estimate of mean proper scores). With the posterior of the dropout masks
w_k = p^k_y(x) / Σ_l p^l_y(x) after the answer y, and the prediction p̂ = Σ_k w_k p^k(x') that follows from it,

    s(x, x') = Σ_y p̄_y(x) (1/K) Σ_k ‖p^k(x') − p̂‖²
             = (1/K) Σ_k ‖p^k(x') − p̄(x')‖² + Σ_y p̄_y(x) ‖p̄(x') − p̂‖²,

and an image's score is the mean of s over estimation images x'. The first term is the same for every x. The second
is a product of two Gram matrices of the K masks: with d_k = p^k(x') − p̄(x') and u_k = p^k(x) − p̄(x),

    Σ_y p̄_y(x) ‖p̄(x') − p̂‖² = (1/K) ⟨ Σ_y u_y u_yᵀ / Σ_k p^k_y(x),  (⟨d_k, d_l⟩)_kl ⟩,

so all pairs cost one matrix product of width K², and no C² classes.

A batch of n > 1: the rows s(x, ·) of the share ``top_share`` of the pool with the highest scores (at least n),
scaled to length one, are clustered into n by k-means, and the nearest to each centre is selected.

K masks overestimate the change. What is left of it where x and x' are given different masks, which tell nothing of each
other, is bias.

Tan, Du & Buntine, *Diversity Enhanced Active Learning with Strictly Proper Scoring Rules*, NeurIPS 2021, arXiv
2110.14171. Reference implementation: github.com/davidtw999/BEMPS. There the estimation images are drawn at random
(ours: evenly spaced in the order of the data set) and a member that two centres share is replaced by a random image
(ours: by the next nearest).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Pool, ScoreStrategy, register, top
from strategies.components.common_departures import K_MEANS
from strategies.components.monte_carlo import MonteCarlo
from strategies.kernels.clusters import kmeans, nearest_to_centres
from strategies.kernels.mixtures import evenly_spaced

_BLOCK = 1024  # images whose Gram matrices are kept at once


@register("coremse", group="bayesian", paper="tan2021", version=2)
class CoreMSE(MonteCarlo, ScoreStrategy):
    """Expected change of the predictions in squared error; a batch by k-means over what would change.

    ``targets`` is the number of estimation images, ``top_share`` the share of the pool that is clustered.
    """

    cost = "K forward passes, O(N M K²) for M estimation images, and k-means on N/2 points of M dimensions"
    remarks = (
        "Proposed and evaluated for text classification. What all images share is most of a row where the model is "
        "sure, and the higher a score the farther is its row from the others: the centres of the clusters, and the "
        "images nearest to them, then lie among the lower scores of the share that is clustered. With few masks most "
        "of a score is bias: 20 are too few on MNIST, and 100 draws of a solved head's posterior."
    )
    takes_top_scores = False

    presets: ClassVar = {"authors": {"top_share": 0.5}}
    departures: ClassVar = (
        Departure(
            "samples",
            "an ensemble is five trainings a round; the cost grows with K²",
            "an ensemble of five networks",
            "100 dropout masks of one network, or draws of a solved head's posterior",
        ),
        Departure(
            "targets",
            "9.39 % of 50,000 images are 4,695, in N M K² operations a query",
            "9.39 % of the pool, drawn at random",
            "500 images, evenly spaced in the order of the pool",
        ),
        K_MEANS,
    )

    def __init__(self, samples: int = 100, targets: int = 500, top_share: float = 0.5) -> None:
        super().__init__(samples)
        if targets < 1:
            raise ValueError(f"targets must be at least 1, not {targets}")
        if not 0 < top_share <= 1:
            raise ValueError(f"top_share must be above 0 and at most 1, not {top_share}")
        self.targets = targets
        self.top_share = top_share

    def score(self, pool: Pool) -> Tensor:
        changes, spreads = self._changes(pool)
        return changes.mean(dim=1) + spreads.mean()

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        changes, spreads = self._changes(pool)
        picks = self._picks(pool, n, generator, changes, spreads)
        probs = pool.mc_probs(self.samples)
        chance, _ = expected_changes(probs[picks], self._targets(pool, probs).roll(1, dims=1))
        known, bias = torch.stack([changes[picks].mean(), chance.mean()]).tolist()  # one wait of the host
        if known > 0:
            pool.note(bias=bias / known)
        return picks

    def _picks(self, pool: Pool, n: int, generator: torch.Generator, changes: Tensor, spreads: Tensor) -> Tensor:
        scores = changes.mean(dim=1)  # without the common term, which would cost digits
        if n == 1:
            return top(scores, 1)
        kept = top(scores, max(n, round(self.top_share * len(scores))))
        kept = kept[pool.indices[kept].argsort()]  # the clusters do not depend on the order of the pool
        rows = F.normalize(changes[kept].double() + spreads, dim=1)
        rows -= rows.mean(dim=0)  # the common term again: no distance changes, but float32 resolves them
        rows = rows.to(changes.dtype)
        _, centres = kmeans(rows, n, generator)
        picks = kept[nearest_to_centres(rows, centres)]
        return picks[top(scores[picks], n)]

    def _changes(self, pool: Pool) -> tuple[Tensor, Tensor]:
        probs = self.probs(pool)
        return expected_changes(probs, self._targets(pool, probs))

    def _targets(self, pool: Pool, probs: Tensor) -> Tensor:
        return probs[evenly_spaced(pool.indices, self.targets)]


def expected_changes(probs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_y p̄_y ‖p̄(x') − p̂‖², (N, M), and (1/K) Σ_k ‖p^k(x') − p̄(x')‖², (M,).

    For ``probs`` (N, K, C) and ``targets`` (M, K, C) under the same K masks. Memory O(N M).
    """
    masks = probs.shape[1]
    deviations = targets - targets.mean(dim=1, keepdim=True)
    one, other = torch.triu_indices(masks, masks, device=probs.device)  # Gram matrices are symmetric
    pairs, counts = masks * one + other, torch.where(one == other, 1.0, 2.0).to(probs)
    grams = (deviations @ deviations.mT).flatten(1)[:, pairs] * (counts / masks)
    changes = probs.new_empty(len(probs), len(targets))
    for part, rows in zip(probs.split(_BLOCK), changes.split(_BLOCK), strict=True):
        sums = part.sum(dim=1, keepdim=True)
        scaled = (part - part.mean(dim=1, keepdim=True)) / sums.clamp_min(torch.finfo(sums.dtype).tiny).sqrt()
        torch.mm((scaled @ scaled.mT).flatten(1).index_select(1, pairs), grams.T, out=rows)
    return changes, deviations.square().sum(dim=(1, 2)).div(masks)
