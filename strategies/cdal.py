"""CDAL-CS: greedy k-center on the predictions, by their symmetric Kullback–Leibler divergence.

As core-set, always selects argmax_i min_j d(p_i, p_j) over all j labelled or already chosen, but between predictions p
instead of embeddings, with

    d(p, q) = ½ KL(p‖q) + ½ KL(q‖p) = ½ Σ_c (p_c − q_c)(log p_c − log q_c).

Probabilities are clipped at 1e-8. Written out, d(p, q) = ½ (Σ p log p + Σ q log q − Σ p log q − Σ q log p): many
divergences are one matrix product of the rows (p, log p) and (log q, q), here in float64, which leaves the
cancelling sum exact to about 1e-14.

Agarwal, Arora, Anand & Arora, *Contextual Diversity for Active Learning*, ECCV 2020, arXiv 2008.05723: its core-set
variant (the other one learns a policy by reinforcement), for one prediction an image. Reference implementation:
github.com/sharat29ag/CDAL. Theirs draws the first image of each batch at random; ours is the greedy from the start,
and without labelled images begins with the prediction farthest from the mean one.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register

_CLIP = 1e-8
_ROUNDING = 1e-12  # divergences below this are rounding errors
_BLOCK = 2**20  # divergences kept at once


@register("cdal", group="diversity", paper="agarwal2020", version=1)
class CDAL(Strategy):
    """Greedy k-center on the predictions: the largest symmetric KL divergence from all labelled and chosen ones."""

    cost = "O((L + n) N C)"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "Needs no embeddings of the pool and stays cheap with few classes. It was proposed for segmentation and "
        "detection, where an image has many predictions; with one an image, confident images of one class look alike."
    )

    departures: ClassVar = (
        Departure(
            "first pick",
            "the paper's algorithm is greedy from the first pick on; a random one would add noise to no purpose",
            "a random image in every batch, in the authors' code",
            "the farthest from all labelled ones, as all others",
        ),
        Departure(
            "predictions",
            "an image of a classification task has one; their code for images with one is not public",
            "the mean over the classes of the divergences between class-wise mixtures of an image's many predictions",
            "the divergence between two images' predictions, clipped at 1e-8",
        ),
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        labelled = pool.head(pool.labelled_embeddings).detach().softmax(dim=1)
        return divergence_k_center(pool.probs, n, labelled)


class Predictions(NamedTuple):
    """M clipped predictions: rows (p, log p), rows (log p, p), each (M, 2 C), and Σ p log p, (M,); all float64."""

    plain: Tensor
    swapped: Tensor
    negative_entropies: Tensor

    @classmethod
    def of(cls, probs: Tensor) -> Predictions:
        """Raises ValueError for probabilities (M, C) that are not finite."""
        if not probs.isfinite().all():
            raise ValueError("probabilities contain NaN or infinity: the model's outputs are not finite")
        clipped = probs.double().clamp(min=_CLIP)
        logs = clipped.log()
        return cls(torch.cat([clipped, logs], 1), torch.cat([logs, clipped], 1), (clipped * logs).sum(dim=1))

    def at(self, rows: Tensor | slice) -> Predictions:
        return Predictions(*(part[rows] for part in self))


def symmetric_divergences(x: Predictions, y: Predictions) -> Tensor:
    """½ KL(x_i‖y_j) + ½ KL(y_j‖x_i), (N, M), in nats."""
    sums = x.negative_entropies[:, None] + y.negative_entropies
    divergences = torch.addmm(sums, x.plain, y.swapped.T, beta=0.5, alpha=-0.5)
    return divergences.masked_fill_(divergences < _ROUNDING, 0)


def divergence_k_center(probs: Tensor, n: int, centres: Tensor) -> Tensor:
    """``n`` distinct positions among ``probs`` (N, C), in the order of picking; ``centres`` (L, C) are there already.

    The smaller position wins ties. Time O((L + n) N C), memory O(N C).
    """
    x = Predictions.of(probs)
    nearest = torch.full_like(x.negative_entropies, torch.inf)
    if len(centres):
        _lower(nearest, x, Predictions.of(centres))
        pick = nearest.argmax()
    else:
        mean = Predictions.of(probs.double().mean(dim=0, keepdim=True))
        pick = symmetric_divergences(x, mean).squeeze(1).argmax()
    picks = [pick]
    while len(picks) < n:
        _lower(nearest, x, x.at(pick.view(1)))
        nearest[pick] = -torch.inf  # never again, not even among duplicates
        pick = nearest.argmax()
        picks.append(pick)
    return torch.stack(picks)


def _lower(nearest: Tensor, x: Predictions, y: Predictions) -> None:
    """nearest_i ← min(nearest_i, min_j d(x_i, y_j)), in place."""
    step = max(1, _BLOCK // len(y.plain))
    for start in range(0, len(nearest), step):
        rows = slice(start, start + step)
        closest = symmetric_divergences(x.at(rows), y).amin(dim=1)
        torch.minimum(nearest[rows], closest, out=nearest[rows])
