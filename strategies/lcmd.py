"""LCMD: largest cluster, maximum distance.

Labelled and chosen images are centres, and each unlabelled image belongs to its nearest centre. The next image selected
is the farthest member of the largest cluster, the one with the largest sum of squared distances to its centre, and
becomes a centre itself. Like core-set it covers the embeddings, but a lone outlier waits until no dense region
is worse represented.

Holzmüller, Zaverkin, Kästner & Steinwart, *A Framework and Benchmark for Deep Batch Active Learning for Regression*,
JMLR 2023, arXiv 2203.09410, with the labelled images as centres (LCMD-TP). Reference implementation:
github.com/dholzmueller/bmdal_reg. Theirs measures on gradient embeddings of a regression network, ours on the
embeddings of a classifier. Without labelled images the first is that of the largest norm, as there.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.kernels.clusters import nearest_centre
from strategies.kernels.distances import Points, squared_distances


@register("lcmd", group="diversity", paper="holzmuller2023", version=1)
class LCMD(Strategy):
    """The farthest member of the largest cluster around labelled and chosen images, again and again."""

    cost = "O((L + n) N D)"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "The best of the batch methods compared in its authors' benchmark on tabular regression. It does not look at "
        "the predictions."
    )

    departures: ClassVar = (
        Departure(
            "space",
            "their network is a regression; a classifier's gradient depends on labels that are not known",
            "random projections of the gradients of the output with respect to all weights",
            "the embeddings",
        ),
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return largest_cluster_max_distance(pool.embeddings, n, pool.labelled_embeddings)


def largest_cluster_max_distance(points: Tensor, n: int, centres: Tensor) -> Tensor:
    """``n`` distinct positions among ``points`` (N, D), in the order of picking; ``centres`` (L, D) are there already.

    The smaller position wins ties; once all distances are 0, the smallest unpicked one follows. Time O((L + n) N D),
    memory O(N) beyond the points. Raises ValueError for points that are not finite.
    """
    x = Points.of(points)
    free = torch.ones(len(x), dtype=torch.bool, device=points.device)
    picks = torch.empty(n, dtype=torch.int64, device=points.device)
    clusters = torch.zeros_like(free, dtype=torch.int64)
    distances = torch.full_like(free, torch.inf, dtype=torch.float64)
    if len(centres):
        clusters, distances = nearest_centre(points, centres)
        distances = distances.double()
    unit: Tensor | None = None
    for i in range(n):
        if i == 0 and not len(centres):
            pick = x.squared_norms.argmax().view(1)
        else:
            if unit is None:
                unit = distances.max() * (len(x) / 2**62)
            sizes = _sums(clusters, distances, len(centres) + i, unit)
            # The farthest member of the largest cluster; any other once all that is left lies on a centre.
            members = (clusters == sizes.argmax()) & free
            pick = torch.where(sizes.max() > 0, distances.where(members, -1.0), free.double()).argmax().view(1)
        to_pick = squared_distances(x, x[pick]).squeeze(1).double().index_fill_(0, pick, 0.0)
        closer = to_pick < distances
        distances, clusters = torch.where(closer, to_pick, distances), clusters.masked_fill_(closer, len(centres) + i)
        free.index_fill_(0, pick, False)
        picks[i : i + 1] = pick
    return picks


def _sums(clusters: Tensor, distances: Tensor, count: int, unit: Tensor) -> Tensor:
    """The sum of the ``distances`` (N,) in each of ``count`` ``clusters`` (N,).

    One after the other on the CPU. Elsewhere in whole ``unit``s, whose sum does not depend on the order: a GPU's does.
    """
    if distances.device.type == "cpu":
        return torch.bincount(clusters, weights=distances, minlength=count)
    whole = (distances / unit.clamp(min=torch.finfo(torch.float64).tiny)).long()
    return torch.zeros(count, dtype=torch.int64, device=whole.device).index_add_(0, clusters, whole)
