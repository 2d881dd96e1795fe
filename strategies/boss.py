"""BoSS, the best of strategies: of many batches by several strategies the one that helps the model most. A diagnostic.

Each candidate batch is the choice of a strategy, drawn from the members, on a random part of the pool, whose size is
drawn from 4 n to ``largest`` images. The head is fitted to the labelled images and the batch with its true labels, and
the batch with the highest test accuracy is selected; the lower test NLL decides among equals.

Huseljic, Hahn, Herde, Sandrock & Sick, *BoSS: A Best-of-Strategies Selector as an Oracle for Deep Active Learning*,
2026, arXiv 2603.13109. Reference implementation: github.com/dhuseljic/dal-toolbox, commit e9bf05c.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.alfa_mix import AlfaMix
from strategies.api import Departure, OraclePool, Pool, Strategy, register
from strategies.badge import Badge
from strategies.bait import Bait
from strategies.components.part import PartOfPool
from strategies.coreset import CoreSet
from strategies.dropquery import DropQuery
from strategies.kernels.heads import logits_by_part
from strategies.margin import Margin
from strategies.maxherding import MaxHerding
from strategies.random import Random
from strategies.typiclust import TypiClust

MEMBERS: tuple[type[Strategy], ...] = (
    Random,
    Margin,
    CoreSet,
    Badge,
    Bait,
    TypiClust,
    AlfaMix,
    DropQuery,
    MaxHerding,
)


@register("boss", group="diagnostic", paper="huseljic2026", version=1)
class BoSS(Strategy):
    """Of many batches by nine strategies the one with which the head does best on the test set: a diagnostic.

    ``batches`` is their number, ``largest`` the largest part of the pool that a strategy chooses from.
    """

    needs = frozenset({"oracle", "refits", "features"})
    max_batch = 1000
    cost = "`batches` queries and fits of the head"
    remarks = (
        "How much the choice of images can give, as a scale for what strategies reach. It is greedy from round to "
        "round and picks on the test set: what it reaches is neither an upper bound nor an estimate."
    )

    presets: ClassVar = {"authors": {"batches": 100, "largest": 5000}}
    departures: ClassVar = (
        Departure(
            "members",
            "two of theirs choose by the true classes of the pool; what the rest can give is the question here",
            "also UHerding, and TypiClust and DropQuery with as many images of each true class",
            "nine strategies, each by its default here",
        ),
        Departure(
            "head", "a solved head has no epochs", "trained for 50 epochs with each batch", "solved with each batch"
        ),
        Departure(
            "ties", "test accuracies of few labels often agree", "the first batch", "the batch of the lowest test NLL"
        ),
    )

    def __init__(self, batches: int = 100, largest: int = 5000) -> None:
        for name, value in (("batches", batches), ("largest", largest)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.batches, self.largest = batches, largest

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        oracle = cast(OraclePool, pool)
        candidates = self.candidates(pool, n, generator)
        right, nll = on_test(oracle, oracle.refitted_with(candidates))
        order = list(zip((-right).tolist(), nll.tolist(), strict=True))
        best = order.index(min(order))
        pool.note(
            best_accuracy=right[best] / len(oracle.test_labels),
            median_accuracy=right.median() / len(oracle.test_labels),
        )
        return candidates[best]

    def candidates(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        """The batches, positions (P, n)."""
        size, device = len(pool.indices), pool.indices.device
        least, most = min(4 * n, size), min(max(self.largest, n), size)
        found = []
        for member in torch.randint(len(MEMBERS), (self.batches,), generator=generator).tolist():
            count = int(torch.randint(min(least, most), most + 1, (1,), generator=generator))
            rows = torch.randperm(size, generator=generator)[:count].to(device)
            part = cast(Pool, PartOfPool(pool, rows))
            found.append(rows[MEMBERS[member]().select(part, n, generator).to(device)])
        return torch.stack(found)


def on_test(oracle: OraclePool, heads: Tensor) -> tuple[Tensor, Tensor]:
    """How many test images each of ``heads`` (P, C, D + 1) gets right, and its mean NLL in nats: (P,), (P,).

    Raises ValueError for outputs that are not finite.
    """
    right, nll = heads.new_zeros(len(heads)), heads.new_zeros(len(heads))
    start = 0
    for logits in logits_by_part(oracle.test_embeddings, heads):
        labels = oracle.test_labels[start : start + len(logits), None].expand(logits.shape[:2])
        right += (logits.argmax(dim=2) == labels).sum(dim=0)
        nll += F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).sum(dim=0)
        start += len(logits)
    if not nll.isfinite().all():
        raise ValueError("the test outputs are not finite: the model is broken")
    return right, nll / start
