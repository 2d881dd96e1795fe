"""Training throughput on the CPU: the engine's loop against the field's reference loop, see ``loops``.

    python -m pytest -o addopts= tests/performance/test_training.py

Takes as many cores as PyTorch has threads here (``OMP_NUM_THREADS=1``: one): the engine one process of one thread a
core, as an executor does, the reference loop one process with that many threads; with more than one core also with
two loader processes, which an epoch starts anew. Each measurement of either is one training of ``steps`` steps from
fresh weights on 5,000 images, MNIST and CIFAR-10 where ``data/`` has them, made-up pixels otherwise. Batches are the
protocols', and for the compact network also 128. The reference loop flips and crops, and does not cut out.

``test_share_of_the_ceiling`` has as its baseline what one core computes at most, a product of two large bfloat16
matrices; its ratio is the share of that rate that a whole training step reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from comparison import CPU_TIME, SMOKE, compare, size
from loops import Case, Worker, multiply, operations, train_ours, train_reference

CORES = 1 if SMOKE else torch.get_num_threads()
IMAGES = size(5000, 64)


class Training(NamedTuple):
    case: Case
    steps: int
    goal: float


TRAININGS = {
    "resnet18": Training(Case("cifar10-ll4al"), 4, 2.5),
    "compact": Training(Case("cifar10-short"), 20, 2.3),
    "compact-128": Training(Case("cifar10-short", batch_size=128), 10, 2.3),
    "mnist-cnn": Training(Case("mnist"), 100, 2.9),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Callable[..., float]]:
    """Trains on every core at once and returns the seconds of the slowest."""
    workers = [Worker(1, keeps_memory=True) for _ in range(CORES)]
    yield lambda *arguments: max(f.result() for f in [worker.start(train_ours, *arguments) for worker in workers])
    for worker in workers:
        worker.close()


@pytest.fixture(scope="module")
def reference() -> Iterator[Callable[..., float]]:
    worker = Worker(CORES, keeps_memory=False)
    yield lambda *arguments: worker.start(train_reference, *arguments).result()
    worker.close()


@pytest.mark.benchmark(group="training")
@pytest.mark.parametrize("loaders", [0, 2])
@pytest.mark.parametrize("name", TRAININGS)
def test_training(
    benchmark: Any, engine: Callable[..., float], reference: Callable[..., float], name: str, loaders: int
) -> None:
    if loaders and (CORES == 1 or CPU_TIME):
        pytest.skip("loader processes need a second core, and CPU time does not see them")
    if SMOKE and name == "resnet18":
        pytest.skip("takes too long to see it run")
    training = TRAININGS[name]
    steps = size(training.steps, 1)
    images = steps * training.case.resolved(steps).recipe.batch_size
    compare(
        benchmark,
        lambda: engine(training.case, IMAGES, steps),
        lambda: reference(training.case, IMAGES, steps, loaders),
        items=(CORES * images, images),
        unit="images",
        goal=training.goal,
        warm_up=not SMOKE,
    )


@pytest.mark.benchmark(group="ceiling")
@pytest.mark.parametrize("name", TRAININGS)
def test_share_of_the_ceiling(benchmark: Any, name: str) -> None:
    if SMOKE and name == "resnet18":
        pytest.skip("takes too long to see it run")
    case, steps = TRAININGS[name].case, size(TRAININGS[name].steps, 1)
    worker = Worker(1, keeps_memory=True)
    side, times = size(2048, 64), size(10, 1)
    images = steps * case.resolved(steps).recipe.batch_size
    compare(
        benchmark,
        lambda: worker.start(train_ours, case, IMAGES, steps).result(),
        lambda: worker.start(multiply, side, times).result(),
        items=(images * operations(case) / 1e9, 2 * side**3 * times / 1e9),
        unit="GFLOP",
        warm_up=not SMOKE,
    )
    worker.close()
