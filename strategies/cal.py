"""Contrastive active learning (CAL): images predicted unlike the labelled images nearest to them.

For each unlabelled image the k labelled images nearest to it are found, by Euclidean distance between embeddings of
length 1. Its score is the mean over these neighbours j of

    KL(p_j ‖ p) = Σ_c p_jc (log p_jc − log p_c)

with p the model's prediction on the image and p_j that on the neighbour: what the model says of the neighbour stands
first, as a target, whatever the neighbour's label. The n highest scores are selected.

Margatina, Vernikos, Barrault & Aletras, *Active Learning by Acquiring Contrastive Examples*, EMNLP 2021,
arXiv 2109.03764. Reference implementation: github.com/mourga/contrastive-active-learning. Ours: with fewer than k
labelled images all of them are neighbours.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Passes, Pool, ScoreStrategy, register
from strategies.components.feature_space import unit_points
from strategies.kernels.nearest_neighbours import nearest_among

_BLOCK = 2**22  # probabilities of neighbours at once


@register("cal", group="hybrid", paper="margatina2021", version=1)
class CAL(ScoreStrategy):
    """Mean divergence KL(p_j ‖ p) of the prediction from those on the k nearest labelled images.

    ``neighbours`` is k.
    """

    cost = "O(N L D + N k C)"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "Proposed for text classification with BERT. Scores images near the decision boundary that labelled images of "
        "another prediction are close to; nothing keeps a batch from being alike. It takes for granted that the k "
        "nearest are mostly of the image's own class: with fewer than k labels a class they cannot be, the score is "
        "highest where the model is surest, and a batch has few classes."
    )
    presets: ClassVar = {"authors": {"neighbours": 10}}
    departures: ClassVar = (
        Departure(
            "few labels",
            "the initial labels may be fewer; the default k is kept, as it is the authors'",
            "1 % of the pool, hundreds of images a class, before the first query",
            "k = 10 however few labels a class has; with fewer than k labelled images all of them are neighbours",
        ),
    )

    def __init__(self, neighbours: int = 10) -> None:
        if neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, not {neighbours}")
        self.neighbours = neighbours

    def score(self, pool: Pool) -> Tensor:
        count = min(self.neighbours, len(pool.labels))
        if not count:
            raise ValueError("cal compares with labelled images, and there are none: draw the initial labels otherwise")
        near = nearest_among(unit_points(pool.embeddings), unit_points(pool.labelled_embeddings), count)
        predicted = _log_probs(pool.logits)
        known = _log_probs(pool.head(pool.labelled_embeddings).detach())
        rows = max(1, _BLOCK // (count * pool.class_count))
        parts = zip(near.split(rows), predicted.split(rows), strict=True)
        return torch.cat([_divergence(known[j], log_p[:, None]) for j, log_p in parts])


def _log_probs(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)


def _divergence(known: Tensor, predicted: Tensor) -> Tensor:
    """Mean KL(p_j ‖ p) in nats, (M,), from log p_j (M, k, C) and log p (M, 1, C)."""
    terms = F.kl_div(predicted.expand_as(known), known, reduction="none", log_target=True)
    return terms.sum(dim=2).mean(dim=1)
