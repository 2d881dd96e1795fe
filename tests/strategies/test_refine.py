"""Refine against its law written out, on pools made of the drawn images alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from support.made_up import seeded
from torch import Tensor

from strategies.refine import MEMBERS, Refine
from strategies.registry import resolve
from strategies.testing import SyntheticPool
from strategies.uherding import UHerding

ENSEMBLE = (*MEMBERS, UHerding)


def filtered_by_hand(
    pool: SyntheticPool, n: int, generator: torch.Generator, *, depth: int, batches: int, first: int, most: int
) -> tuple[list[set[int]], list[int]]:
    """The images after each round, as sets, and the batch; α is a half."""
    left, size, pools = list(range(len(pool.indices))), first, []
    for _ in range(depth):
        union: set[int] = set()
        for member in ENSEMBLE:
            for _ in range(batches // 9):
                seen = [left[i] for i in torch.randperm(len(left), generator=generator).tolist()[: max(size, n)]]
                alone = pool.permuted(torch.tensor(seen))
                union |= {seen[i] for i in member().select(alone, n, generator).tolist()}
        left = sorted(union)
        if len(left) > most:
            left = [left[i] for i in torch.randperm(len(left), generator=generator).tolist()[:most]]
        size = max(n, len(left) // 2)
        pools.append(set(left))
    last = pool.permuted(torch.tensor(left))
    return pools, [left[i] for i in UHerding().select(last, n, generator).tolist()]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize(
    ("labelled", "depth", "batches", "first", "most"),
    [(30, 3, 20, 60, 10_000), (30, 1, 9, 30, 10_000), (30, 2, 27, 25, 22), (5, 2, 9, 4, 10_000)],
    ids=["plain", "one-round", "cut", "few-labels"],
)
def test_the_pool_is_filtered_and_what_is_left_is_covered(
    labelled: int, depth: int, batches: int, first: int, most: int
) -> None:
    pool = SyntheticPool.draw(120, labelled)
    settings = {"depth": depth, "batches": batches, "first": first, "most": most}
    pools, batch = filtered_by_hand(pool, 7, seeded(3), **settings)
    assert Refine(share=0.5, **settings).select(pool, 7, seeded(3)).tolist() == batch
    assert set(batch) <= pools[-1]
    assert all(later <= earlier for earlier, later in pairwise(pools))
    assert len(pools[-1]) < 120
    assert pool.notes["candidates"] == len(pools[-1])


def test_an_image_that_no_member_wants_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """UHerding itself would take it first: it is where most images are."""
    pool = SyntheticPool.draw(80, 20)
    chosen = set(UHerding().select(pool, 3, seeded()).tolist())

    class Others:
        def select(self, part: SyntheticPool, n: int, generator: torch.Generator) -> Tensor:
            unwanted = torch.isin(part.indices, pool.indices[list(chosen)])
            return (~unwanted).nonzero().squeeze(1)[:n]

    monkeypatch.setattr("strategies.refine.MEMBERS", (Others,))
    instead = "strategies.refine.UHerding.chosen"
    monkeypatch.setattr(instead, lambda self, part, points, *args: Others().select(part, *args[:2]))
    strategy = Refine(batches=2, first=80)
    assert not chosen & set(strategy.select(pool, 3, seeded()).tolist())


def test_the_whole_pool_may_be_what_is_asked_for() -> None:
    assert sorted(Refine(depth=2, batches=9).select(SyntheticPool.draw(12, 30), 12, seeded()).tolist()) == [*range(12)]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("refine[depth=0]", "depth must be at least 1, not 0"),
        ("refine[batches=8]", "batches must be at least 9, not 8"),
        ("refine[share=0.0]", "share must be above 0 and at most 1, not 0.0"),
        ("refine[share=1.5]", "share must be above 0 and at most 1, not 1.5"),
        ("refine[first=0]", "first must be at least 1, not 0"),
        ("refine[most=0]", "most must be at least 1, not 0"),
    ],
)
def test_a_parameter_out_of_range_is_named(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        resolve(spec).build()


def test_the_second_training_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    own = SyntheticPool.cross_fit

    def cross_fit(self: SyntheticPool, share: float) -> tuple[Tensor, Tensor] | None:
        asked.append(share)
        return own(self, share)

    monkeypatch.setattr(SyntheticPool, "cross_fit", cross_fit)
    Refine(depth=2, batches=18).select(SyntheticPool.draw(60, 30), 5, seeded())
    assert asked == [0.3]
