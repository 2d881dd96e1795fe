"""Cluster-Margin: the images of the lowest margins, spread over clusters.

The embeddings of the unlabelled images are clustered by average linkage until a cluster has ten images on average. Of
the k_m = 10 n images with the lowest margin p_(1) − p_(2), n are drawn: the clusters that they fall into take turns,
from the one with the fewest of them to the one with the most, and each gives one of its images at random until it has
none left. Clusters with as many take turns in random order.

Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh & Kumar, *Batch Active Learning at Scale*, NeurIPS 2021,
arXiv 2107.14263. There all images are clustered, once, by the first model, and merging stops at a distance that is set
for clusters of ten images or more on average. Ours clusters in every round, since every round has a new model; and from
10,000 images on a random 10,000 are clustered, and each other image goes to the cluster with the nearest mean. Fewer
clusters would do nothing: with n of them, average linkage puts nearly all images into one, and the others are outliers.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register, top
from strategies.kernels.clusters import agglomerative, nearest_centre
from strategies.kernels.margins import margin_uncertainty

_SAMPLE = 10_000  # the most images that are clustered hierarchically


@register("cluster-margin", group="diversity", paper="citovsky2021", version=2)
class ClusterMargin(Strategy):
    """Of the ``oversample`` · n lowest margins, n from average-linkage clusters in turn, small clusters first.

    ``cluster_size`` is the mean number of images of a cluster, of those that are clustered.
    """

    cost = "O(M² D + n N D), M = min(N, 10,000)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Built for batches of 100,000 and more, where the lowest margins repeat one another; it costs a clustering, "
        "whatever the size of the batch."
    )

    presets: ClassVar = {"authors": {"oversample": 10, "cluster_size": 10}}
    departures: ClassVar = (
        Departure(
            "when to cluster",
            "every round trains a new network from scratch, whose embeddings have nothing to do with the first one's",
            "once, on the first network's embeddings",
            "in every round",
        ),
        Departure(
            "images clustered",
            "time and memory grow with the square of their number",
            "all",
            "a random 10,000; each other image goes to the cluster with the nearest mean",
        ),
    )

    def __init__(self, oversample: int = 10, cluster_size: int = 10) -> None:
        for name, value in (("oversample", oversample), ("cluster_size", cluster_size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.oversample = oversample
        self.cluster_size = cluster_size

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        candidates = top(margin_uncertainty(pool.probs), self.oversample * n)
        clusters = average_linkage(pool.embeddings, self.cluster_size, generator)
        pool.note(candidates=len(candidates), clusters=len(clusters[candidates].unique()))
        return candidates[round_robin(clusters[candidates], n, generator)]


def average_linkage(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Clusters (N,), int64, of ``points`` (N, D) by average linkage: M / ``size`` of M ≤ 10,000 drawn points."""
    if len(points) <= _SAMPLE:
        return agglomerative(points, max(1, len(points) // size), "average")
    drawn = torch.randperm(len(points), generator=generator)[:_SAMPLE].sort().values.to(points.device)
    sample = points[drawn]
    labels = agglomerative(sample, max(1, _SAMPLE // size), "average")
    # Sums on the CPU, where they do not depend on the order of threads.
    where, rows = labels.cpu(), sample.cpu().double()
    counts = where.bincount()
    means = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, where, rows) / counts[:, None]
    clusters, _ = nearest_centre(points, means.to(points))
    clusters[drawn] = labels
    return clusters


def round_robin(clusters: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` of the positions in ``clusters`` (M,): one at random from each in turn, from the smallest to the largest.

    A cluster that has none left is passed over; clusters of the same size take turns in random order.
    """
    shuffled = torch.randperm(len(clusters), generator=generator).numpy()
    labels = clusters.cpu().numpy()[shuffled]
    by_cluster = labels.argsort(kind="stable")
    sizes = np.bincount(labels)
    turns = np.empty_like(labels)  # how many of its cluster come before
    turns[by_cluster] = np.arange(len(labels)) - (sizes.cumsum() - sizes)[labels[by_cluster]]
    chance = torch.randperm(len(sizes), generator=generator).numpy()
    order = np.lexsort((chance[labels], sizes[labels], turns))
    return torch.from_numpy(shuffled[order[:n]]).to(clusters.device)
