"""BAIT against its definition, written out."""

from dataclasses import replace

import pytest
import torch
from support.made_up import drawn_pool, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.bait import Bait, principal_directions
from strategies.kernels.fisher import InverseTrace, fisher_information, greedy_design
from strategies.registry import resolve


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
        state.add(torch.tensor([i]))
        now += each[i]
    left = list(each)
    for i in (5, 0, 7, 2):
        torch.testing.assert_close(state.rises(), expected(-1, left), rtol=1e-9, atol=1e-12)
        state.remove(torch.tensor([i]))
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
        images = drawn_pool(16, labelled, seed=seed, width=3)
        each = [information(*pair) for pair in zip(images.logits, images.points, strict=True)]
        known_logits = images.head(images.labelled_points).detach()
        known = [information(*pair) for pair in zip(known_logits, images.labelled_points, strict=True)]
        share = n / (labelled + n)
        start = strength * torch.eye(12, dtype=torch.float64) + (1 - share) * torch.stack(known).mean(dim=0)
        expected = by_brute_force(start, torch.stack(each + known).mean(dim=0), [share * one for one in each], n)
        assert Bait(regularisation=strength).select(images, n, seeded()).tolist() == expected


def test_bait_on_all_directions_that_there_are_is_exact() -> None:
    images = drawn_pool(30, width=4)
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


def test_the_authors_bait_takes_all_directions_and_all_images() -> None:
    images = drawn_pool(40, width=70)  # more than the 64 directions of the bare name
    for preset, strength in (("authors", 1.0), ("authors-cifar", 0.01)):
        exact = Bait(strength, dimensions=70, candidates=40).select(images, 6, seeded()).tolist()
        assert resolve(f"bait[preset={preset}]").build().select(images, 6, seeded(5)).tolist() == exact
    with pytest.raises(ValueError, match="dimensions must be at least 1, or 0 for all, not -1"):
        Bait(dimensions=-1)


def test_principal_directions_are_about_the_origin() -> None:
    points = torch.randn(50, 5, generator=seeded(), dtype=torch.float64) + torch.tensor([9.0, 0, 0, 0, 0])
    found = principal_directions(points, 2)
    singular = torch.linalg.svd(points).Vh[:2].T
    torch.testing.assert_close(found @ found.T, singular @ singular.T)


def test_bait_draws_its_candidates_and_looks_at_the_whole_pool() -> None:
    images = drawn_pool(200)
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
    images = drawn_pool(40)
    scaled = replace(images, points=images.points * scale, labelled_points=images.labelled_points * scale)
    assert Bait().select(scaled, 10, seeded()).unique().shape == (10,)
