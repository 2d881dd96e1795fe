"""BAIT, ALFA-Mix, DropQuery and TOD against their definitions, written out.

golden/hybrid.npz holds a query of scikit-activeml 1.0.1, ``DropQuery(dropout_rate=0.75, n_dropout_samples=3,
cluster_algo_dict={"n_init": 20}).query(X, y, clf, fit_clf=False, batch_size=4, return_utilities=True)``: 300 unit
embeddings in four groups, the first 60 labelled, a logistic regression without intercept, and the masks it drew.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.alfa_mix import AlfaMix, class_means
from strategies.algorithms.fisher import InverseTrace, fisher_information, greedy_design
from strategies.bait import Bait, principal_directions
from strategies.dropquery import DropQuery
from strategies.registry import resolve
from strategies.testing import SyntheticPool, check_strategy
from strategies.tod import TOD

GOLDEN = Path(__file__).parent / "golden" / "hybrid.npz"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pool(size: int = 40, labelled: int = 12, seed: int = 0, **options: Any) -> SyntheticPool:
    return SyntheticPool.draw(size, labelled, seed=seed, dtype=torch.float64, **options)


@pytest.mark.parametrize("strategy", ["alfa-mix[form=elementwise]", "dropquery[passes=1]"])
def test_variants_keep_the_contract(strategy: str) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize(
    "text",
    [
        *("bait[regularisation=0]", "bait[dimensions=0]", "bait[candidates=0]"),
        *("alfa-mix[form=both]", "alfa-mix[step=0]", "alfa-mix[step=1.5]"),
        *("dropquery[passes=0]", "dropquery[rate=1]", "dropquery[breadth=0]"),
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("[")[2].partition("=")[0]):
        resolve(text).build()


# --- BAIT


def information(logits: Tensor, embedding: Tensor) -> Tensor:
    """Σ_y p_y g_y g_yᵀ, g_y the gradient of the cross-entropy at label y with respect to the weights, by autograd."""
    classes, width = len(logits), len(embedding)
    weight = torch.zeros(classes, width, dtype=torch.float64, requires_grad=True)
    total = torch.zeros(classes * width, classes * width, dtype=torch.float64)
    for label, p in enumerate(logits.softmax(0)):
        loss = F.cross_entropy(logits + weight @ embedding, torch.tensor(label))
        gradient = torch.autograd.grad(loss, weight)[0].flatten()
        total += p * torch.outer(gradient, gradient)
    return total


def by_brute_force(start: Tensor, target: Tensor, each: list[Tensor], n: int) -> list[int]:
    """Greedy to 2 n and back to n, every trace of an inverse computed."""

    def trace(chosen: list[int]) -> float:
        return float(((start + sum(each[i] for i in chosen)).inverse() @ target).trace())

    chosen: list[int] = []
    for _ in range(min(2 * n, len(each))):
        chosen.append(min(set(range(len(each))) - set(chosen), key=lambda i: trace([*chosen, i])))
    while len(chosen) > n:
        chosen.remove(min(chosen, key=lambda i: trace([j for j in chosen if j != i])))
    return chosen


def design(seed: int, size: int = 14) -> tuple[Tensor, Tensor, list[Tensor], Tensor, Tensor]:
    """A start, a target, and the images' information, probabilities and embeddings."""
    generator = seeded(seed)
    embeddings = torch.randn(size, 3, generator=generator, dtype=torch.float64)
    logits = 2 * torch.randn(size, 4, generator=generator, dtype=torch.float64)
    each = [information(*pair) for pair in zip(logits, embeddings, strict=True)]
    start = 0.5 * torch.eye(12, dtype=torch.float64) + 0.3 * each[0]
    return start, torch.stack(each).mean(dim=0), each, logits.softmax(dim=1), embeddings


def test_fisher_information_is_the_expected_outer_product_of_gradients() -> None:
    _, _, each, probs, embeddings = design(0)
    torch.testing.assert_close(fisher_information(probs, embeddings), torch.stack(each).sum(dim=0))
    assert fisher_information(probs[:0], embeddings[:0]).equal(torch.zeros(12, 12, dtype=torch.float64))


def test_changes_of_the_trace_stay_exact_while_images_enter_and_leave() -> None:
    start, target, each, probs, embeddings = design(1)
    state, now = InverseTrace(start.inverse(), target, probs, embeddings), start.clone()

    def trace(matrix: Tensor) -> Tensor:
        return (matrix.inverse() @ target).trace()

    def expected(sign: int, among: list[Tensor]) -> Tensor:
        return torch.stack([sign * (trace(now) - trace(now + sign * one)) for one in among])

    for i in (3, 3, 8, 0, *range(14)):
        torch.testing.assert_close(state.falls(), expected(1, each), rtol=1e-9, atol=1e-12)
        state.add(i)
        now += each[i]
    left = list(each)
    for i in (5, 0, 7, 2):
        torch.testing.assert_close(state.rises(), expected(-1, left), rtol=1e-9, atol=1e-12)
        state.remove(i)
        now -= left.pop(i)
    torch.testing.assert_close(state.inverse, now.inverse())


def test_greedy_design_picks_as_brute_force() -> None:
    forward_only = 0
    for seed in range(6):
        start, target, each, probs, embeddings = design(seed)
        for n in (1, 3, 5, 14):
            expected = by_brute_force(start, target, each, n)
            assert greedy_design(start, target, probs, embeddings, n).tolist() == expected
            forward_only += expected == by_brute_force(start, target, each, len(each))[:n]
    assert forward_only < 24  # the pruning is not idle in these examples
    with pytest.raises(ValueError, match="between 1 and 14"):
        greedy_design(start, target, probs, embeddings, 15)


def test_bait_weighs_labelled_and_bought_images_as_published() -> None:
    for seed, (labelled, n, strength) in enumerate(
        [(12, 4, 1.0), (3, 2, 0.01), (4, 6, 0.01), (4, 6, 0.1), (8, 6, 0.1)]
    ):
        images = pool(16, labelled, seed=seed, width=3)
        each = [information(*pair) for pair in zip(images.logits, images.points, strict=True)]
        known_logits = images.head(images.labelled_points).detach()
        known = [information(*pair) for pair in zip(known_logits, images.labelled_points, strict=True)]
        share = n / (labelled + n)
        start = strength * torch.eye(12, dtype=torch.float64) + (1 - share) * torch.stack(known).mean(dim=0)
        expected = by_brute_force(start, torch.stack(each + known).mean(dim=0), [share * one for one in each], n)
        assert Bait(regularisation=strength).select(images, n, seeded()).tolist() == expected


def test_bait_on_all_directions_that_there_are_is_exact() -> None:
    images = pool(30, width=4)
    turn = torch.linalg.qr(torch.randn(9, 9, generator=seeded(), dtype=torch.float64)).Q[:4]
    wide = nn.Linear(9, 4, dtype=torch.float64)
    with torch.no_grad():
        wide.weight.copy_(images.classifier.weight @ turn)
        wide.bias.copy_(images.classifier.bias)
    embedded = replace(
        images, points=images.points @ turn, labelled_points=images.labelled_points @ turn, classifier=wide
    )
    expected = Bait().select(images, 6, seeded()).tolist()
    assert Bait(dimensions=4).select(embedded, 6, seeded()).tolist() == expected
    assert Bait().select(embedded, 6, seeded()).tolist() == expected
    assert Bait(dimensions=1).select(embedded, 6, seeded()).tolist() != expected


def test_principal_directions_are_about_the_origin() -> None:
    points = torch.randn(50, 5, generator=seeded(), dtype=torch.float64) + torch.tensor([9.0, 0, 0, 0, 0])
    found = principal_directions(points, 2)
    singular = torch.linalg.svd(points).Vh[:2].T
    torch.testing.assert_close(found @ found.T, singular @ singular.T)


def test_bait_draws_its_candidates_and_looks_at_the_whole_pool() -> None:
    images = pool(200)
    strategy = Bait(candidates=20)
    chosen = [set(strategy.select(images, 10, seeded(seed)).tolist()) for seed in range(8)]
    assert len(set.union(*chosen)) > 40
    assert strategy.select(images, 25, seeded()).unique().shape == (25,)

    first = torch.randperm(200, generator=seeded())[:20]
    others = torch.ones(200, dtype=torch.bool).index_fill_(0, first, False)
    moved = replace(images, points=images.points.where(~others[:, None], images.points.flip(1) * 3))
    assert not strategy.select(moved, 10, seeded()).equal(strategy.select(images, 10, seeded()))


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e4, 1e6])
def test_bait_survives_embeddings_of_any_scale(scale: float) -> None:
    images = pool(40)
    scaled = replace(images, points=images.points * scale, labelled_points=images.labelled_points * scale)
    assert Bait().select(scaled, 10, seeded()).unique().shape == (10,)


# --- ALFA-Mix


def changes(images: SyntheticPool, caps: list[float]) -> Tensor:
    """Which images change their class at each cap, (N, caps): the paper's mixture, with α where it exists."""
    head, width = images.head, images.points.shape[1]
    anchors = []
    for c in range(images.class_count):
        members = images.labelled_points[images.labels == c]
        anchors.append((members if len(members) else images.labelled_points).mean(dim=0))
    found = torch.zeros(len(images.points), len(caps), dtype=torch.bool)
    for row, z in zip(found, images.points, strict=True):
        leaf = z.clone().requires_grad_()
        logits = head(leaf)
        gradient = torch.autograd.grad(F.cross_entropy(logits, logits.argmax()), leaf)[0]
        for anchor in anchors:
            shape = (anchor - z).norm() / gradient.norm() * gradient / (anchor - z)
            alphas = [(cap / width**0.5 * shape).where(anchor != z, 0) for cap in caps]
            mixed = torch.stack([(1 - alpha) * z + alpha * anchor for alpha in alphas])
            row |= head(mixed).argmax(dim=1) != logits.argmax()
    return found


def rectified(size: int = 60, labelled: int = 9, seed: int = 0) -> SyntheticPool:
    """Embeddings with zeros, some of them shared by all labelled images, and a class without labelled images."""
    images = pool(size, labelled, seed=seed, width=8)
    known = images.labelled_points.relu()
    known[:, :3] = 0
    return replace(images, points=images.points.relu(), labelled_points=known, labels=images.labels.clamp(max=2))


@pytest.mark.parametrize("form", ["normalised", "elementwise"])
def test_alfa_mix_finds_the_images_that_change_their_class(form: Any) -> None:
    for seed in range(3):
        images = rectified(seed=seed)
        caps = [0.03125, 0.125, 0.5, 1.0, 2.0]
        expected = changes(images, caps)
        least = AlfaMix(form=form).least_change(images)
        assert (least[:, None] < torch.tensor(caps) / 8**0.5).equal(expected)
        counts = expected.sum(dim=0)
        assert counts[0] < counts[2] < counts[4] < 60


def test_alfa_mix_does_not_move_coordinates_that_agree() -> None:
    images = rectified()
    moved = replace(images, labelled_points=images.labelled_points + 1e-3)  # no coordinate agrees any more
    assert not AlfaMix().least_change(moved).allclose(AlfaMix().least_change(images), rtol=0.05)
    nearly = replace(images, labelled_points=images.labelled_points + 1e-12)  # a guarded divisor sees no difference
    guarded, plain = AlfaMix(form="elementwise"), AlfaMix()
    torch.testing.assert_close(guarded.least_change(nearly), guarded.least_change(images), rtol=1e-2, atol=0)
    assert not plain.least_change(nearly).allclose(plain.least_change(images), rtol=0.05)


def test_alfa_mix_buys_from_the_first_cap_with_more_than_n_candidates() -> None:
    images = rectified(200)
    least = AlfaMix().least_change(images) * 8**0.5
    for n in (1, 5, 20, 50):
        caps = [step / 32 for step in range(1, 33) if int((least < step / 32).sum()) > n]
        picks = AlfaMix().select(images, n, seeded())
        assert (least[picks] < caps[0]).all()
        assert picks.unique().shape == (n,)
    coarse = AlfaMix(step=1.0).select(images, 1, seeded())
    rows = F.normalize(images.points[least < 1])
    nearest = (rows - rows.mean(dim=0)).norm(dim=1).argmin()  # k-means with one centre is the mean
    assert coarse.tolist() == [int((least < 1).nonzero().squeeze(1)[nearest])]


def test_alfa_mix_fills_up_at_random_without_repetition() -> None:
    images = rectified(60)
    least = AlfaMix().least_change(images) * 8**0.5
    ready = least[least < 1].sort().indices
    expected = (least < 1).nonzero().squeeze(1)[ready].tolist()
    n = len(expected) + 8
    counts = torch.zeros(60)
    generator = seeded()
    for _ in range(150):
        picks = AlfaMix().select(images, n, generator)
        assert picks[: len(expected)].tolist() == expected
        assert picks.unique().shape == (n,)
        counts[picks[len(expected) :]] += 1
    rest = counts[torch.tensor([i for i in range(60) if i not in expected])]
    assert chisquare(rest.numpy()).pvalue > 0.001


def test_class_means_take_all_for_a_class_without_any() -> None:
    embeddings = torch.tensor([[1.0, 2.0], [3.0, 4.0], [8.0, 0.0]])
    found = class_means(embeddings, torch.tensor([0, 0, 2]), 3)
    torch.testing.assert_close(found, torch.tensor([[2.0, 3.0], [4.0, 2.0], [8.0, 0.0]]))
    with pytest.raises(ValueError, match="there are none"):
        AlfaMix().select(pool(labelled=0), 3, seeded())


# --- DropQuery


def recorded(monkeypatch: pytest.MonkeyPatch) -> tuple[SyntheticPool, Any]:
    """scikit-activeml's problem as a pool, with its masks in place of random ones, and its answers."""
    golden = np.load(GOLDEN)
    labelled, classes = int(golden["labelled"]), len(golden["weight"])
    rows = torch.from_numpy(golden["embeddings"]).double()
    images = pool(len(rows) - labelled, labelled, class_count=classes, width=rows.shape[1])
    with torch.no_grad():
        images.classifier.weight.copy_(torch.from_numpy(golden["weight"]))
        images.classifier.bias.zero_()
    dropped = torch.from_numpy(golden["dropped"])
    monkeypatch.setattr(torch, "rand", lambda shape, generator: (~dropped).float().view(shape))
    return replace(images, points=rows[labelled:], labelled_points=rows[:labelled]), golden


def test_dropquery_agrees_with_scikit_activeml(monkeypatch: pytest.MonkeyPatch) -> None:
    images, golden = recorded(monkeypatch)
    strategy = DropQuery(breadth=1)
    counts = strategy.disagreements(images, seeded())
    assert strategy.candidates(counts, 4).tolist() == golden["candidates"].tolist()
    assert sorted(strategy.select(images, 4, seeded()).tolist()) == sorted(golden["picks"].tolist())


def test_dropquery_asks_less_disagreement_until_there_are_enough_candidates() -> None:
    counts = torch.tensor([0, 3, 1, 2, 0, 1, 3, 0])
    for breadth, expected in (
        (1, [1, 3, 6]),
        (3, [1, 3, 6]),
        (4, [1, 2, 3, 5, 6]),
        (6, [*range(8)]),
        (25, [*range(8)]),
    ):
        assert DropQuery(breadth=breadth).candidates(counts, 1).tolist() == expected
    assert DropQuery(passes=4, breadth=1).candidates(counts, 1).tolist() == [1, 6]


def test_dropquery_drops_independently_and_keeps_the_mean() -> None:
    head = nn.Linear(1, 2, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [0.0]]))
        head.bias.copy_(torch.tensor([0.0, 3.0]))  # class 0 wins from 3 on
    points = torch.full((9000, 1), 1.0, dtype=torch.float64)
    images = replace(pool(9000, class_count=2, width=1), points=points, classifier=head)
    counts = DropQuery(passes=3).disagreements(images, seeded())
    # A kept 1 becomes 4, which is class 0 and not 1: a binomial count of three passes with chance 1/4.
    expected = 9000 * np.array([27, 27, 9, 1]) / 64
    assert chisquare(np.bincount(counts.numpy(), minlength=4), expected).pvalue > 0.001


def test_dropquery_starts_from_the_centroids_of_the_features() -> None:
    generator = seeded()
    centres = 5 * torch.eye(4, 6)
    groups = torch.arange(52) % 4
    features = (centres[groups] + 0.1 * torch.randn(52, 6, generator=generator)) * (1 + groups[:, None])
    images = replace(SyntheticPool.draw(), features=features, has_model=False)
    picks = DropQuery().select(images, 4, seeded(1))
    rows = F.normalize(features)[images.indices]
    of_pool = groups[images.indices]
    expected = []
    for group in range(4):
        members = (of_pool == group).nonzero().squeeze(1)
        distances = (rows[members] - rows[members].mean(dim=0)).norm(dim=1)
        expected.append(int(members[distances.argmin()]))
    assert sorted(picks.tolist()) == sorted(expected)


# --- TOD


def test_tod_buys_the_largest_discrepancy() -> None:
    images = pool(50)
    assert images.previous_probs is not None
    expected = [float(((p - q) ** 2).sum()) / 2 for p, q in zip(images.probs, images.previous_probs, strict=True)]
    order = np.argsort(-np.array(expected), kind="stable")
    assert TOD().select(images, 20, seeded()).tolist() == order[:20].tolist()
    broken = replace(images, previous_probs=images.previous_probs * torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        TOD().select(broken, 5, seeded())


def test_tod_draws_uniformly_in_round_0() -> None:
    images = replace(pool(10), previous_probs=None)
    generator = seeded()
    counts = torch.zeros(10)
    for _ in range(1000):
        counts[TOD().select(images, 3, generator)] += 1
    assert counts.sum() == 3000
    assert chisquare(counts.numpy()).pvalue > 0.001
