"""ProbCover: greedy cover of the pool by balls of radius δ.

Each next image is the one with the most uncovered images within δ: an image is covered once a labelled or chosen one
lies within δ. With images of unit length, δ is chosen such that the ball around an image is mostly *pure*, that is, all
of one class; as the classes are unknown, those of k-means with C clusters stand for them. δ is the largest radius at
which 95 % of the balls are pure.

Yehuda, Dekel, Hacohen & Weinshall, *Active Learning Through a Covering Lens*, NeurIPS 2022, arXiv 2205.11320. Reference
implementation: github.com/avihu111/TypiClust. Ours: the purity is that of at most 10,000 balls, around random images;
δ takes any value, not those of a grid; once all is covered, images are drawn at random.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Pool, register
from strategies.components.feature_space import FeatureSpaceStrategy, Space, concatenated, filled_at_random
from strategies.kernels.clusters import kmeans
from strategies.kernels.distances import Points, lower
from strategies.kernels.lazy_greedy import ball, covered_by, lazy_greedy

_BALLS = 10_000  # the most balls whose purity is looked at


@register("probcover", group="low-budget", paper="yehuda2022", version=1)
class ProbCover(FeatureSpaceStrategy):
    """The image with the most uncovered images within a radius δ, again and again.

    ``delta`` is δ, between 0 and 2; 0 chooses the largest at which a share ``purity`` of the balls holds images of one
    k-means cluster only. ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O(N² D) once, O(n N D) and more for the picks"
    remarks = (
        "For few labels, with self-supervised features. Depends on δ, which its authors tune for each data set; once "
        "the pool is covered, it is random."
    )

    def __init__(self, delta: float = 0.0, purity: float = 0.95, space: Space = "features") -> None:
        super().__init__(space)
        if not 0 <= delta <= 2:
            raise ValueError(f"delta is a distance between 0 and 2, not {delta}")
        if not 0 < purity <= 1:
            raise ValueError(f"purity is a share, above 0 and at most 1, not {purity}")
        self.delta, self.purity = delta, purity

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        unlabelled, labelled = self.points(pool)
        squared = self.delta**2
        if not squared:
            squared = pure_radius(concatenated(unlabelled, labelled), pool.class_count, self.purity, generator)
        covers = ball(squared)
        picks = lazy_greedy(unlabelled, n, covers, covered=covered_by(unlabelled, labelled, covers))
        return filled_at_random(picks, n, len(unlabelled), generator)


def pure_radius(points: Points, class_count: int, purity: float, generator: torch.Generator) -> float:
    """The largest squared radius at which a share ``purity`` of the balls around ``points`` (N, D) is pure.

    A ball is pure if all of its points are in one of ``class_count`` k-means clusters. ∞ where there is but one.
    """
    (rows,) = points.factors
    labels, _ = kmeans(rows, min(class_count, len(points)), generator)
    drawn = torch.randperm(len(points), generator=generator)[:_BALLS].to(labels.device)
    foreign = torch.full((len(drawn),), torch.inf, dtype=rows.dtype, device=rows.device)  # nearest of another cluster
    for cluster in labels.unique():
        inside = (labels[drawn] == cluster).nonzero().squeeze(1)
        others = (labels != cluster).nonzero().squeeze(1)
        nearest = foreign[inside]
        if len(inside) and len(others):
            lower(nearest, points[drawn[inside]], points[others])
        foreign[inside] = nearest
    impure = int((1 - purity) * len(drawn) + 1e-9)  # so many balls may be
    limit = foreign.sort().values[impure]  # that many are impure below this radius, and one more at it
    return float(torch.nextafter(limit, torch.zeros_like(limit)))
