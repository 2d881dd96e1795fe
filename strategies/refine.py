"""Refine: the pool is filtered by an ensemble of strategies, round after round, and what is left is covered.

A filtering round asks every strategy of the ensemble for ⌊m / 9⌋ batches of n images, each among images of its own that
are drawn at random from the pool, and the union of the batches is the pool of the next round:

    U_r = ∪ {batches of n among S},   S ⊂ U_{r−1} drawn at random,   |S| = 5,000 in round 1, then max(n, ⌊α |U_{r−1}|⌋).

So an image stays as long as one strategy or another finds it worth a label, and what none of them ever chooses is gone.
A union of more than 10,000 images is cut to as many at random. After R rounds UHerding chooses the batch from U_R, as
if that were the whole pool.

Huseljic, Herde, Rauch, Hahn & Sick, *Cleaning the Pool: Progressive Filtering of Unlabeled Pools in Deep Active
Learning*, CVPR 2026, arXiv 2511.22344. Reference implementation: github.com/dhuseljic/dal-toolbox, commit e9bf05c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

import torch
from torch import Tensor

from strategies.alfa_mix import AlfaMix
from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.badge import Badge
from strategies.bait import Bait
from strategies.components.part import PartOfPool
from strategies.dropquery import DropQuery
from strategies.margin import Margin
from strategies.maxherding import MaxHerding
from strategies.random import Random
from strategies.typiclust import TypiClust
from strategies.uherding import UHerding

MEMBERS: tuple[type[Strategy], ...] = (Random, Margin, Badge, Bait, TypiClust, AlfaMix, DropQuery, MaxHerding)
Query = Callable[[Pool, int, torch.Generator], Tensor]


@register("refine", group=("hybrid", "ensemble"), paper="huseljic2026refine", version=1)
class Refine(Strategy):
    """UHerding among the images that nine strategies leave when they filter the pool five times.

    ``depth`` is R, ``batches`` m for each round and all strategies together, ``share`` α. ``first`` is the number of
    images that a batch of the first round is chosen from, ``most`` that of the images that a round may leave over.
    """

    needs = frozenset({"features", "cross_fit"})
    max_batch = 200
    cost = "R m queries, each among up to 5,000 images; a second training on 70 % of the labels"
    forward_passes = Passes(pool=1, labelled=1, cross_fit=0.3)
    remarks = (
        "Needs no bet on one strategy. Its parameters were set on foundation models' embeddings. A query asks its "
        "members 495 times: 50 s of one core for 10 of 50,000 images of 256 entries and 10 classes, two thirds of it "
        "for BAIT, so that a run of 20 rounds takes about 17 minutes. `all` leaves it out; name it."
    )

    presets: ClassVar = {"authors": {"depth": 5, "batches": 100, "share": 0.4, "first": 5000, "most": 10_000}}
    departures: ClassVar = (
        Departure(
            "members",
            "a member is what its bare name is in a table beside it",
            "the nine in the authors' own implementations, BAIT by a binary likelihood",
            "random, margin, badge, bait, typiclust, alfa-mix, dropquery, maxherding and uherding by their defaults",
        ),
        Departure(
            "herding",
            "what MaxHerding's and UHerding's authors publish, whose own code agrees with ours",
            "in the authors' code a candidate is weighed by its own coverage and uncertainty",
            "an image that a candidate covers is weighed by the image's own",
        ),
        Departure(
            "features",
            "the same on a data set of embeddings, which the authors use; in a trained network the members differ",
            "all members see the embedding",
            "typiclust, maxherding and uherding see the self-supervised features",
        ),
        Departure(
            "temperature",
            "the second training is of the same labels",
            "one for the filtering and another one for the batch, each by a random fifth of the labels",
            "one, by 30 % of the labels, as in UHerding's paper",
        ),
    )

    def __init__(
        self, depth: int = 5, batches: int = 100, share: float = 0.4, first: int = 5000, most: int = 10_000
    ) -> None:
        least = {"depth": 1, "batches": len(MEMBERS) + 1, "first": 1, "most": 1}
        for name, value in (("depth", depth), ("batches", batches), ("first", first), ("most", most)):
            if value < least[name]:
                raise ValueError(f"{name} must be at least {least[name]}, not {value}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {share}")
        self.depth, self.batches, self.share, self.first, self.most = depth, batches, share, first, most

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        herding = UHerding()
        width, temperature = herding.scales(pool, herding.points(pool)[1])

        def uherding(part: Pool, count: int, chance: torch.Generator) -> Tensor:
            return herding.chosen(part, herding.points(part), count, chance, width, temperature)

        left = self.refined(pool, n, generator, [*(member().select for member in MEMBERS), uherding])
        pool.note(candidates=len(left))
        return among(pool, left, uherding, n, generator)

    def refined(self, pool: Pool, n: int, generator: torch.Generator, ensemble: list[Query]) -> Tensor:
        """The images that are left over after the last round, positions (M,) with M ≥ n."""
        rows = torch.arange(len(pool.indices), device=pool.indices.device)
        size = self.first
        for _ in range(self.depth):
            chosen = []
            for query in ensemble:
                for _ in range(self.batches // len(ensemble)):
                    part = drawn(rows, max(n, size), generator)
                    chosen.append(among(pool, part, query, n, generator))
            rows = torch.cat(chosen).unique()
            rows = drawn(rows, max(n, self.most), generator) if len(rows) > self.most else rows
            size = int(self.share * len(rows))
        return rows


def among(pool: Pool, rows: Tensor, query: Query, n: int, generator: torch.Generator) -> Tensor:
    """What ``query`` chooses of the images at ``rows`` (M,): n of these."""
    return rows[query(cast(Pool, PartOfPool(pool, rows)), n, generator).to(rows.device)]


def drawn(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of ``rows`` (M,), or all where there are no more, drawn without replacement, in the order drawn."""
    return rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)]
