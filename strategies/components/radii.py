"""Radii that follow the features: how far apart images are, whatever the scale of the distances.

A radius that suits one kind of features is far too small or too large for another: a tenth of all pairs of images lie
within 0.5 for one network's features and none for another's. A quantile of the distances between images means the same
for all: a ball whose radius is the α-quantile holds, on average, a share α of the images.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from strategies.kernels.distances import Points, squared_distances

_DRAWN = 2048  # images whose distances are looked at: two million pairs
_CENTRES = 512  # balls that are looked into for other images
_BLOCK = 2**22  # distances kept at once


def quantile_radius(points: Points, indices: Tensor, share: float) -> float:
    """The radius within which a ``share`` of the pairs of ``points`` (M, D) lies, above 0; 1 without pairs.

    It lies halfway between two neighbouring distances, so that no pair's rounding error decides. Of more than 2,048
    images so many are drawn, by ``indices`` (M,), their positions in the dataset, and by nothing else: neither the
    order of the points nor a run's seed matters, and in a run that keeps its images the radius is that of every round.
    Pairs of duplicates are left out. O(2,048² D).
    """
    some = points[drawn(indices, _DRAWN)]
    squared = squared_distances(some, some).triu_(1)
    pairs = squared[squared > 0]
    if not len(pairs):
        return 1.0
    within = max(1, math.ceil(share * len(pairs)))
    ends = (float(pairs.kthvalue(min(k, len(pairs))).values) ** 0.5 for k in (within, within + 1))
    return sum(ends) / 2


def singleton_share(points: Points, indices: Tensor, radius: float) -> float:
    """The share of 512 images, drawn by ``indices`` (M,) as above, in whose ball of ``radius`` no other image lies.

    Where it is large, the radius has collapsed: a cover by such balls is a list of single images. O(512 M D).
    """
    centres = drawn(indices, _CENTRES)
    alone = 0
    for some in centres.split(max(1, _BLOCK // len(points))):
        alone += int(((squared_distances(points[some], points) <= radius**2).sum(dim=1) <= 1).sum())
    return alone / len(centres)


def check_balls(per_class: float) -> None:
    """Raise ValueError for a number of balls per class below 1, whose balls would hold more than a class."""
    if not per_class >= 1:
        raise ValueError(f"balls_per_class must be at least 1, not {per_class}")


def drawn(indices: Tensor, most: int) -> Tensor:
    """Positions of at most ``most`` of the images with dataset ``indices`` (M,); the same images in any order."""
    order = indices.argsort()
    return order[torch.randperm(len(order), generator=torch.Generator().manual_seed(0))[:most].to(order.device)]
