"""Strategies that spread a batch over the pool, by embeddings or predictions, and those for few labels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.activeft import ActiveFT, one_each
from strategies.cdal import divergence_k_center
from strategies.components.equal_balls import EqualBalls
from strategies.components.feature_space import unit_points
from strategies.dcom import competence, in_balls, mixed, pure_radii, scaled, share
from strategies.kernels.clusters import nearest_centre
from strategies.kernels.margins import margin_uncertainty
from strategies.lcmd import largest_cluster_max_distance
from strategies.registry import resolve
from strategies.testing import SyntheticPool
from strategies.uherding import calibrated
from support.authors.stored import Arrays, close, clustered, features, picks, pool, replaced, same, tensor


def coreset(stored: Arrays) -> None:
    same(picks("coreset", pool(stored), len(stored["picks"])), stored["picks"])


def kmeans(stored: Arrays) -> None:
    """The images are as near to the centres as theirs; where a cluster has two, both are."""
    with clustered("strategies.kmeans", centres=stored["centres"]) as given:
        chosen = torch.tensor(picks("kmeans", pool(stored), 12))
    points, centres = tensor(stored["embeddings"]), tensor(stored["centres"])
    theirs = tensor(stored["picks"])
    assert nearest_centre(points, centres)[0][theirs].equal(torch.arange(12)), "an image of another cluster"
    close((points[chosen] - centres).norm(dim=1), (points[theirs] - centres).norm(dim=1).numpy(), 1e-6)
    assert (chosen == theirs).sum() >= 11
    assert given[0][2] is None, "k-means is weighted"
    close(given[0][0], stored["embeddings"], 0)


def cdal(stored: Arrays) -> None:
    """The first image is drawn there: with it as a centre the others follow."""
    images, first = pool(stored), int(stored["picks"][0])
    known = images.head(images.labelled_embeddings).detach()
    logits = torch.cat([known, images.logits[first : first + 1]])
    same(divergence_k_center(images.probs, 14, logits.softmax(dim=1)).tolist(), stored["picks"][1:])


def lcmd(stored: Arrays) -> None:
    same(picks("lcmd", pool(stored), 20), stored["picks"])
    points = tensor(stored["embeddings"])
    without = largest_cluster_max_distance(points, 20, points[:0])
    same(without.tolist(), stored["picks_without_labelled"])


def typiclust(stored: Arrays) -> None:
    for suffix in ("", "_few"):
        with clustered("strategies.typiclust", clusters=stored["clusters" + suffix]) as given:
            chosen = picks("typiclust[distance=squared]", features(stored, suffix), 16)
        assert given[0][1] == stored["clusters" + suffix].max() + 1, "another number of clusters"
        same(chosen, stored["picks" + suffix])


def probcover(stored: Arrays) -> None:
    """Of equal balls theirs takes the first."""
    with replaced("strategies.probcover.torch.randperm", lambda size, generator: torch.arange(size)):
        for delta in (0.3, 0.5):
            same(picks(f"probcover[delta={delta}]", features(stored), 12), stored[f"picks_{delta}"])


def dcom(stored: Arrays) -> None:
    """The radii that theirs rounds to 0.01, then the picks with those; the weight is rounded to 0.001.

    Theirs looks up what the labelled images cover in a graph of the mean radius: larger balls end there. For the
    coverage that the weight follows from they do not.
    """
    images = pool(stored)
    found: list[Tensor] = []
    strategy: Any = resolve("dcom[preset=authors]").build()
    with replaced("strategies.dcom.pure_radii", lambda *args: found.append(pure_radii(*args)) or found[0]):
        strategy.balls(images)
    np.testing.assert_allclose(found[0], stored["radii"], rtol=0, atol=0.0051)
    x, known = unit_points(images.features), unit_points(images.labelled_features)
    logits = torch.cat([images.logits, images.head(images.labelled_embeddings).detach()])
    theirs = tensor(stored["radii"]).to(found[0])
    coverage = share(in_balls(x, known, theirs), len(known))
    close(torch.tensor(coverage), stored["coverage"], 1e-6)
    covered = in_balls(x, known, theirs.clamp(max=float(theirs.mean())))
    uncertainty = scaled(margin_uncertainty(logits.softmax(dim=1)))[: len(x)]
    for midpoint in stored["midpoints"]:
        weight = round(competence(coverage, float(midpoint), 50), 3)
        chosen = mixed(EqualBalls(x, float(theirs.mean())), 12, covered, uncertainty, weight)
        same(chosen.tolist(), stored[f"picks_{midpoint}"])


def maxherding(stored: Arrays) -> None:
    for width in (1.0, 0.4):
        same(picks(f"maxherding[sigma={width}]", features(stored), 20), stored[f"picks_{width}"])


def activeft(stored: Arrays) -> None:
    """The gradient at the start, where the steps end, and the images next to there."""
    rows = tensor(stored["features"])
    for suffix in ("", "_other"):
        temperature, balance, steps = stored["settings" + suffix].tolist()
        strategy = ActiveFT(temperature, balance, int(steps))
        start = tensor(stored["start" + suffix])
        held = torch.full_like(rows[:, 0], -torch.inf)
        close(strategy.gradient(rows, start, rows[:0], held), stored["gradient" + suffix], 1e-9)
        moved = strategy.moved(rows, start, rows[:0])
        close(moved, stored["moved" + suffix], 1e-6)
        same(sorted(one_each(F.normalize(moved), rows).tolist()), stored["picks" + suffix])


@dataclass(frozen=True, eq=False)
class _HeldOut(SyntheticPool):
    """A pool whose second training gave the stored logits."""

    held_out: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor]:
        return self.held_out


def uherding(stored: Arrays) -> None:
    held_out = tensor(stored["held_out_logits"]), tensor(stored["held_out_labels"])
    plain = pool(stored)
    parts = {part.name: getattr(plain, part.name) for part in fields(plain) if part.init}
    close(np.array(calibrated(*held_out)), stored["temperature"], 1e-9)
    same(picks("uherding", _HeldOut(**parts, held_out=held_out), 20), stored["picks"])
