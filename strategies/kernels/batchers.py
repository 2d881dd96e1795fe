"""Batchers: from a score for each image to a batch; any scorer goes with any batcher."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from strategies.api import top
from strategies.kernels.clusters import agglomerative, kmeans

Batcher = Literal["agglomerative", "kmeans", "topk", "subset"]


def check_batcher(batcher: str) -> None:
    """Raises ValueError for a batcher that there is not."""
    if batcher not in get_args(Batcher):
        raise ValueError(f"batcher is one of {', '.join(get_args(Batcher))}, not '{batcher}'")


def take_batch(
    scores: Tensor, embeddings: Tensor, n: int, generator: torch.Generator, batcher: Batcher, oversample: int = 10
) -> Tensor:
    """``n`` distinct positions by their ``scores`` (N,), highest first.

    ``topk``: the highest of all. ``subset``: the highest of a random 10 n. ``agglomerative`` and ``kmeans``: the
    ``oversample`` · n highest are clustered by their ``embeddings`` (N, D) into n clusters, and of each cluster the
    highest is selected. Raises ValueError for NaN among the scores.
    """
    ranked = top(scores, len(scores))
    if batcher == "topk":
        return ranked[:n]
    if batcher == "subset":
        return top_of_subset(scores, n, 10 * n, generator)
    candidates = ranked[: oversample * n]
    if batcher == "kmeans":
        clusters, _ = kmeans(embeddings[candidates], n, generator)
    else:
        clusters = agglomerative(embeddings[candidates], n)
    return candidates[first_of_each(clusters, n)]


def top_of_subset(scores: Tensor, n: int, size: int, generator: torch.Generator) -> Tensor:
    """The positions (n,) of the ``n`` highest ``scores`` (N,) of a random subset of ``size`` ≥ n, highest first.

    Of all N where there are no more than ``size``. Equal scores are taken in the random order of the subset. Raises
    ValueError for NaN among the scores of the subset.
    """
    subset = torch.randperm(len(scores), generator=generator)[:size].to(scores.device)
    return subset[top(scores[subset], n)]


def first_of_each(clusters: Tensor, n: int) -> Tensor:
    """Positions of the first member of every cluster in ``clusters`` (M,), filled to ``n`` with the first others."""
    seen: dict[int, int] = {}
    for position, cluster in enumerate(clusters.tolist()):
        seen.setdefault(cluster, position)
    chosen = list(seen.values())[:n]
    taken = set(chosen)
    rest = (position for position in range(len(clusters)) if position not in taken)
    chosen += [position for position, _ in zip(rest, range(n - len(chosen)), strict=False)]
    return torch.tensor(chosen, device=clusters.device)
