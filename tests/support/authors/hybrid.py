"""BADGE, BAIT, CLUE, FALCUN, ALFA-Mix, DropQuery and Refine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from strategies.alfa_mix import AlfaMix
from strategies.api import Pool
from strategies.badge import Badge
from strategies.coreset import CoreSet
from strategies.dropquery import DropQuery
from strategies.kernels.gradients import gradient_embeddings
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus
from strategies.margin import Margin
from strategies.refine import Refine, among
from strategies.uherding import UHerding
from support.authors.stored import Arrays, close, clustered, drawn, picks, pool, replaced, same, tensor
from support.made_up import pool_of, seeded


def badge(stored: Arrays) -> None:
    """The first image, and the law of each further one given those before."""
    images, theirs = pool(stored), stored["picks"].tolist()
    assert Badge().select(images, 1, seeded()).tolist() == theirs[:1]
    points = gradient_embeddings(images.probs, images.embeddings)
    with drawn("strategies.kernels.kmeans_plus_plus", theirs[1:]) as laws:
        chosen = kmeans_plus_plus(points, len(theirs), seeded(), first=theirs[0], block=1)
    same(chosen.tolist(), stored["picks"])
    for ours, law in zip(laws, stored["laws"], strict=True):
        close(ours, law, 1e-4)


def bait(stored: Arrays) -> None:
    same(sorted(picks("bait", pool(stored), 8)), sorted(stored["picks"]))


def clue(stored: Arrays) -> None:
    for suffix, temperature in (("", 1.0), ("_cold", 0.3)):
        with clustered("strategies.clue", centres=stored["centres" + suffix]) as given:
            chosen = picks(f"clue[temperature={temperature}]", pool(stored), 10)
        close(given[0][2], stored["weights" + suffix], 1e-5)
        same(sorted(chosen), sorted(stored["picks" + suffix]))


def falcun(stored: Arrays) -> None:
    with drawn("strategies.falcun", stored["picks"].tolist()) as laws:
        picks("falcun[preset=authors]", pool_of(probs=tensor(stored["probs"])), len(stored["picks"]))
    for ours, law in zip(laws, stored["laws"], strict=True):
        close(ours, law, 1e-9)


def alfa_mix(stored: Arrays) -> None:
    """The images whose class changes at every cap, and the batch near the centres of those of the first cap."""
    images = pool(stored)
    least = AlfaMix(form="elementwise").least_change(images)
    for cap, changed in zip(stored["caps"], stored["changed"], strict=True):
        same((least < cap / 6**0.5).tolist(), changed)
    with clustered("strategies.alfa_mix", centres=stored["centres"]) as given:
        ours = picks("alfa-mix[form=elementwise,step=0.2]", images, 6)
    points = torch.nn.functional.normalize(images.embeddings)
    nearest, near = torch.cdist(points, tensor(stored["centres"]).to(points)).min(dim=1)
    mine, theirs = ({int(near[i]): float(nearest[i]) for i in batch} for batch in (ours, stored["picks"]))
    assert mine == pytest.approx(theirs, abs=1e-5)  # both images of a cluster of two are as near to its centre
    rows = torch.nn.functional.normalize(images.embeddings[tensor(stored["changed"][0])])
    close(given[0][0], rows.numpy(), 1e-6)


def dropquery(stored: Arrays) -> None:
    """Images whose class changes in most passes, or in any where these are fewer than 25 n; the batch near centres."""
    images = pool(stored)
    passes = images.embeddings.masked_fill(tensor(stored["dropped"]), 0) * 2
    changed = (images.head(passes).argmax(dim=2) != images.logits.argmax(dim=1)).sum(dim=0)
    strategy = DropQuery()
    strategy.disagreements = lambda pool, generator: changed  # type: ignore[method-assign]
    for n in (1, 2, 3):
        same(strategy.candidates(changed, n).tolist(), stored[f"candidates_{n}"])
        with clustered("strategies.dropquery", centres=stored[f"centres_{n}"]):
            same(sorted(strategy.select(images, n, seeded()).tolist()), stored[f"picks_{n}"])
    few = stored["candidates_80"].tolist()
    same(strategy.candidates(changed, 80).tolist(), few)
    assert set(few) <= set(strategy.select(images, 80, seeded()).tolist())


def refine(stored: Arrays) -> None:
    """The images left after every round, and the batch, given what each query chose from and what a cut left.

    The ensemble is of margin sampling and core-set, which draw nothing; core-set in UHerding's place chooses the batch.
    """

    def coreset(self: UHerding, images: Pool, points: Any, n: int, generator: torch.Generator, *scales: Any) -> Tensor:
        return CoreSet().select(images, n, generator)

    for suffix in ("", "_cut"):
        n, depth, batches, share, first, most = stored["settings" + suffix].tolist()
        theirs = iter(tensor(stored["draws" + suffix]).long().split(stored["lengths" + suffix].tolist()))
        drawn_from: list[list[int]] = []
        asked: list[list[int]] = []

        def given(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
            part = next(theirs)  # noqa: B023
            assert len(part) == min(count, len(rows)), "another number of images"
            assert set(part.tolist()) <= set(rows.tolist()), "not in our pool"
            drawn_from.append(rows.tolist())  # noqa: B023
            return part.sort().values if count == most else part  # noqa: B023

        def recorded(images: Pool, rows: Tensor, *args: Any) -> Tensor:
            asked.append(rows.tolist())  # noqa: B023
            return among(images, rows, *args)

        with (
            replaced("strategies.refine.MEMBERS", (Margin,)),
            replaced("strategies.refine.drawn", given),
            replaced("strategies.refine.among", recorded),
            replaced("strategies.refine.UHerding.chosen", coreset),
        ):
            strategy = Refine(int(depth), int(batches), share, int(first), int(most))
            chosen = strategy.select(pool(stored), int(n), seeded())
        assert next(theirs, None) is None, "theirs draws more"
        pools = [stored[f"pool{suffix}_{number + 1}"].tolist() for number in range(int(depth))]
        assert all(later in drawn_from for later in pools[:-1])
        assert asked[-1] == pools[-1]
        same(chosen.tolist(), stored["picks" + suffix])
