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

import numpy as np
import torch
from torch import Tensor

from strategies.api import Departure, Pool, Strategy, register
from strategies.kernels.clusters import nearest_centre
from strategies.kernels.distances import Points, squared_distances


@register("lcmd", group="diversity", paper="holzmuller2023", version=1)
class LCMD(Strategy):
    """The farthest member of the largest cluster around labelled and chosen images, again and again."""

    cost = "O((L + n) N D)"
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
    # The books are kept in float64 on the CPU: a sum there does not depend on the device.
    clusters, distances = np.zeros(len(x), np.int64), np.full(len(x), np.inf)
    if len(centres):
        clusters, distances = (part.cpu().numpy() for part in nearest_centre(points, centres))
        distances = distances.astype(np.float64)
    picks: list[int] = []
    for cluster in range(len(centres), len(centres) + n):
        sizes = np.bincount(clusters, weights=distances)
        if sizes.max() == 0:  # all that is left lies on a centre
            rest = np.setdiff1d(np.arange(len(x)), picks)
            picks += rest[: n - len(picks)].tolist()
            break
        if cluster == 0:
            pick = int(x.squared_norms.argmax())
        else:  # the farthest member of the largest cluster
            pick = int(np.where(clusters == sizes.argmax(), distances, -1).argmax())
        to_pick = squared_distances(x, x[pick : pick + 1]).squeeze(1).double().cpu().numpy()
        to_pick[pick] = 0
        closer = to_pick < distances
        distances[closer], clusters[closer] = to_pick[closer], cluster
        picks.append(pick)
    return torch.tensor(picks, device=points.device)
