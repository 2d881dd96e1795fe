"""Kernels on the pretended GPU pick what they pick on the CPU, and do not make the host wait for each pick."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from support.made_up import seeded
from support.pretended_gpu import missing
from torch import Tensor
from torch.nn import functional as F

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.pretended_gpu.log import Log
from support.pretended_gpu.pretending import pretended_gpu

from strategies.kernels.clusters import agglomerative, kmeans
from strategies.kernels.fisher import greedy_design
from strategies.kernels.lazy_greedy import ball, gaussian, lazy_greedy
from strategies.lcmd import largest_cluster_max_distance
from strategies.uherding import calibrated

Pick = Callable[[Callable[[Tensor], Tensor]], Tensor]  # given how a tensor gets to the device


@pytest.fixture
def log() -> Iterator[Log]:
    with pretended_gpu() as log:
        yield log


def to_gpu(tensor: Tensor) -> Tensor:
    return tensor.to("cuda")


def points(size: int, width: int, seed: int = 0) -> Tensor:
    """Standard normal, with duplicates."""
    x = torch.randn(size, width, generator=seeded(seed))
    x[size // 2 : size // 2 + size // 10] = x[size // 3]
    return x


UNIT = F.normalize(points(300, 5), dim=1)
WEIGHTS = torch.rand(300, generator=seeded(1))
PROBS, ROWS = points(50, 4).double().softmax(dim=1), points(50, 3, 1).double()
START, TARGET = torch.eye(12, dtype=torch.float64), torch.diag(torch.arange(1.0, 13, dtype=torch.float64))
# By name: so many picks, by a function, with at most so many waits of the host.
KERNELS: dict[str, tuple[int, Pick, int]] = {
    "herding": (60, lambda to: lazy_greedy(to(UNIT), 60, gaussian(0.4), weights=to(WEIGHTS)), 12),
    "herding, narrow": (60, lambda to: lazy_greedy(to(UNIT), 60, gaussian(0.05)), 12),
    "balls": (60, lambda to: lazy_greedy(to(UNIT), 60, ball(0.2), covered=to(WEIGHTS.round())), 12),
    "lcmd": (40, lambda to: largest_cluster_max_distance(to(UNIT), 40, to(UNIT[:9] + 0.01)), 3),
    "lcmd, cold": (40, lambda to: largest_cluster_max_distance(to(UNIT), 40, to(UNIT[:0])), 3),
    "bait": (20, lambda to: greedy_design(to(START), to(TARGET), to(PROBS), to(ROWS), 20), 3),
    "bait, all": (50, lambda to: greedy_design(to(START), to(TARGET), to(PROBS), to(ROWS), 50), 3),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_pick_the_same_without_a_wait_for_each(name: str) -> None:
    count, pick, waits = KERNELS[name]
    expected = pick(lambda tensor: tensor)
    with pretended_gpu() as log:
        found = pick(to_gpu)
        assert sum(log.waits.values()) <= waits, log.waits
        assert not log.unordered
        assert found.tolist() == expected.tolist()
    assert len(expected.unique()) == len(expected) <= count


def test_lcmd_goes_on_where_all_that_is_left_lies_on_a_centre(log: Log) -> None:
    x = points(1, 3).repeat(6, 1)
    x[4] += 1
    for to in (to_gpu, lambda tensor: tensor):
        assert largest_cluster_max_distance(to(x), 5, to(x[:0])).tolist()[1:] == [0, 1, 2, 3]
        assert largest_cluster_max_distance(to(x), 6, to(x)).tolist() == list(range(6))


def test_a_temperature_costs_one_copy_of_the_logits(log: Log) -> None:
    logits, labels = 5 * points(8, 3), torch.arange(8) % 3
    expected = calibrated(logits, labels)
    log.clear()
    assert calibrated(to_gpu(logits), to_gpu(labels)) == expected > 1
    assert sum(log.waits.values()) == 2  # logits and labels


@pytest.mark.parametrize("weights", [None, torch.rand(200, generator=seeded(2)), torch.zeros(200)])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_kmeans_ends_in_the_clusters_of_the_cpu(k: int, weights: Tensor | None, log: Log) -> None:
    x = torch.randn(200, 4, generator=seeded(k))
    labels, centres = kmeans(x, k, seeded(), weights)
    found, means = kmeans(to_gpu(x), k, seeded(), None if weights is None else to_gpu(weights))
    assert found.tolist() == labels.tolist()
    torch.testing.assert_close(means.cpu(), centres, rtol=1e-4, atol=1e-5)
    assert not log.unordered


def test_kmeans_beyond_mini_batches_is_no_worse_than_they_are(log: Log) -> None:
    x = torch.randn(600, 3, generator=seeded())
    spread = []
    for rows in (x, to_gpu(x)):
        labels, centres = kmeans(rows, 60, seeded())
        spread.append(float((x - centres.cpu()[labels.cpu()]).square().sum()))
    assert spread[1] <= spread[0]


def test_kmeans_with_fewer_distinct_points_than_clusters(log: Log) -> None:
    x = torch.arange(3.0).repeat(5)[:, None]
    labels, centres = kmeans(to_gpu(x), 6, seeded())
    assert centres.isfinite().all()
    assert (x - centres.cpu()[labels.cpu()]).abs().max() < 1e-6


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
@pytest.mark.parametrize("k", [1, 12, 150])
def test_agglomerative_makes_the_clusters_of_the_cpu(k: int, linkage: str, log: Log) -> None:
    x = torch.randn(150, 4, generator=seeded(k))
    expected = agglomerative(x, k, linkage)  # type: ignore[arg-type]
    log.clear()
    assert agglomerative(to_gpu(x), k, linkage).tolist() == expected.tolist()  # type: ignore[arg-type]
    if linkage != "single":  # which joins one point after the other to the largest cluster
        assert sum(log.waits.values()) < 75  # two for each sweep, of 150 - k merges
    assert not log.unordered


def test_agglomerative_of_equal_points(log: Log) -> None:
    for k in (1, 3, 5):
        assert agglomerative(to_gpu(torch.ones(5, 2)), k).unique().tolist() == list(range(k))
