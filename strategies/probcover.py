"""ProbCover: greedy cover of the pool by balls of radius δ.

Each next image is the one with the most uncovered images within δ: an image is covered once a labelled or chosen one
lies within δ. Images are vectors of length 1; δ is a quantile of their distances, such that a ball holds a tenth of a
class on average: a share 1 / (10 C) of the images.

In the paper δ is the largest radius at which 95 % of the balls are *pure*, all of one class; as the classes are
unknown, those of k-means with C clusters stand for them. That is the preset ``authors``. It depends on the few images
next to another cluster: half of its balls or more hold a single image on the features that we tried, the cover takes
images of the densest classes, and can be worse than random (docs/radii.md).

Yehuda, Dekel, Hacohen & Weinshall, *Active Learning Through a Covering Lens*, NeurIPS 2022, arXiv 2205.11320. Reference
implementation: github.com/avihu111/TypiClust. Ours: the purity is that of at most 10,000 balls, around random images;
δ takes any value, not those of a grid; equal balls are taken in random order, not in that of the pool; once all is
covered, images are drawn at random.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Pool, register
from strategies.components.equal_balls import equal_balls
from strategies.components.feature_space import FeatureSpaceStrategy, Space, filled_at_random
from strategies.components.radii import check_balls, quantile_radius, singleton_share
from strategies.kernels.clusters import kmeans
from strategies.kernels.distances import Points, lower
from strategies.kernels.lazy_greedy import ball, covered_by

_BALLS = 10_000  # the most balls whose purity is looked at


@register("probcover", group="low-budget", paper="yehuda2022", version=3)
class ProbCover(FeatureSpaceStrategy):
    """The image with the most uncovered images within a radius δ, again and again.

    ``delta`` is δ, between 0 and 2. 0 chooses it: if ``purity`` is 0, such that a ball holds a share
    1 / (``balls_per_class`` C) of the images on average, otherwise as the largest at which a share ``purity`` of the
    balls holds images of one k-means cluster only. ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O(N² D) once, O(n N D) and more for the picks"
    remarks = (
        "For few labels, with self-supervised features. Once the pool is covered, it is random; with its authors' "
        "rule for the radius (preset=authors) it can be worse than random."
    )
    presets: ClassVar = {"authors": {"delta": 0.0, "purity": 0.95, "space": "features"}}
    departures: ClassVar = (
        Departure("purity", "it depends on the few images next to another cluster, and can be worse than random"),
        Departure(
            "balls_per_class",
            "a radius that does not depend on the features' scale (docs/radii.md)",
            "no such rule",
            "10: a ball holds a tenth of a class on average",
        ),
        Departure(
            "ties",
            "a ball holds a whole number of images, and files may be sorted by class",
            "the first image of the pool, in the authors' code",
            "a random image of those that tie",
        ),
        Departure(
            "once all is covered",
            "a choice is needed all the same",
            "image 0, which may be a labelled one, in the authors' code",
            "random images",
        ),
    )

    def __init__(
        self, delta: float = 0.0, balls_per_class: float = 10.0, purity: float = 0.0, space: Space = "features"
    ) -> None:
        super().__init__(space)
        if not 0 <= delta <= 2:
            raise ValueError(f"delta is a distance between 0 and 2, not {delta}")
        check_balls(balls_per_class)
        if not 0 <= purity <= 1:
            raise ValueError(f"purity is a share between 0 and 1, not {purity}")
        if delta and purity:
            raise ValueError("delta and purity both choose the radius: give one of them")
        self.delta, self.balls_per_class, self.purity = delta, balls_per_class, purity

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        unlabelled, labelled = self.points(pool)
        radius = self.radius(pool, generator)
        everything, indices = self.everything(pool)
        pool.note(radius=radius, singletons=singleton_share(everything, indices, radius))
        covered = covered_by(unlabelled, labelled, ball(radius**2)).bool()
        around = equal_balls((unlabelled, labelled), indices, radius, radius)
        picks = around.cover(n, covered, torch.randperm(len(unlabelled), generator=generator))
        return filled_at_random(picks, n, len(unlabelled), generator)

    def radius(self, pool: Pool, generator: torch.Generator) -> float:
        """δ; the generator seeds the k-means of ``purity``."""
        if self.delta:
            return self.delta
        points, indices = self.everything(pool)
        if self.purity:
            return pure_radius(points, pool.class_count, self.purity, generator) ** 0.5
        return quantile_radius(points, indices, 1 / (self.balls_per_class * pool.class_count))


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
