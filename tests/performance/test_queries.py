"""BADGE and core-set against the loops that make one sweep over the pool for every pick.

    python -m pytest -o addopts= tests/performance/test_queries.py

Baselines are fp32 matrix-vector products with preallocated buffers and the same law, on as many threads as PyTorch
takes. The fast query is timed right before and right after each baseline, for other work on the machine slows both;
where there is much of it, set OMP_NUM_THREADS=1, since threads that wait for each other suffer most.
The pool is synthetic, made to look like a trained network's: rectified features of 10 classes of 50 modes each, and
logits linear in them (mean confidence 0.72). Environment: PERF_POOL (50,000 images), PERF_PICKS (1,000), and
PERF_SCALING, the largest pool of ``test_scaling``, which is skipped without it.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from strategies.algorithms.distances import lower
from strategies.algorithms.k_center import k_center
from strategies.algorithms.kmeans_plus_plus import kmeans_plus_plus
from strategies.badge import gradient_embeddings

POOL = int(os.environ.get("PERF_POOL", "50000"))
PICKS = int(os.environ.get("PERF_PICKS", "1000"))
SCALING = int(os.environ.get("PERF_SCALING", "0"))
WIDTH, CLASSES, MODES = 512, 10, 50
GOALS = POOL >= 50_000 and PICKS >= 1000  # smaller sizes only show that everything runs


class Pool(NamedTuple):
    embeddings: Tensor  # (N, 512)
    probs: Tensor  # (N, 10)


@lru_cache(maxsize=1)
def pool(size: int) -> Pool:
    """Rectified mixtures, in chunks, so that nothing much larger than the pool is ever in memory."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.randn(CLASSES, WIDTH, generator=generator)
    modes = classes.repeat_interleave(MODES, 0) + 0.5 * torch.randn(CLASSES * MODES, WIDTH, generator=generator)
    embeddings = torch.empty(size, WIDTH)
    for chunk in embeddings.split(16_384):
        mode = torch.randint(len(modes), (len(chunk),), generator=generator)
        torch.randn(chunk.shape, generator=generator, out=chunk)
        chunk.add_(modes[mode], alpha=2).relu_().mul_(0.25)
    head = classes.relu()
    head = 20 / WIDTH * (head - head.mean(dim=0))
    return Pool(embeddings, (embeddings @ head.T).softmax(dim=1))


def badge(images: Pool) -> Tensor:
    points = gradient_embeddings(images.probs, images.embeddings)
    return kmeans_plus_plus(points, PICKS, torch.Generator().manual_seed(1), first=int(points.squared_norms.argmax()))


def coreset(images: Pool) -> Tensor:
    return k_center(images.embeddings, PICKS)


def badge_one_sweep_per_pick(images: Pool) -> Tensor:
    errors, embeddings = gradient_embeddings(images.probs, images.embeddings).factors
    norms = errors.square().sum(dim=1) * torch.einsum("nd,nd->n", embeddings, embeddings)
    products = torch.empty_like(norms)

    def inner(pick: int, out: Tensor) -> None:
        torch.mv(embeddings, embeddings[pick], out=out)
        out.mul_(torch.mv(errors, errors[pick], out=products))

    return plain_kmeans_plus_plus(inner, norms)


def badge_materialised(images: Pool) -> Tensor:
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


def coreset_one_sweep_per_pick(images: Pool) -> Tensor:
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


def seconds(query: Callable[[Pool], Tensor], images: Pool) -> float:
    start = time.perf_counter()
    query(images)
    return time.perf_counter() - start


def compare(benchmark: Any, baseline: Callable[[Pool], Tensor], fast: Callable[[Pool], Tensor]) -> tuple[float, Tensor]:
    """How many times faster ``fast`` is than ``baseline``, and the baseline's picks."""
    images = pool(POOL)
    around = [seconds(fast, images) for _ in range(3)]
    start = time.perf_counter()
    picks = benchmark.pedantic(baseline, args=(images,), rounds=1)
    slow = time.perf_counter() - start
    around += [seconds(fast, images) for _ in range(3)]
    ratio = slow / statistics.median(around)
    benchmark.extra_info["times faster"] = ratio
    print(f"\n{baseline.__name__}: {slow:.2f} s, {fast.__name__}: {statistics.median(around):.3f} s, {ratio:.1f}×")
    return ratio, picks


def potential(images: Pool, picks: Tensor) -> float:
    """What k-means++ makes small: the mean squared distance to the nearest pick, on the gradient embeddings."""
    points = gradient_embeddings(images.probs, images.embeddings)
    nearest = torch.full_like(points.squared_norms, torch.inf)
    lower(nearest, points, points[picks])
    return float(nearest.mean())


@pytest.mark.benchmark(group="badge")
def test_badge(benchmark: Any) -> None:
    images = pool(POOL)
    picks = benchmark.pedantic(badge, args=(images,), rounds=3, warmup_rounds=1)
    assert len(picks.unique()) == PICKS


@pytest.mark.benchmark(group="badge")
@pytest.mark.parametrize(("baseline", "goal"), [(badge_one_sweep_per_pick, 10), (badge_materialised, 40)])
def test_badge_baseline(benchmark: Any, baseline: Callable[[Pool], Tensor], goal: float) -> None:
    ratio, picks = compare(benchmark, baseline, badge)
    images = pool(POOL)
    assert potential(images, badge(images)) == pytest.approx(potential(images, picks), rel=0.05)
    assert ratio >= goal or not GOALS


@pytest.mark.benchmark(group="coreset")
def test_coreset(benchmark: Any) -> None:
    images = pool(POOL)
    picks = benchmark.pedantic(coreset, args=(images,), rounds=3, warmup_rounds=1)
    assert len(picks.unique()) == PICKS


@pytest.mark.benchmark(group="coreset")
def test_coreset_baseline(benchmark: Any) -> None:
    ratio, picks = compare(benchmark, coreset_one_sweep_per_pick, coreset)
    same = float((picks == coreset(pool(POOL))).float().mean())
    assert same > 0.9  # in fp32 near-ties may fall otherwise
    assert ratio >= 10 or not GOALS


@pytest.mark.benchmark(group="scaling")
@pytest.mark.parametrize("size", [80_000, 160_000, 320_000, 640_000, 1_280_000])
@pytest.mark.parametrize("query", [badge, coreset])
def test_scaling(benchmark: Any, query: Callable[[Pool], Tensor], size: int) -> None:
    if size > SCALING:
        pytest.skip(f"set PERF_SCALING={size} to run it")
    pool.cache_clear()
    images = pool(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    picks = benchmark.pedantic(query, args=(images,), rounds=1)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    features = images.embeddings.nbytes / 2**30
    benchmark.extra_info |= {"features GiB": features, "peak GiB": peak}
    print(
        f"\n{query.__name__}, {size:,}: {took:.2f} s, features {features:.2f} GiB, peak {before:.2f} → {peak:.2f} GiB"
    )
    assert len(picks.unique()) == PICKS
