"""DCoM: dynamic coverage and margin mix.

A greedy cover by balls, as in ProbCover, mixed with margin sampling, whose share grows with what is covered.

The ball around a labelled image has a radius of its own, found by bisection of (0, Δ_max) in five steps: larger while
the share of images in the ball to which the model gives that image's label is at least 0.4 + 0.2 c₀, smaller otherwise.
All other balls have the mean of these radii. With c the share of all images, labelled ones included, that the balls
of the labelled ones cover, each next image has the largest

    O(c) · margin uncertainty + (1 − O(c)) · degree,    O(c) = (1 + exp(−k (1 − a))) / (1 + exp(−k (c − a))),

where the degree is the number of images in its ball that no labelled or chosen image covers, and both terms are scaled
to [0, 1] over all images. O stays as it is for the whole batch.

Mishal & Weinshall, *DCoM: Active Learning for All Learners*, 2024, arXiv 2407.01804. Reference implementation:
github.com/avihu111/TypiClust. Without labels or a model all radii are Δ₀ and there is no uncertainty. There the radius
of an image is found in the round after it was labelled, and kept; ours finds all radii by the current model, and c₀ is
the share covered by balls of radius Δ₀ around all labelled images. There Δ₀ = 0.75 and Δ_max = 1.1, in units of their
SimCLR features (the preset ``authors``). On features that lie closer together such balls cover most of the pool with
the first labels, and the strategy is margin sampling from then on (docs/radii.md). Ours derives Δ_max from the
features: a ball of that radius holds a tenth of a class on average. Δ₀ is 0.75/1.1 of it.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, register
from strategies.components.equal_balls import EqualBalls, equal_balls
from strategies.components.feature_space import FeatureSpaceStrategy, Space, concatenated
from strategies.components.radii import check_balls, quantile_radius, singleton_share
from strategies.kernels.distances import Points, squared_distances
from strategies.kernels.lazy_greedy import ball, covered_by
from strategies.kernels.margins import margin_uncertainty, tempered_probs

_FIRST = 0.75 / 1.1  # the first radius in units of the largest, as the authors have them
_STEPS = 5  # of the bisection: 1.1 / 2⁵ is the first below the authors' 0.05
_BLOCK = 2**22  # distances kept at once


@register("dcom", group="low-budget", paper="mishal2024", version=2)
class DCoM(FeatureSpaceStrategy):
    """Balls around labelled images as large as they are pure; their coverage weighs degree against margin.

    ``largest_delta`` Δ_max bounds the radii, 0 chooses it such that a ball holds a share 1 / (``balls_per_class`` C) of
    the images on average; ``delta`` Δ₀ is the radius before any label, 0 is the authors' share of Δ_max. ``midpoint`` a
    and ``steepness`` k shape the weight; ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O(N² D) once, O((L + n) N D) for the balls"
    remarks = (
        "Made for all budgets alike: a cover while labels are few, margin sampling once most of the pool is covered. "
        "By default few balls are impure within the largest radius, and almost all have it: until most is covered "
        "it is probcover, but for smaller balls around labelled images where the model predicts several classes. "
        "With its authors' radii (preset=authors) other features than theirs can be covered from the first labels on."
    )
    presets: ClassVar = {
        "authors": {
            "delta": 0.75,
            "largest_delta": 1.1,
            "midpoint": 0.8,
            "steepness": 50.0,
            "space": "features",
        }
    }
    departures: ClassVar = (
        Departure("delta", "theirs is for their features; others can be covered from the first labels on"),
        Departure("largest_delta", "theirs is for their features; 0 keeps their ratio of it to Δ₀"),
        Departure(
            "balls_per_class",
            "a radius that does not depend on the features' scale (docs/radii.md)",
            "no such rule",
            "10: a ball of the largest radius holds a tenth of a class on average",
        ),
        Departure(
            "what a labelled image covers",
            "one radius for the score and for O",
            "for the score it ends at the mean radius, as their graph has no longer edges; for O it does not",
            "the image's own radius for both",
        ),
        Departure(
            "when radii are found",
            "every round trains a new network, and a radius follows from its predictions",
            "in the round after an image was labelled, and kept",
            "in every round",
        ),
    )

    def __init__(
        self,
        delta: float = 0.0,
        largest_delta: float = 0.0,
        balls_per_class: float = 10.0,
        midpoint: float = 0.8,
        steepness: float = 50.0,
        space: Space = "features",
    ) -> None:
        super().__init__(space)
        self.forward_passes = Passes(pool=1, labelled=1)
        for name, value in (("delta", delta), ("largest_delta", largest_delta)):
            if not 0 <= value <= 2:
                raise ValueError(f"{name} is a distance between 0 and 2, not {value}")
        check_balls(balls_per_class)
        if not 0 <= midpoint <= 1:
            raise ValueError(f"midpoint is a share, between 0 and 1, not {midpoint}")
        if not 0 < steepness <= 500:
            raise ValueError(f"steepness must be above 0 and at most 500, not {steepness}")
        self.delta, self.largest_delta, self.balls_per_class = delta, largest_delta, balls_per_class
        self.midpoint, self.steepness = midpoint, steepness

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        x, labelled = self.points(pool)
        uncertainty = torch.zeros_like(x.squared_norms)
        if pool.has_model and len(pool.labels):
            uncertainty = scaled(margin_uncertainty(tempered_probs(_all_logits(pool))))[: len(x)].to(uncertainty)
        balls = self.balls(pool)
        everything, indices = self.everything(pool)
        singletons = singleton_share(everything, indices, balls.radius)
        pool.note(radius=balls.radius, singletons=singletons, competence=balls.weight)
        around = equal_balls((x, labelled), indices, balls.radius, balls.largest)
        return mixed(around, n, balls.covered, uncertainty, balls.weight)

    def balls(self, pool: Pool) -> Balls:
        """The balls around the labelled images, what they cover, and the weight O that follows."""
        x, labelled = self.points(pool)
        largest = self.largest_delta
        if not largest:
            largest = quantile_radius(*self.everything(pool), 1 / (self.balls_per_class * pool.class_count))
        delta = self.delta or _FIRST * largest
        radii = torch.full_like(labelled.squared_norms, delta)
        if pool.has_model and len(labelled):
            before = covered_by(x, labelled, ball(delta**2)).bool()
            purity = 0.4 + 0.2 * share(before, len(labelled))
            predicted = _all_logits(pool).argmax(dim=1)
            radii = pure_radii(concatenated(x, labelled), labelled, predicted, pool.labels, purity, largest)
        covered = in_balls(x, labelled, radii)
        weight = competence(share(covered, len(labelled)), self.midpoint, self.steepness)
        return Balls(float(radii.mean()) if len(radii) else delta, largest, covered, weight)


class Balls(NamedTuple):
    """The mean and the ``largest`` radius, which of the N unlabelled images the balls have ``covered`` (N,), and O."""

    radius: float
    largest: float
    covered: Tensor
    weight: float


def _all_logits(pool: Pool) -> Tensor:
    return torch.cat([pool.logits, pool.head(pool.labelled_embeddings).detach()])


def share(covered: Tensor, labelled: int) -> float:
    """The share of N + L images that is covered; ``covered`` (N,) is of the unlabelled, the labelled ones all are."""
    return (int(covered.sum()) + labelled) / (len(covered) + labelled)


def competence(coverage: float, midpoint: float, steepness: float) -> float:
    """O(c): 0 for little, 1 for full coverage, and about one half at ``midpoint``."""
    return (1 + math.exp(-steepness * (1 - midpoint))) / (1 + math.exp(-steepness * (coverage - midpoint)))


def scaled(values: Tensor) -> Tensor:
    """To [0, 1], from their minimum; 0 where all are alike."""
    return shrunk(values - values.min())


def pure_radii(
    everything: Points, centres: Points, predicted: Tensor, labels: Tensor, purity: float, largest: float
) -> Tensor:
    """For each of L ``centres`` the radius (L,) up to which a share ``purity`` of its ball is of its label.

    ``predicted`` (M,) are the classes of ``everything``, ``labels`` (L,) those of the centres. The share need not fall
    with the radius; this is the bisection's answer. O(L M D), memory O(M).
    """
    low, high = torch.zeros_like(centres.squared_norms), torch.full_like(centres.squared_norms, largest)
    size = max(1, _BLOCK // len(everything))
    for start in range(0, len(centres), size):
        some = slice(start, start + size)
        squared = squared_distances(centres[some], everything)
        alike = labels[some, None] == predicted
        for _ in range(_STEPS):
            middle = (low[some] + high[some]) / 2
            inside = squared < middle[:, None] ** 2
            pure = (inside & alike).sum(dim=1) >= purity * inside.sum(dim=1)
            low[some] = torch.where(pure, middle, low[some])
            high[some] = torch.where(pure, high[some], middle)
    return (low + high) / 2


def in_balls(x: Points, centres: Points, radii: Tensor) -> Tensor:
    """Which of the N points, (N,), lie in one of the L balls around ``centres`` with ``radii`` (L,)."""
    covered = torch.zeros_like(x.squared_norms, dtype=torch.bool)
    size = max(1, _BLOCK // len(x))
    for start in range(0, len(centres), size):
        some = slice(start, start + size)
        covered |= (squared_distances(centres[some], x) < radii[some, None] ** 2).any(dim=0)
    return covered


def mixed(around: EqualBalls, n: int, covered: Tensor, uncertainty: Tensor, weight: float) -> Tensor:
    """``n`` distinct positions: the largest ``weight`` · uncertainty + (1 − ``weight``) · degree, again and again.

    ``covered`` (N,) says which points count no more, ``uncertainty`` is (N,). The smaller position wins ties.
    """
    covered, uncertainty = covered.clone(), uncertainty.clone()
    degrees = around.degrees(covered)
    picks: list[int] = []
    free = torch.ones_like(covered)
    while len(picks) < n:
        scores = weight * shrunk(uncertainty).double() + (1 - weight) * shrunk(degrees)
        pick = int(scores.masked_fill_(~free, -torch.inf).argmax())
        picks.append(pick)
        free[pick], uncertainty[pick] = False, 0
        new = around.inside(pick, covered)
        covered[new] = True
        degrees -= around.holding(new)
        # A pair at the radius itself may count in one product and not in the next: no more than what is uncovered.
        degrees.clamp_(min=0, max=int((~covered).sum()))
    return torch.tensor(picks, device=covered.device)


def shrunk(values: Tensor) -> Tensor:
    """Values of at least 0, the labelled images' 0 among them, to [0, 1]."""
    return values / values.max().clamp(min=torch.finfo(values.dtype).tiny)
