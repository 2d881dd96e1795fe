"""BADGE and core-set against the loops that make one sweep over the pool for every pick; and how they scale.

    python -m pytest -o addopts= tests/performance/test_queries.py

Baselines are fp32 matrix-vector products with preallocated buffers and the same law, on as many threads as PyTorch
takes, in turn with the fast query. The pool is synthetic, see ``pools``. Environment: ``PERF_POOL`` (50,000 images),
``PERF_PICKS`` (1,000), and ``PERF_SCALING``, the largest pool of ``test_scaling``, which is skipped without it;
``PERF_SCALING=1280000`` goes up to ImageNet's size, which takes 2.7 GB for the features.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import Any

import pytest
import torch
from comparison import SMOKE, compare, timed
from pools import PICKS, POOL, MadeUpPool
from torch import Tensor

from strategies.kernels.distances import lower
from strategies.kernels.gradients import gradient_embeddings
from strategies.kernels.k_center import k_center
from strategies.kernels.kmeans_plus_plus import kmeans_plus_plus

SCALING = int(os.environ.get("PERF_SCALING", "0"))
SIZES = [50_000, 160_000, 320_000, 640_000, 1_280_000]
ROUNDS = 1 if SMOKE else 3


@lru_cache(maxsize=1)
def pool() -> MadeUpPool:
    return MadeUpPool(POOL)


def badge(images: MadeUpPool) -> Tensor:
    points = gradient_embeddings(images.probs, images.embeddings)
    return kmeans_plus_plus(points, PICKS, torch.Generator().manual_seed(1), first=int(points.squared_norms.argmax()))


def coreset(images: MadeUpPool) -> Tensor:
    return k_center(images.embeddings, PICKS)


def badge_one_sweep_per_pick(images: MadeUpPool) -> Tensor:
    errors, embeddings = gradient_embeddings(images.probs, images.embeddings).factors
    norms = errors.square().sum(dim=1) * torch.einsum("nd,nd->n", embeddings, embeddings)
    products = torch.empty_like(norms)

    def inner(pick: int, out: Tensor) -> None:
        torch.mv(embeddings, embeddings[pick], out=out)
        out.mul_(torch.mv(errors, errors[pick], out=products))

    return plain_kmeans_plus_plus(inner, norms)


def badge_materialised(images: MadeUpPool) -> Tensor:
    errors, embeddings = gradient_embeddings(images.probs, images.embeddings).factors
    gradients = torch.einsum("nc,nd->ncd", errors, embeddings).flatten(1)
    norms = torch.einsum("nd,nd->n", gradients, gradients)
    return plain_kmeans_plus_plus(lambda pick, out: torch.mv(gradients, gradients[pick], out=out), norms)


def plain_kmeans_plus_plus(inner: Callable[[int, Tensor], Any], norms: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    nearest, distances = torch.full_like(norms, torch.inf), torch.empty_like(norms)
    picks = [int(norms.argmax())]
    while len(picks) < PICKS:
        inner(picks[-1], distances)
        torch.add(norms, distances, alpha=-2, out=distances).add_(norms[picks[-1]]).clamp_(min=0)
        torch.minimum(nearest, distances, out=nearest)
        nearest[picks[-1]] = 0
        cumulative = nearest.double().cumsum(dim=0)
        target = torch.rand(1, dtype=torch.float64, generator=generator) * cumulative[-1]
        picks.append(int(torch.searchsorted(cumulative, target, right=True)))
    return torch.tensor(picks)


def coreset_one_sweep_per_pick(images: MadeUpPool) -> Tensor:
    embeddings = images.embeddings
    norms = torch.einsum("nd,nd->n", embeddings, embeddings)
    nearest, distances = torch.full_like(norms, torch.inf), torch.empty_like(norms)
    picks = [int((embeddings - embeddings.mean(dim=0)).square().sum(dim=1).argmax())]
    while len(picks) < PICKS:
        torch.mv(embeddings, embeddings[picks[-1]], out=distances)
        torch.add(norms, distances, alpha=-2, out=distances).add_(norms[picks[-1]])
        torch.minimum(nearest, distances, out=nearest)
        nearest[picks[-1]] = -1
        picks.append(int(nearest.argmax()))
    return torch.tensor(picks)


Query = Callable[[MadeUpPool], Tensor]


def picks_of_both(benchmark: Any, fast: Query, baseline: Query, goal: float) -> tuple[Tensor, Tensor]:
    """Compare their times; and what both choose."""
    images = pool()
    chosen: dict[Query, Tensor] = {}

    def query(which: Query) -> Callable[[], None]:
        return lambda: chosen.update({which: which(images)})

    fast(images)  # once, to warm up: the baselines are too slow for that
    compare(benchmark, timed(query(fast)), timed(query(baseline)), goal=goal, rounds=ROUNDS, warm_up=False)
    return chosen[fast], chosen[baseline]


def potential(images: MadeUpPool, picks: Tensor) -> float:
    """What k-means++ makes small: the mean squared distance to the nearest pick, on the gradient embeddings."""
    points = gradient_embeddings(images.probs, images.embeddings)
    nearest = torch.full_like(points.squared_norms, torch.inf)
    lower(nearest, points, points[picks])
    return float(nearest.mean())


@pytest.mark.benchmark(group="badge")
@pytest.mark.parametrize(("baseline", "goal"), [(badge_one_sweep_per_pick, 10), (badge_materialised, 40)])
def test_badge(benchmark: Any, baseline: Query, goal: float) -> None:
    fast, plain = picks_of_both(benchmark, badge, baseline, goal)
    assert len(fast.unique()) == PICKS
    assert potential(pool(), fast) == pytest.approx(potential(pool(), plain), rel=0.25 if SMOKE else 0.05)


@pytest.mark.benchmark(group="coreset")
def test_coreset(benchmark: Any) -> None:
    fast, plain = picks_of_both(benchmark, coreset, coreset_one_sweep_per_pick, 10)
    assert len(fast.unique()) == PICKS
    assert (plain == fast).float().mean() > 0.9  # in fp32 near-ties may fall otherwise


@pytest.mark.benchmark(group="scaling")
@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("query", [badge, coreset])
def test_scaling(benchmark: Any, query: Query, count: int) -> None:
    if count > SCALING:
        pytest.skip(f"set PERF_SCALING={count} to run it")
    # A process of its own, for a process's peak memory never falls again.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        took, before, peak = process.submit(scaled, query, count, torch.get_num_threads()).result()
    note = f"memory {before:.2f} GiB, at its peak {peak:.2f} GiB"
    compare(benchmark, lambda: took, rounds=1, warm_up=False, note=note)


def scaled(query: Query, count: int, threads: int) -> tuple[float, float, float]:
    """Seconds of a query, and the process's peak memory in GiB before and after it."""
    torch.set_num_threads(threads)
    images = MadeUpPool(count)
    before = peak_memory()
    took = timed(lambda: query(images))()
    return took, before, peak_memory()


def peak_memory() -> float:
    """The most that this process has had in memory, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
