"""Radii from the features, and the strategies that use them, against their definitions written out."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from support.grouped_pools import brute_greedy, grouped_pool, unit
from support.made_up import seeded
from torch import Tensor

from strategies.components.radii import quantile_radius, singleton_share
from strategies.kernels.distances import Points
from strategies.probcover import ProbCover
from strategies.registry import resolve
from strategies.testing import SyntheticPool

RULES = ("probcover", "probcover[balls_per_class=3.0]", "maxherding", "dcom", "uherding")


def brute_pairs(x: Tensor) -> list[float]:
    distances = (float(torch.linalg.vector_norm(a - b)) for a, b in combinations(x, 2))
    return sorted(distance for distance in distances if distance > 1e-7)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.37, 0.95])
def test_a_share_of_the_pairs_lies_within_the_radius(share: float) -> None:
    x = torch.randn(60, 5, dtype=torch.float64, generator=seeded())
    x[40:45] = x[7]
    pairs = brute_pairs(x)
    radius = quantile_radius(Points.of(x), torch.arange(60), share)
    within = sum(pair <= radius for pair in pairs)
    assert within >= share * len(pairs)
    assert within - 1 < share * len(pairs)
    assert min(abs(pair - radius) for pair in pairs) > 1e-9


def test_without_two_distinct_images_the_radius_is_one() -> None:
    for x in (torch.zeros(0, 3), torch.ones(1, 3), torch.ones(5, 3)):
        assert quantile_radius(Points.of(x), torch.arange(len(x)), 0.01) == 1


def test_the_radius_of_a_large_pool_is_close_to_that_of_all_pairs_and_follows_no_order() -> None:
    x = torch.nn.functional.normalize(torch.randn(5000, 6, generator=seeded()), dim=1)
    indices = torch.randperm(9000, generator=seeded())[:5000]
    radius = quantile_radius(Points.of(x), indices, 0.01)
    all_pairs = torch.pdist(x)
    assert float((all_pairs <= radius).double().mean()) == pytest.approx(0.01, rel=0.1)
    order = torch.randperm(5000, generator=seeded(1))
    assert quantile_radius(Points.of(x[order]), indices[order], 0.01) == pytest.approx(radius, rel=1e-6)


def test_singletons_are_counted() -> None:
    x = torch.randn(300, 4, dtype=torch.float64, generator=seeded())
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    found = []
    for radius in (0.1, 0.5, 1.0):
        found.append(singleton_share(Points.of(x), torch.arange(300), radius))
        assert found[-1] == float((distances.amin(dim=1) > radius).double().mean())
    assert 1 > found[0] > found[1] > found[2] > 0
    apart = 10 * torch.eye(3000)  # more than are drawn, and not in one block
    assert singleton_share(Points.of(apart), torch.arange(3000), 1.0) == 1


@pytest.mark.parametrize("balls", [3.0, 10.0])
def test_probcover_covers_by_the_quantile_of_all_images(balls: float) -> None:
    images = grouped_pool(150, 12)
    x, known = unit(images)
    pairs = brute_pairs(torch.cat([x, known]))
    allowed = -(-len(pairs) // (balls * images.class_count))
    between = (pairs[int(allowed) - 1] + pairs[int(allowed)]) / 2
    covers = (torch.cdist(x, x) <= between).double()
    covered = (torch.cdist(x, known) <= between).any(dim=1).double()
    order = torch.randperm(150, generator=seeded())
    expected = order[brute_greedy(covers[order][:, order], 9, torch.ones(150), covered[order])]
    assert len(expected) == 9
    found = resolve(f"probcover[balls_per_class={balls}]").build()
    assert found.select(images, 9, seeded()).equal(expected)


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("factor", [1e-4, 0.3, 700.0])
def test_the_scale_of_the_features_changes_no_pick(text: str, factor: float) -> None:
    images = grouped_pool(200, 15, spread=0.7)
    scaled = replace(images, features=images.features * factor, labelled_features=images.labelled_features * factor)
    strategy = resolve(text).build()
    assert strategy.select(scaled, 12, seeded()).equal(strategy.select(images, 12, seeded()))


@pytest.mark.parametrize("text", ["maxherding", "dcom[steepness=5.0]", "uherding"])  # where no counts tie
def test_the_order_of_the_images_changes_no_pick(text: str) -> None:
    images = grouped_pool(200, 15, spread=0.7)
    order = torch.randperm(200, generator=seeded(3))
    strategy = resolve(text).build()
    picks = images.indices[strategy.select(images, 8, seeded())]
    permuted = images.permuted(order)
    assert permuted.indices[strategy.select(permuted, 8, seeded())].equal(picks)


def test_the_order_of_the_images_changes_no_radius() -> None:
    images = grouped_pool(200, 15, spread=0.7)
    permuted = images.permuted(torch.randperm(200, generator=seeded(3)))
    strategy = ProbCover()
    assert strategy.radius(permuted, seeded()) == pytest.approx(strategy.radius(images, seeded()), rel=1e-12)


def narrow(images: SyntheticPool) -> SyntheticPool:
    """The same images in a cone: all features share a large direction, as those of a ReLU network do."""

    def shifted(x: Tensor) -> Tensor:
        return torch.cat([x, torch.full((len(x), 1), 30.0).to(x)], dim=1)

    return replace(images, features=shifted(images.features), labelled_features=shifted(images.labelled_features))


@pytest.mark.parametrize("name", ["probcover", "maxherding", "dcom"])
def test_the_radius_shrinks_with_the_spread_of_the_features(name: str) -> None:
    """With fixed radii, one ball covers a narrow cone whole, and what is picked next is random."""
    images = replace(grouped_pool(200, 0, spread=0.3), has_model=False)
    cone = narrow(images)
    groups = (torch.cdist(cone.features, cone.features) < 2.5).double()
    strategy = resolve(name).build()
    picks = strategy.select(cone, 5, seeded())
    covered = groups[picks].amax(dim=0).mean()
    assert covered > 0.8


@pytest.mark.parametrize("name", ["probcover", "dcom"])
def test_a_collapsed_radius_is_noted(name: str) -> None:
    images = grouped_pool(200, 15, spread=0.7)
    radii = "delta=0.001" if name == "probcover" else "delta=0.0001,largest_delta=0.0001"
    for text, collapsed in ((name, False), (f"{name}[{radii}]", True)):
        images.notes.clear()
        resolve(text).build().select(images, 5, seeded())
        assert (images.notes["singletons"] == 1) == collapsed
        assert (images.notes["radius"] < 0.002) == collapsed
        assert ("competence" in images.notes) == (name == "dcom")
