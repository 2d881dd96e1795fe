"""TypiClust: the most typical image of each cluster that has no label yet.

All images, labelled or not, are clustered by k-means into min(L + n, 500) clusters. Those with five images or fewer are
set aside; the others, those with the fewest labelled images first and the larger first among equals, take turns, and
each gives its most typical image. An image is typical if its neighbours are near: typicality is

    1 / (mean distance to the k nearest neighbours + 10⁻⁵),    k = max(1, min(20, ⌊m / 2⌋)),

the neighbours being sought among the m images of the cluster that are neither labelled nor chosen.

Hacohen, Dekel & Weinshall, *Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets*, ICML 2022,
arXiv 2202.02794. Reference implementation: github.com/avihu111/TypiClust (there TPC_RP), which averages *squared*
distances. Ours: a cluster that has nothing left to give is passed over, and when none has, the small ones follow.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from strategies.api import Departure, Pool, register
from strategies.components.common_departures import K_MEANS
from strategies.components.feature_space import FeatureSpaceStrategy, Space, concatenated
from strategies.kernels.clusters import kmeans
from strategies.kernels.distances import Points
from strategies.kernels.nearest_neighbours import nearest_neighbours

_MOST_CLUSTERS = 500
_SMALL = 5  # images of a cluster that is set aside
_SPARE = 64  # the most neighbours that are looked up beyond k, to do without those that are taken

Distance = Literal["euclidean", "squared"]


@register("typiclust", group="low-budget", paper="hacohen2022", version=1)
class TypiClust(FeatureSpaceStrategy):
    """The most typical image of each k-means cluster, those with the fewest labelled images first.

    ``neighbours`` is the largest k; ``distance`` is ``"euclidean"``, as in the paper, or ``"squared"``, as in its code;
    ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O((L + n) N D + N² D / (L + n))"
    remarks = (
        "For few labels, with self-supervised features: its paper argues that few labels are best spent on typical "
        "images, and many on uncertain ones."
    )

    presets: ClassVar = {"authors": {"neighbours": 20, "distance": "squared", "space": "features"}}
    departures: ClassVar = (
        Departure("distance", "the formula of the paper has distances; the index of its code returns squares"),
        Departure(
            "empty clusters",
            "with many labels a cluster may have nothing left to give, and a choice is needed all the same",
            "not foreseen: the code fails",
            "a cluster without unlabelled images is passed over; in the end those of five images or fewer follow",
        ),
        K_MEANS._replace(
            theirs="the best of several seedings; mini-batches of 5,000 beyond 50 clusters",
            ours="one k-means++ seeding; mini-batches of 5,000 beyond 50 clusters",
        ),
    )

    def __init__(self, neighbours: int = 20, distance: Distance = "euclidean", space: Space = "features") -> None:
        super().__init__(space)
        if neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, not {neighbours}")
        if distance not in get_args(Distance):
            raise ValueError(f"distance is one of {', '.join(get_args(Distance))}, not '{distance}'")
        self.neighbours, self.distance = neighbours, distance

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        unlabelled, labelled = self.points(pool)
        (rows,) = concatenated(unlabelled, labelled).factors
        clusters, _ = kmeans(rows, min(len(labelled) + n, _MOST_CLUSTERS), generator)
        size = clusters.bincount().tolist()
        known = clusters[len(unlabelled) :].bincount(minlength=len(size)).tolist()
        ranked = sorted(range(len(size)), key=lambda cluster: (known[cluster], -size[cluster]))
        picks: list[int] = []
        for small in (False, True):
            turn = [c for c in ranked if size[c] > known[c] and (size[c] <= _SMALL) == small]
            members = [(clusters[: len(unlabelled)] == c).nonzero().squeeze(1) for c in turn]
            spare = min(_SPARE, n // len(turn)) if turn else 0
            queue = [_Cluster(unlabelled, each, self.neighbours, self.distance, spare) for each in members]
            while queue and len(picks) < n:
                picks += [cluster.take() for cluster in queue[: n - len(picks)]]
                queue = [cluster for cluster in queue if cluster.left]
        pool.note(uncovered=sum(known[cluster] == 0 for cluster in clusters[picks].tolist()) / len(picks))
        return torch.tensor(picks, device=rows.device)


class _Cluster:
    """``members`` (m,) of a cluster, positions among ``points``, and which of them are ``free``: not chosen yet.

    ``spare`` neighbours beyond k are looked up, so that some members may go before all are looked up again.
    """

    def __init__(self, points: Points, members: Tensor, neighbours: int, distance: Distance, spare: int) -> None:
        self.points, self.members = points, members
        self.neighbours, self.distance, self.spare = neighbours, distance, spare
        self.free = torch.ones_like(members, dtype=torch.bool)
        self.left = len(members)
        self.near: tuple[Tensor, Tensor] | None = None

    def take(self) -> int:
        """The most typical free member, as a position among the points; the smallest of equals."""
        most = int(self._typicality().argmax()) if self.left > 1 else int(self.free.nonzero())
        self.free[most] = False
        self.left -= 1
        return int(self.members[most])

    def _typicality(self) -> Tensor:
        """Of each member, (m,); 0 for those that are not free."""
        k = max(1, min(self.neighbours, self.left // 2))
        if self.near is None or (self.free[self.near[1]].sum(dim=1) < k)[self.free].any():
            self.members = self.members[self.free]
            self.free = torch.ones_like(self.members, dtype=torch.bool)
            self.near = nearest_neighbours(self.points[self.members], min(k + self.spare, self.left - 1))
        squared, positions = self.near
        usable = self.free[positions]
        usable &= usable.cumsum(dim=1) <= k
        lengths = squared if self.distance == "squared" else squared.sqrt()
        return typicality((lengths * usable).sum(dim=1) / k) * self.free


def typicality(mean_distance: Tensor) -> Tensor:
    return 1 / (mean_distance + 1e-5)
