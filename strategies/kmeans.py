"""k-means: the image nearest to the centre of each of n clusters.

The embeddings of the unlabelled images are clustered into as many clusters as images are selected, and the image
nearest to each centre stands for its cluster. Neither the labelled images nor the model's predictions play a part.

Kang, Ryu & Kwon, *Using Cluster-Based Sampling to Select Initial Training Set for Active Learning in Text
Classification*, PAKDD 2004. Ours is the choice between mini-batches and Lloyd's algorithm (by the number of clusters),
and that an image nearest to two centres counts once: the second takes the next nearest.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.components.common_departures import K_MEANS
from strategies.kernels.clusters import kmeans, nearest_to_centres


@register("kmeans", group="diversity", paper="kang2004", version=1)
class KMeans(Strategy):
    """The image nearest to the centre of each of n k-means clusters of the embeddings."""

    cost = "O(n N D)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Representative of the pool from the first round on. It does not look at the labelled images and may select "
        "what the model already knows: of embeddings that never change the centres are nearly the same in each round."
    )

    departures: ClassVar = (
        Departure(
            "when",
            "as a strategy of every round it is the usual baseline of diversity",
            "for the initial labels, on vectors of words",
            "in every round, on the network's embeddings",
        ),
        K_MEANS._replace(theirs="k-means, in a paper that is older than scikit-learn"),
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        _, centres = kmeans(pool.embeddings, n, generator)
        return nearest_to_centres(pool.embeddings, centres)
