"""ALFA-Mix: images whose predicted class changes when labelled features are mixed into theirs.

The anchor z̄_c is the mean embedding of the images labelled c (of all labelled ones, for a class that has none). An
embedding z is mixed with it as z' = (1 − α) ⊙ z + α ⊙ z̄_c, where α maximises the linearised loss
ℓ = CE(head(z'), argmax head(z)) over ‖α‖ ≤ ε:

    α = ε ‖z̄_c − z‖ / ‖∇ℓ‖ · ∇ℓ ⊘ (z̄_c − z),    ε = a / √D.

An image is a candidate if any of the C anchors changes its class. The cap a grows by ``step`` from ``step`` to 1 until
there are more than B candidates; the batch is nearest to the centres of a k-means on their normalised embeddings.
With B candidates or fewer all are selected, those that change first ahead, and the rest at random.

z̄_c and z agree wherever a ReLU is off for both, and there the α of the paper does not exist. The division is not
needed: the mixture is z' = z + ε ‖z̄_c − z‖ ∇ℓ / ‖∇ℓ‖ in the coordinates where z̄_c ≠ z, and z in the others, on
which mixing has no effect. That is ``form="normalised"``; ``form="elementwise"`` forms α with 1e-8 added to the
divisor, as the authors' code does, and differs where coordinates agree up to that.

Only the direction of ∇ℓ matters. It is that of Σ_{c ≠ ŷ} q_c (w_c − w_ŷ) with q the softmax among the classes other
than ŷ = argmax p, which is of ordinary size however close p_ŷ is to 1: p − e_ŷ itself has lost its digits, or is 0,
where the logits are far apart, and a confident image would never be a candidate.

z' is linear in ε and so are the logits. The smallest ε that changes the class is therefore known in closed form from
one pass over the pool, and every cap is a comparison with it.

Parvaneh, Abbasnejad, Teney, Haffari, van den Hengel & Shi, *Active Learning by Feature Mixing*, CVPR 2022,
arXiv 2203.07034. Reference implementation: github.com/AminParvaneh/alpha_mix_active_learning.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.components.common_departures import K_MEANS
from strategies.components.feature_space import filled_at_random
from strategies.kernels.clusters import kmeans, nearest_to_centres
from strategies.kernels.distances import Points

_GUARD = 1e-8  # what the element-wise form adds to its divisor
_BLOCK = 2**22  # entries of embeddings, or of pairs of classes, at once


@register("alfa-mix", group="hybrid", paper="parvaneh2022", version=2)
class AlfaMix(Strategy):
    """k-means among the images whose class changes when a labelled class's mean embedding is mixed in a little."""

    cost = "O(N C² D), and a k-means of the candidates"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "Made for small budgets; needs nothing but the last layer and its inputs. In the closed form an anchor acts "
        "by its distance and by the coordinates in which it differs, not by its direction."
    )

    presets: ClassVar = {"authors": {"form": "elementwise", "step": 0.2}}
    departures: ClassVar = (
        Departure("form", "the same mixture without a divisor that may be 0; α has no other use"),
        Departure(
            "α",
            "the closed form is the paper's equation and needs no optimiser; it has steps of its own, 0.2",
            "learned by five steps of Adam and a cap that grows by 0.03125, or in closed form",
            "in closed form",
        ),
        Departure(
            "gradient of confident images",
            "in float32 theirs loses −e_ŷ from a gap of 17 nats between the logits on, and is 0/0 from 104 on",
            "p − e_ŷ, as it is rounded",
            "weighted by the softmax among the other classes, which has the same direction",
        ),
        K_MEANS,
    )

    def __init__(self, form: Literal["normalised", "elementwise"] = "normalised", step: float = 0.2) -> None:
        if form not in ("normalised", "elementwise"):
            raise ValueError(f"form must be 'normalised' or 'elementwise', not '{form}'")
        if not 0 < step <= 1:
            raise ValueError(f"step must be above 0 and at most 1, not {step}")
        self.form = form
        self.step = step

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        least = self.least_change(pool)
        candidates = first_candidates(least * pool.embeddings.shape[1] ** 0.5, n, self.step)
        pool.note(candidates=len(candidates))
        if len(candidates) > n:
            rows = F.normalize(pool.embeddings[candidates].to(least.dtype))
            _, centres = kmeans(rows, n, generator)
            return candidates[nearest_to_centres(rows, centres)]
        ahead = candidates[least[candidates].sort(stable=True).indices]
        return filled_at_random(ahead, n, len(least), generator)

    def least_change(self, pool: Pool) -> Tensor:
        """The smallest ε > 0 at which some anchor changes an image's class, (N,); infinite where none ever does.

        Raises ValueError for logits that are not finite, and if there are no labelled images.
        """
        if not pool.logits.isfinite().all():
            raise ValueError("logits contain NaN or infinity: the model's outputs are not finite")
        logits, embeddings = Points.of(pool.logits, pool.embeddings).factors
        anchors = class_means(pool.labelled_embeddings.to(logits.dtype), pool.labels, pool.class_count)
        weight = pool.head.weight.detach().to(logits.dtype)
        rows = max(1, _BLOCK // max(embeddings.shape[1], len(anchors) ** 2))
        parts = zip(logits.split(rows), embeddings.split(rows), strict=True)
        return torch.cat([self._least_change(*part, anchors, weight) for part in parts])

    def _least_change(self, logits: Tensor, z: Tensor, anchors: Tensor, weight: Tensor) -> Tensor:
        direction = loss_directions(logits, weight)
        slopes = torch.stack([self._steps(direction, anchor - z) @ weight.T for anchor in anchors], dim=1)
        predicted = logits.argmax(dim=1, keepdim=True)
        gaps = logits.gather(1, predicted) - logits
        closing = slopes - slopes.gather(2, predicted[:, None].expand(-1, len(anchors), 1))
        # The predicted class itself has closing 0 and gap 0: never.
        return torch.where(closing > 0, gaps[:, None] / closing, torch.inf).amin(dim=(1, 2))

    def _steps(self, direction: Tensor, difference: Tensor) -> Tensor:
        """(z' − z) / ε, (k, D), for unit gradients and for z̄_c − z."""
        steps = direction * difference.norm(dim=1, keepdim=True)
        if self.form == "normalised":
            return steps.masked_fill_(difference == 0, 0)
        divisor = difference + _GUARD
        return steps / torch.where(divisor == 0, _GUARD, divisor) * difference


def first_candidates(least_caps: Tensor, n: int, step: float) -> Tensor:
    """Positions of the images whose ``least_caps`` (N,), the caps a at which they change, are below the first of
    ``step``, 2 ``step``, …, 1 that more than ``n`` are below; below 1 where there is none."""
    for count in range(1, math.ceil(1 / step) + 1):
        candidates = (least_caps < min(1.0, count * step)).nonzero().squeeze(1)
        if len(candidates) > n:
            break
    return candidates


def loss_directions(logits: Tensor, weight: Tensor) -> Tensor:
    """The unit gradient of CE(head(z), argmax) with respect to z, (k, D), for ``logits`` (k, C) and ``weight`` (C, D).

    Accurate however far the logits are apart; 0 where the gradient is.
    """
    predicted = logits.argmax(dim=1, keepdim=True)
    errors = logits.scatter(1, predicted, -torch.inf).softmax(dim=1).scatter(1, predicted, -1.0)
    directions = errors @ weight
    largest = directions.abs().amax(dim=1, keepdim=True)
    return F.normalize(directions / torch.where(largest > 0, largest, 1))  # no floor turns a small gradient into none


def class_means(embeddings: Tensor, labels: Tensor, class_count: int) -> Tensor:
    """The mean of the ``embeddings`` (L, D) of each class, (C, D); of all for a class without any.

    Raises ValueError if there are no labelled images at all.
    """
    if not len(labels):
        raise ValueError("alfa-mix mixes labelled images in, and there are none: draw the initial labels otherwise")
    members = F.one_hot(labels, class_count).to(embeddings.dtype)
    members[:, ~members.any(dim=0)] = 1
    return (members / members.sum(dim=0)).T @ embeddings
