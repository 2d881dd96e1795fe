"""MaxHerding, UHerding and ProbCover against their definitions and scikit-activeml."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.grouped_pools import GOLDEN, brute_greedy, golden_pool, grouped_pool, unit
from support.made_up import seeded
from torch.nn import functional as F

from strategies.kernels.clusters import kmeans
from strategies.kernels.distances import Points
from strategies.kernels.lazy_greedy import ball, covered_by, gains, gaussian
from strategies.maxherding import MaxHerding
from strategies.probcover import ProbCover, pure_radius
from strategies.testing import SyntheticPool
from strategies.uherding import UHerding, calibrated, calibration_error, smallest_distance


@pytest.mark.parametrize("width", [1.0, 0.4])
@pytest.mark.parametrize(("start", "labelled"), [("cold", 0), ("warm", 30)])
def test_maxherding_is_that_of_scikit_activeml(width: float, start: str, labelled: int) -> None:
    """Two images that cover but each other are a tie, which scikit-activeml breaks at random: so the gains, too."""
    images = golden_pool(labelled)
    found = images.indices[MaxHerding(sigma=width).select(images, 60, seeded())]
    expected, utilities = GOLDEN[f"maxherding_{start}_{width}"], GOLDEN[f"maxherding_utility_{start}_{width}"]
    assert found[:10].tolist() == expected[:10].tolist()
    assert (found.numpy() == expected).sum() >= 50
    x = torch.from_numpy(GOLDEN["X"])
    s = torch.exp(-torch.cdist(x, x).square() / width**2)
    m = s[:, :labelled].amax(dim=1) if labelled else torch.zeros(240)
    for pick, utility in zip(found, utilities, strict=True):
        gain = (s[:, pick] - m).clamp(min=0)[images.indices].mean()
        assert float(gain) == pytest.approx(utility, rel=1e-9)
        m = torch.maximum(m, s[:, pick])


def brute_uherding(images: SyntheticPool, n: int, temperature: float, width: float) -> list[int]:
    x, known = unit(images)
    first, second = (images.logits / temperature).softmax(dim=1).sort(dim=1, descending=True).values[:, :2].T
    kernel_of = gaussian(width)
    m = kernel_of(torch.cdist(x, known).square()).amax(dim=1)
    return brute_greedy(kernel_of(torch.cdist(x, x).square()), n, 1 - first + second, m)


def test_uherding_weighs_by_the_calibrated_margin() -> None:
    images = grouped_pool(150, 24, spread=1.0)
    _, known = unit(images)
    width = float(torch.pdist(known).min())
    assert smallest_distance(Points.of(known)) == pytest.approx(width)
    held_out = images.cross_fit(0.3)
    assert held_out is not None
    temperature = calibrated(*held_out)
    assert temperature > 1
    found = UHerding().select(images, 20, seeded()).tolist()
    assert found == brute_uherding(images, 20, temperature, width)
    assert found != brute_uherding(images, 20, 1.0, width)


def test_uherding_does_without_a_calibration_and_without_labels() -> None:
    few = grouped_pool(150, 7, spread=1.0)
    assert few.cross_fit(0.3) is None
    found = UHerding().select(few, 20, seeded()).tolist()
    assert found == brute_uherding(few, 20, 1.0, smallest_distance(Points.of(unit(few)[1])))
    none = replace(grouped_pool(150, 0), has_model=False)
    assert UHerding().select(none, 20, seeded()).equal(MaxHerding().select(none, 20, seeded()))


def test_the_smallest_distance_is_positive() -> None:
    points = torch.tensor([[0.0, 1], [0, 1], [0.6, 0.8]])
    assert smallest_distance(Points.of(points)) == pytest.approx(0.4**0.5)
    assert smallest_distance(Points.of(points[:2])) == smallest_distance(Points.of(points[:0])) == 1


def binned_error(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The expected calibration error with as many bins as classes, image by image."""
    probs, count = logits.softmax(dim=1).numpy(), logits.shape[1]
    bins: dict[int, list[float]] = {}
    for row, label in zip(probs, labels.tolist(), strict=True):
        bins.setdefault(max(0, math.ceil(row.max() * count) - 1), []).append(float(row.argmax() == label) - row.max())
    return sum(abs(sum(gaps)) for gaps in bins.values()) / len(probs)


def test_the_temperature_has_the_least_calibration_error() -> None:
    logits = 6 * torch.randn(300, 5, dtype=torch.float64, generator=seeded())
    labels = torch.multinomial((logits / 4).softmax(dim=1), 1, generator=seeded(1)).squeeze(1)
    errors = {t: binned_error(logits / t, labels) for t in np.round(np.arange(1, 20.05, 0.1), 1).tolist()}
    assert calibration_error((logits / 3).softmax(dim=1), labels) == pytest.approx(errors[3.0])
    found = calibrated(logits, labels)
    assert errors[found] == min(errors.values())
    assert 3 < found < 5.5
    with_one = F.one_hot(labels, 5).double() * 1e4  # right and certain at every temperature
    assert calibrated(with_one, labels) == 1


@pytest.mark.parametrize(("start", "labelled"), [("cold", 0), ("warm", 30)])
def test_probcover_has_the_utilities_of_scikit_activeml(start: str, labelled: int) -> None:
    x = Points.of(torch.from_numpy(GOLDEN["X"]))
    picks, utilities = GOLDEN[f"probcover_{start}"], GOLDEN[f"probcover_utilities_{start}"]
    for step, expected in enumerate(utilities):
        taken = torch.cat([torch.arange(labelled), torch.from_numpy(picks[:step])])
        covered = covered_by(x, x[taken], ball(0.25))
        found = gains(x, ball(0.25), torch.ones(240, dtype=torch.float64), covered).numpy()
        free = ~np.isnan(expected)
        assert found[free].tolist() == expected[free].tolist()
    images = golden_pool(labelled)
    vectors = torch.from_numpy(GOLDEN["X"])
    covers = (torch.cdist(vectors, vectors) <= 0.5).double()
    known = covers[:, :labelled].any(dim=1).double()
    order = labelled + torch.randperm(240 - labelled, generator=seeded())
    expected_picks = brute_greedy(covers[order][:, order], 30, torch.ones(240 - labelled), known[order])
    assert ProbCover(delta=0.5).select(images, 30, seeded()).equal(order[expected_picks] - labelled)


def test_the_radius_is_the_largest_that_is_pure_enough() -> None:
    x = torch.from_numpy(GOLDEN["X"])
    squared = pure_radius(Points.of(x), 4, 0.95, seeded())
    assert GOLDEN["probcover_delta"] <= squared**0.5 < GOLDEN["probcover_delta"] + 0.01
    clusters, _ = kmeans(x, 4, seeded())
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    foreign = clusters[:, None] != clusters
    for share in (0.5, 0.9, 0.95, 1.0):
        radius = pure_radius(Points.of(x), 4, share, seeded()) ** 0.5
        assert 1 - ((distances <= radius * (1 - 1e-9)) & foreign).any(dim=1).double().mean() >= share
        assert 1 - ((distances <= radius * (1 + 1e-9)) & foreign).any(dim=1).double().mean() < share
    assert pure_radius(Points.of(x), 1, 0.95, seeded()) > 4  # a single cluster: every ball is pure


def test_probcover_loses_no_point_and_is_random_once_all_is_covered() -> None:
    lonely = torch.zeros(1203, 3)
    lonely[:, 0] = 1
    lonely[1200:] = -torch.eye(3)
    drawn = SyntheticPool.draw(1203, 1, width=3)
    images = replace(drawn, features=lonely, labelled_features=torch.tensor([[1.0, 0, 0]]))
    choices = [ProbCover(delta=0.5).select(images, 20, seeded(seed)).tolist() for seed in (0, 1)]
    for picks in choices:
        assert sorted(picks[:3]) == [1200, 1201, 1202]
        assert len(set(picks)) == 20
    assert choices[0] != choices[1]
    assert max(choices[0][3:]) > 20


def test_equal_balls_are_taken_in_random_order() -> None:
    pairs = torch.eye(300).repeat_interleave(2, dim=0)  # as files sorted by class: all balls hold two images
    images = replace(SyntheticPool.draw(600, 0, width=300), features=pairs, labelled_features=pairs[:0])
    seen: set[int] = set()
    for seed in range(8):
        picks = ProbCover(delta=0.5).select(images, 30, seeded(seed))
        assert len((picks // 2).unique()) == 30
        seen |= set(picks.tolist())
    assert len(seen) > 150
    assert 230 < sum(seen) / len(seen) < 370
