"""DCoM against its definition, written out."""

import math
from dataclasses import replace

import pytest
import torch
from support.grouped_pools import brute_greedy, grouped_pool, unit
from support.made_up import seeded
from torch import Tensor

from strategies.components.radii import quantile_radius
from strategies.dcom import DCoM, competence, pure_radii
from strategies.kernels.distances import Points
from strategies.kernels.lazy_greedy import ball
from strategies.registry import resolve
from strategies.testing import SyntheticPool


def brute_radius(distances: Tensor, alike: Tensor, purity: float) -> float:
    low, high = 0.0, 1.1
    while high - low > 0.05:
        middle = (low + high) / 2
        inside = distances < middle
        low, high = (middle, high) if alike[inside].double().mean() >= purity else (low, middle)
    return (low + high) / 2


def brute_dcom(images: SyntheticPool, n: int, midpoint: float, steepness: float) -> tuple[list[int], float]:
    x, known = unit(images)
    everything = torch.cat([x, known])
    logits = torch.cat([images.logits, images.head(images.labelled_embeddings).detach()])
    top = logits.softmax(dim=1).topk(2).values
    margin = top[:, 1] - top[:, 0]
    margin = (margin - margin.min()) / (margin.max() - margin.min())
    to_known = torch.cdist(known, everything)
    purity = 0.4 + 0.2 * (to_known < 0.75).any(dim=0).double().mean()
    alike = images.labels[:, None] == logits.argmax(dim=1)
    radii = torch.tensor([brute_radius(d, a, float(purity)) for d, a in zip(to_known, alike, strict=True)])
    covered = (to_known < radii[:, None]).any(dim=0)
    weight = (1 + math.exp(-steepness * (1 - midpoint))) / (
        1 + math.exp(-steepness * (float(covered.double().mean()) - midpoint))
    )
    edges = torch.cdist(x, everything) < radii.mean()
    margin[len(x) :] = 0
    picks: list[int] = []
    while len(picks) < n:
        degree = torch.cat([(edges & ~covered).sum(dim=1), torch.zeros(len(known))])
        degree, scaled = (v / v.max() if v.max() > 0 else v for v in (degree, margin))
        score = (weight * scaled + (1 - weight) * degree)[: len(x)]
        score[picks] = -1
        picks.append(int(score.argmax()))
        margin[picks[-1]] = 0
        covered |= edges[picks[-1]]
    return picks, weight


@pytest.mark.parametrize("midpoint", [0.2, 0.5, 0.9])
def test_dcom_is_its_definition(midpoint: float) -> None:
    images = grouped_pool(150, 16, spread=0.5)
    expected, weight = brute_dcom(images, 40, midpoint, 5.0)
    assert 0.1 < weight < 1
    strategy = DCoM(delta=0.75, largest_delta=1.1, midpoint=midpoint, steepness=5.0)
    assert strategy.select(images, 40, seeded()).tolist() == expected
    assert strategy.balls(images).weight == pytest.approx(weight)


def test_radii_follow_the_purity() -> None:
    angles = torch.linspace(0, torch.pi / 2, 91, dtype=torch.float64)
    circle = Points.of(torch.stack([angles.cos(), angles.sin()], dim=1))
    predicted = (torch.arange(91) >= 30).long()
    labels = torch.tensor([0, 1, 1])
    radii = pure_radii(circle, circle[torch.tensor([0, 90, 0])], predicted, labels, 0.5, 1.1)
    resolution = 1.1 / 2**5
    assert abs(float(radii[0]) - 2 * math.sin(math.radians(60) / 2)) < resolution  # 30 of 60 are its own
    assert radii[1] > 1.1 - resolution  # its quarter of the circle is half pure as a whole
    assert radii[2] < resolution  # a wrong prediction at the image itself


def test_dcom_without_labels_is_a_cover() -> None:
    images = replace(grouped_pool(150, 0), has_model=False)
    covering = DCoM(delta=0.4).select(images, 10, seeded()).tolist()
    x, _ = unit(images)
    assert covering == brute_greedy(ball(0.16)(torch.cdist(x, x).square()), 10, torch.ones(150), torch.zeros(150))


def test_competence_grows_with_coverage() -> None:
    assert competence(1, 0.8, 50) == 1
    assert competence(0.8, 0.8, 50) == pytest.approx(0.5, abs=1e-4)
    assert competence(0, 0.8, 50) < 1e-15


def test_radii_follow_the_features() -> None:
    images = grouped_pool(150, 16, spread=0.5)
    balls = DCoM().balls(images)
    everything = Points.of(torch.cat(unit(images)))
    largest = quantile_radius(everything, torch.arange(166), 1 / (10 * images.class_count))
    given = DCoM(delta=0.75 / 1.1 * largest, largest_delta=largest).balls(images)
    assert (given.radius, given.weight) == pytest.approx((balls.radius, balls.weight))
    assert given.covered.equal(balls.covered)
    assert balls.radius < largest
    none = replace(grouped_pool(150, 0), has_model=False)
    known = quantile_radius(Points.of(unit(none)[0]), none.indices, 1 / (10 * none.class_count))
    assert DCoM().balls(none).radius == pytest.approx(0.75 / 1.1 * known)


def test_the_authors_radii_cover_narrow_features_at_once_and_ours_do_not() -> None:
    images = replace(grouped_pool(150, 4, spread=0.5), has_model=False)
    cone = [
        torch.cat([x, torch.full((len(x), 1), 10.0, dtype=x.dtype)], dim=1)
        for x in (images.features, images.labelled_features)
    ]
    narrow = replace(images, features=cone[0], labelled_features=cone[1])
    assert resolve("dcom[preset=authors]").build().balls(narrow).weight == 1
    assert DCoM().balls(narrow).weight < 1e-3
