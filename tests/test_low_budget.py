"""The strategies for few labels against their definitions, written out, and against scikit-activeml.

golden/low_budget.npz holds what scikit-activeml 1.0.1 says of 240 unit vectors X in four groups, the first 30 of them
unlabelled (cold) or labelled (warm): ``MaxHerding(metric_dict={"gamma": 1 / σ²}).query(X, y, batch_size=60)`` and the
largest utility of each of its steps, ``ProbCover(deltas=[0.5]).query(X, y, batch_size=15, return_utilities=True)``, the
``delta_max_`` of ``ProbCover(n_classes=4, deltas=[0.01, 0.02, …], cluster_algo_dict={"n_init": 20})``, and
``_typicality(X, range(40, 100), 7)``.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.training.metrics import evaluate
from strategies.algorithms import lazy_greedy as kernel
from strategies.algorithms.clusters import kmeans
from strategies.algorithms.distances import Points
from strategies.algorithms.lazy_greedy import ball, covered_by, gains, gaussian, lazy_greedy
from strategies.algorithms.nearest_neighbours import nearest_neighbours
from strategies.dcom import DCoM, competence, pure_radii
from strategies.maxherding import MaxHerding
from strategies.probcover import ProbCover, pure_radius
from strategies.registry import resolve
from strategies.tcm import TCM
from strategies.testing import SyntheticPool, check_strategy
from strategies.typiclust import TypiClust
from strategies.uherding import UHerding, calibrated, calibration_error, smallest_distance
from strategies.uncertainty import Margin

GOLDEN = np.load(Path(__file__).parent / "golden" / "low_budget.npz")
NAMES = ("typiclust", "probcover", "maxherding", "uherding", "dcom", "tcm")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pool(size: int, labelled: int, seed: int = 0, spread: float = 0.4, **parts: Any) -> SyntheticPool:
    """Features in five groups, shuffled, in float64; ``points`` are theirs too, so that the model knows the groups."""
    generator = seeded(seed)
    drawn = SyntheticPool.draw(size, labelled, width=6, dtype=torch.float64, seed=seed)
    centres = torch.randn(5, 6, dtype=torch.float64, generator=generator)
    groups = torch.randint(5, (size + labelled,), generator=generator)
    features = centres[groups] + spread * torch.randn(size + labelled, 6, dtype=torch.float64, generator=generator)
    labels = groups[drawn.labelled_indices] % drawn.class_count
    points, known = features[drawn.indices], features[drawn.labelled_indices]
    return replace(drawn, features=features, points=points, labelled_points=known, labels=labels, **parts)


def golden_pool(labelled: int) -> SyntheticPool:
    features = torch.from_numpy(GOLDEN["X"])
    order = torch.arange(len(features))
    drawn = SyntheticPool.draw(len(features) - labelled, labelled, width=8, dtype=torch.float64)
    return replace(drawn, features=features, labelled_indices=order[:labelled], indices=order[labelled:])


def unit(images: SyntheticPool) -> tuple[Tensor, Tensor]:
    features = F.normalize(images.features, dim=1)
    return features[images.indices], features[images.labelled_indices]


def brute_greedy(s: Tensor, n: int, u: Tensor, m: Tensor, noise: float = 1e-13) -> list[int]:
    """The plain greedy on all similarities; the smallest position wins ties, and it stops once nothing is gained."""
    m, picks = m.clone(), []
    while len(picks) < n:
        gain = (u[:, None] * (s - m[:, None]).clamp(min=0)).sum(dim=0)
        gain[picks] = -1
        if gain.max() <= noise:
            break
        picks.append(int((gain >= gain.max() - noise).nonzero()[0]))
        m = torch.maximum(m, s[:, picks[-1]])
    return picks


# --- kernels


@pytest.mark.parametrize("similarity", [gaussian(0.7), ball(0.8)])
def test_gains_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, similarity: Any) -> None:
    monkeypatch.setattr(kernel, "_ROWS", 16)
    monkeypatch.setattr(kernel, "_COLUMNS", 40)
    x = F.normalize(torch.randn(131, 5, dtype=torch.float64, generator=seeded()), dim=1)
    u, m = torch.rand(2, 131, dtype=torch.float64, generator=seeded(1))
    s = similarity(torch.cdist(x, x).square())
    expected = (u[:, None] * (s - m[:, None]).clamp(min=0)).sum(dim=0)
    torch.testing.assert_close(gains(Points.of(x), similarity, u, m), expected)


@pytest.mark.parametrize("kept", [(256, 64), (12, 5)])
@pytest.mark.parametrize("warm", [0, 20])
@pytest.mark.parametrize("similarity", [gaussian(1.0), gaussian(0.2), ball(0.3)])
def test_lazy_greedy_is_the_plain_greedy(
    monkeypatch: pytest.MonkeyPatch, similarity: Any, warm: int, kept: tuple[int, int]
) -> None:
    monkeypatch.setattr(kernel, "_KEPT", kept[0])
    monkeypatch.setattr(kernel, "_BLOCK", kept[1])
    x = F.normalize(torch.randn(300 + warm, 6, dtype=torch.float64, generator=seeded()), dim=1)
    x, centres = x[warm:], x[:warm]
    x[200:240] = x[:40]
    u = torch.rand(300, dtype=torch.float64, generator=seeded(1))
    u[::7] = 0
    m = covered_by(Points.of(x), Points.of(centres), similarity)
    squared = torch.cdist(x, torch.cat([x, centres]), compute_mode="donot_use_mm_for_euclid_dist").square()
    s = similarity(squared)
    if warm:
        torch.testing.assert_close(m, s[:, 300:].amax(dim=1))
    for weights in (None, u):
        expected = brute_greedy(s[:, :300], 300, torch.ones_like(u) if weights is None else weights, m)
        found = lazy_greedy(x, 300, similarity, weights=weights, covered=m)
        assert found[:100].tolist() == expected[:100]
        assert abs(len(found) - len(expected)) <= 2  # what is left to gain at the end is rounding


def test_lazy_greedy_breaks_ties_by_position_and_stops_when_all_is_covered() -> None:
    grid = torch.eye(9).repeat(4, 1)
    assert lazy_greedy(grid, 36, ball(0.5)).tolist() == list(range(9))
    assert lazy_greedy(grid, 36, gaussian(1.0)).tolist() == list(range(9))
    heavier = torch.ones(36).index_fill(0, torch.tensor([5, 7]), 3.0)
    assert lazy_greedy(grid, 4, ball(0.5), weights=heavier).tolist() == [5, 7, 0, 1]


def test_lazy_greedy_in_float32_finds_as_much_coverage() -> None:
    images = pool(900, 30)
    x, known = unit(images)
    s = gaussian(0.5)(torch.cdist(x, x).square())
    m = gaussian(0.5)(torch.cdist(x, known).square()).amax(dim=1)

    def coverage(picks: Tensor) -> float:
        return float(torch.maximum(m, s[:, picks].amax(dim=1)).mean())

    exact = coverage(lazy_greedy(x, 50, gaussian(0.5), covered=m))
    assert coverage(lazy_greedy(x.float(), 50, gaussian(0.5), covered=m.float())) == pytest.approx(exact, rel=1e-6)


def test_lazy_greedy_looks_at_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    met = []
    keep = kernel._Greedy._keep
    monkeypatch.setattr(kernel._Greedy, "_keep", lambda self, points: (met.append(len(points)), keep(self, points))[1])
    x, known = unit(pool(1500, 100, spread=0.6))
    covered = covered_by(Points.of(x), Points.of(known), gaussian(0.5))
    lazy_greedy(x, 100, gaussian(0.5), covered=covered)
    assert sum(met) < 0.2 * 100 * 1500


def test_lazy_greedy_refuses() -> None:
    x = torch.eye(3)
    for weights in (torch.tensor([1, torch.nan, 1]), torch.tensor([1.0, -1, 1])):
        with pytest.raises(ValueError, match="weights"):
            lazy_greedy(x, 1, ball(1), weights=weights)
    with pytest.raises(ValueError, match="between 1 and 3"):
        lazy_greedy(x, 4, ball(1))
    with pytest.raises(ValueError, match="NaN"):
        lazy_greedy(x * torch.nan, 1, ball(1))


def test_nearest_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.algorithms.nearest_neighbours._BLOCK", 700)
    x = torch.randn(100, 4, dtype=torch.float64, generator=seeded())
    squared, positions = nearest_neighbours(x, 6)
    expected = torch.cdist(x, x).square().fill_diagonal_(torch.inf).sort(dim=1)
    torch.testing.assert_close(squared, expected.values[:, :6])
    assert positions.equal(expected.indices[:, :6])
    assert nearest_neighbours(x[[0, 0]], 1)[0].tolist() == [[0], [0]]
    with pytest.raises(ValueError, match="between 1 and 99"):
        nearest_neighbours(x, 100)


# --- MaxHerding and UHerding


@pytest.mark.parametrize("width", [1.0, 0.4])
@pytest.mark.parametrize(("start", "labelled"), [("cold", 0), ("warm", 30)])
def test_maxherding_is_that_of_scikit_activeml(width: float, start: str, labelled: int) -> None:
    """Two images that cover but each other are a tie, which scikit-activeml breaks at random: so the gains, too."""
    images = golden_pool(labelled)
    found = images.indices[MaxHerding(sigma=width).select(images, 60, seeded())]
    expected, utilities = GOLDEN[f"maxherding_{start}_{width}"], GOLDEN[f"maxherding_utility_{start}_{width}"]
    assert found[:10].tolist() == expected[:10].tolist()
    assert (found.numpy() == expected).sum() >= 50
    s = torch.exp(-torch.cdist(images.features, images.features).square() / width**2)
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
    images = pool(150, 24, spread=1.0)
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
    few = pool(150, 7, spread=1.0)
    assert few.cross_fit(0.3) is None
    found = UHerding().select(few, 20, seeded()).tolist()
    assert found == brute_uherding(few, 20, 1.0, smallest_distance(Points.of(unit(few)[1])))
    none = replace(pool(150, 0), has_model=False)
    assert UHerding().select(none, 20, seeded()).equal(MaxHerding().select(none, 20, seeded()))


def test_the_smallest_distance_is_positive() -> None:
    points = torch.tensor([[0.0, 1], [0, 1], [0.6, 0.8]])
    assert smallest_distance(Points.of(points)) == pytest.approx(0.4**0.5)
    assert smallest_distance(Points.of(points[:2])) == smallest_distance(Points.of(points[:0])) == 1


def test_the_temperature_has_the_least_calibration_error() -> None:
    logits = 6 * torch.randn(300, 5, dtype=torch.float64, generator=seeded())
    labels = torch.multinomial((logits / 4).softmax(dim=1), 1, generator=seeded(1)).squeeze(1)
    errors = {t: evaluate(logits / t, labels).ece for t in np.round(np.arange(1, 20.05, 0.1), 1).tolist()}
    assert calibration_error((logits / 3).softmax(dim=1), labels) == pytest.approx(errors[3.0])
    found = calibrated(logits, labels)
    assert errors[found] == min(errors.values())
    assert 3 < found < 5.5
    with_one = F.one_hot(labels, 5).double() * 1e4  # right and certain at every temperature
    assert calibrated(with_one, labels) == 1


# --- ProbCover


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
    covers = (torch.cdist(images.features, images.features) <= 0.5).double()
    known = covers[:, :labelled].any(dim=1).double()
    expected_picks = brute_greedy(covers[labelled:, labelled:], 30, torch.ones(240 - labelled), known[labelled:])
    assert ProbCover(delta=0.5).select(images, 30, seeded()).tolist() == expected_picks


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
    features = torch.cat([lonely, torch.tensor([[1.0, 0, 0]])])
    images = replace(drawn, features=features, indices=torch.arange(1203), labelled_indices=torch.tensor([1203]))
    choices = [ProbCover(delta=0.5).select(images, 20, seeded(seed)).tolist() for seed in (0, 1)]
    for picks in choices:
        assert picks[:3] == [1200, 1201, 1202]
        assert len(set(picks)) == 20
    assert choices[0] != choices[1]
    assert max(choices[0][3:]) > 20


# --- TypiClust and TCM


def test_typicality_is_that_of_scikit_activeml() -> None:
    squared, _ = nearest_neighbours(torch.from_numpy(GOLDEN["X"])[40:100], 7)
    sums = squared.sqrt().sum(dim=1)
    assert ((sums + 1e-7) / 7).reciprocal().numpy() == pytest.approx(GOLDEN["typicality"], rel=1e-9)


def brute_typiclust(images: SyntheticPool, n: int, most: int, power: int, clusters: Tensor) -> list[int]:
    x, _ = unit(images)
    of_unlabelled, of_labelled = clusters[: len(x)].tolist(), clusters[len(x) :].tolist()
    everything = of_unlabelled + of_labelled
    free = {c: [i for i, each in enumerate(of_unlabelled) if each == c] for c in set(everything)}
    order = sorted(free, key=lambda c: (of_labelled.count(c), -everything.count(c), c))
    picks: list[int] = []
    for turn in ([c for c in order if everything.count(c) > 5], [c for c in order if everything.count(c) <= 5]):
        while any(free[c] for c in turn):
            for c in turn:
                if not free[c]:
                    continue
                k = max(1, min(most, len(free[c]) // 2))
                scores = []
                for i in free[c]:
                    lengths = sorted(float((x[i] - x[j]).norm()) ** power for j in free[c] if j != i)[:k]
                    scores.append(1 / (sum(lengths) / k + 1e-5) if lengths else 0)
                picks.append(free[c].pop(int(np.argmax(scores))))
    return picks[:n]


@pytest.mark.parametrize(("distance", "power"), [("euclidean", 1), ("squared", 2)])
@pytest.mark.parametrize(("labelled", "n"), [(0, 6), (9, 8), (3, 60), (40, 12)])
def test_typiclust_is_its_definition(
    monkeypatch: pytest.MonkeyPatch, labelled: int, n: int, distance: str, power: int
) -> None:
    monkeypatch.setattr("strategies.typiclust._MOST_CLUSTERS", 14)
    images = pool(90, labelled, spread=0.8)
    clusters, _ = kmeans(torch.cat(unit(images)), min(labelled + n, 14), seeded(5))
    found = TypiClust(neighbours=6, distance=distance).select(images, n, seeded(5))  # type: ignore[arg-type]
    assert found.tolist() == brute_typiclust(images, n, 6, power, clusters)


def test_typiclust_passes_over_clusters_that_are_small_or_empty() -> None:
    """Three groups: one large, one of five images, one that is labelled but for two images."""
    centres = torch.eye(3).repeat_interleave(torch.tensor([60, 5, 22]), dim=0)
    features = centres + 0.01 * torch.randn(87, 3, generator=seeded())
    drawn = SyntheticPool.draw(67, 20, width=3)
    images = replace(drawn, features=features, indices=torch.arange(67), labelled_indices=torch.arange(67, 87))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strategies.typiclust._MOST_CLUSTERS", 3)
        picks = TypiClust().select(images, 67, seeded()).tolist()
    groups = [0 if pick < 60 else 1 if pick < 65 else 2 for pick in picks]
    assert groups == [0, 2, 0, 2, *[0] * 58, *[1] * 5]


def test_typiclust_prefers_clusters_without_labels() -> None:
    images = pool(200, 5, spread=0.05)
    groups, _ = kmeans(images.features, 5, seeded())
    known = images.labelled_indices[:1].repeat(2)
    others = images.indices[groups[images.indices] != groups[known[0]]]
    one_group = replace(
        images, indices=torch.cat([others, known[:1]])[:-1], labelled_indices=known[:1], labels=images.labels[:1]
    )
    picks = others[TypiClust().select(one_group, 4, seeded())]
    assert len(set(groups[picks].tolist())) == 4


def test_tcm_turns_from_typical_to_uncertain_images() -> None:
    for labelled, strategy in ((19, TypiClust()), (20, Margin())):
        images = pool(100, labelled)
        assert TCM(labels_per_class=5).select(images, 9, seeded()).equal(strategy.select(images, 9, seeded()))
    first = replace(pool(100, 0), has_model=False)
    assert TCM(labels_per_class=0).select(first, 9, seeded()).equal(TypiClust().select(first, 9, seeded()))


# --- DCoM


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
    images = pool(150, 16, spread=0.5)
    expected, weight = brute_dcom(images, 40, midpoint, 5.0)
    assert 0.1 < weight < 1
    assert DCoM(midpoint=midpoint, steepness=5.0).select(images, 40, seeded()).tolist() == expected


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
    images = replace(pool(150, 0), has_model=False)
    covering = DCoM(delta=0.4).select(images, 10, seeded()).tolist()
    x, _ = unit(images)
    assert covering == brute_greedy(ball(0.16)(torch.cdist(x, x).square()), 10, torch.ones(150), torch.zeros(150))


def test_competence_grows_with_coverage() -> None:
    assert competence(1, 0.8, 50) == 1
    assert competence(0.8, 0.8, 50) == pytest.approx(0.5, abs=1e-4)
    assert competence(0, 0.8, 50) < 1e-15


# --- all


@pytest.mark.parametrize("name", NAMES)
def test_the_space_decides_what_is_needed_and_read(name: str) -> None:
    images = pool(80, 6)
    other = replace(pool(80, 6, seed=1), indices=images.indices, labelled_indices=images.labelled_indices)
    features, embeddings = resolve(name).build(), resolve(f"{name}[space=embeddings]").build()
    assert features.needs - {"cross_fit"} == {"features"}
    assert embeddings.needs == features.needs - {"features"}
    mixed = replace(images, features=other.features)
    chosen = embeddings.select(mixed, 9, seeded())
    assert chosen.equal(embeddings.select(images, 9, seeded()))
    assert chosen.equal(features.select(images, 9, seeded()))
    assert not chosen.equal(features.select(mixed, 9, seeded()))
    with pytest.raises(ValueError, match="NaN"):
        features.select(replace(images, features=images.features * torch.nan), 9, seeded())


@pytest.mark.parametrize("name", [*(f"{name}[space=embeddings]" for name in NAMES), "typiclust[distance=squared]"])
def test_variants_keep_the_contract(name: str) -> None:
    check_strategy(name)


@pytest.mark.parametrize("name", NAMES)
def test_initial_images_need_no_model(name: str) -> None:
    first = replace(pool(60, 0), has_model=False, previous_probs=None)
    assert len(resolve(name).build().select(first, 60, seeded()).unique()) == 60


@pytest.mark.parametrize(
    "text",
    [
        "typiclust[neighbours=0]",
        "typiclust[distance=cosine]",
        "probcover[delta=-1.0]",
        "probcover[purity=0.0]",
        "maxherding[sigma=0.0]",
        "uherding[space=pixels]",
        "dcom[delta=0.0]",
        "dcom[midpoint=2.0]",
        "dcom[steepness=0.0]",
        "tcm[labels_per_class=-1]",
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is one of|is a (share|distance)"):
        resolve(text)
