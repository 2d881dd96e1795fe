"""Cluster-Margin: the images of the lowest margins, spread over clusters.

The embeddings of the unlabelled images are clustered by average linkage. Of the k_m = 10 n images with the lowest
margin p_(1) − p_(2), n are drawn: the clusters that they fall into take turns, from the one with the fewest of them to
the one with the most, and each gives one of its images at random until it has none left.

Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh & Kumar, *Batch Active Learning at Scale*, NeurIPS 2021,
arXiv 2107.14263. There all images are clustered, once, by the first model, and merging stops at a distance given in
advance. Ours clusters in every round, since every round has a new model; merging stops at n clusters, since distances
differ from network to network; and from 10,000 images on a random 10,000 are clustered, and each other image goes to
the cluster with the nearest mean.
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


@register("cluster-margin", group="diversity", paper="citovsky2021", version=1)
class ClusterMargin(Strategy):
    """Of the ``oversample`` · n lowest margins, n from average-linkage clusters in turn, small clusters first."""

    cost = "O(M² D + n N D), M = min(N, 10,000)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Built for batches of 100,000 and more, where the lowest margins repeat one another; it costs a clustering, "
        "whatever the size of the batch."
    )

    presets: ClassVar = {"authors": {"oversample": 10}}
    departures: ClassVar = (
        Departure(
            "when to cluster",
            "every round trains a new network from scratch, whose embeddings have nothing to do with the first one's",
            "once, on the first network's embeddings",
            "in every round",
        ),
        Departure(
            "where merging stops",
            "distances differ from network to network; one that is set for a paper's says nothing of another",
            "at a distance",
            "at n clusters",
        ),
        Departure(
            "images clustered",
            "time and memory grow with the square of their number",
            "all",
            "a random 10,000; each other image goes to the cluster with the nearest mean",
        ),
    )

    def __init__(self, oversample: int = 10) -> None:
        if oversample < 1:
            raise ValueError(f"oversample must be at least 1, not {oversample}")
        self.oversample = oversample

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        candidates = top(margin_uncertainty(pool.probs), self.oversample * n)
        clusters = average_linkage(pool.embeddings, n, generator)
        pool.note(candidates=len(candidates), clusters=len(clusters[candidates].unique()))
        return candidates[round_robin(clusters[candidates], n, generator)]


def average_linkage(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Clusters (N,), int64, of ``points`` (N, D): at most ``k`` by average linkage on at most 10,000 drawn points."""
    if len(points) <= _SAMPLE:
        return agglomerative(points, min(k, len(points)), "average")
    drawn = torch.randperm(len(points), generator=generator)[:_SAMPLE].sort().values.to(points.device)
    sample = points[drawn]
    labels = agglomerative(sample, min(k, _SAMPLE), "average")
    # Sums on the CPU, where they do not depend on the order of threads.
    where, rows = labels.cpu(), sample.cpu().double()
    counts = where.bincount()
    means = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, where, rows) / counts[:, None]
    clusters, _ = nearest_centre(points, means.to(points))
    clusters[drawn] = labels
    return clusters


def round_robin(clusters: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` of the positions in ``clusters`` (M,): one at random from each in turn, from the smallest to the largest.

    A cluster that has none left is passed over; of clusters of the same size the smaller label comes first.
    """
    shuffled = torch.randperm(len(clusters), generator=generator).numpy()
    labels = clusters.cpu().numpy()[shuffled]
    by_cluster = labels.argsort(kind="stable")
    sizes = np.bincount(labels)
    turns = np.empty_like(labels)  # how many of its cluster come before
    turns[by_cluster] = np.arange(len(labels)) - (sizes.cumsum() - sizes)[labels[by_cluster]]
    order = np.lexsort((labels, sizes[labels], turns))
    return torch.from_numpy(shuffled[order[:n]]).to(clusters.device)
