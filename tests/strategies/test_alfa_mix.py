"""ALFA-Mix against its definition, written out."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from support.made_up import drawn_pool, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.alfa_mix import AlfaMix, class_means, loss_directions
from strategies.testing import SyntheticPool


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
    images = drawn_pool(size, labelled, seed=seed, width=8)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sharpness", [1.0, 10.0, 100.0, 1000.0])
def test_alfa_mix_finds_images_however_confident_they_are(sharpness: float, dtype: torch.dtype) -> None:
    """The gradient of log(e^ℓ − 1) = logsumexp_{c ≠ ŷ} s_c − s_ŷ has the direction of ∇ℓ, and never underflows."""
    images = rectified(120)
    with torch.no_grad():
        images.classifier.weight.mul_(sharpness)
        images.classifier.bias.zero_()
    top = images.logits.topk(2).values
    if sharpness >= 100:  # p − e_ŷ is 0 in float32 for many of the images
        assert ((top[:, 0] - top[:, 1]) > 104).double().mean() > 0.3
    head, known = images.head, images.labelled_points
    anchors = [known[images.labels == c].mean(dim=0) if c in images.labels else known.mean(dim=0) for c in range(4)]
    caps = [0.05, 0.2, 0.6, 1.0]
    expected = torch.zeros(120, 4, dtype=torch.bool)
    for row, z in zip(expected, images.points, strict=True):
        leaf = z.clone().requires_grad_()
        logits = head(leaf)
        predicted = int(logits.argmax())
        others = torch.cat([logits[:predicted], logits[predicted + 1 :]])
        gradient = torch.autograd.grad(others.logsumexp(0) - logits[predicted], leaf)[0]
        for anchor in anchors:
            step = (anchor - z).norm() / gradient.norm() * gradient.where(anchor != z, 0)
            mixed = torch.stack([z + cap / 8**0.5 * step for cap in caps])
            row |= head(mixed).argmax(dim=1) != predicted
    assert 0 < int(expected[:, 1].sum()) < int(expected[:, 3].sum())
    classifier = nn.Linear(8, 4, dtype=dtype)
    classifier.load_state_dict(images.classifier.state_dict())
    cast = replace(
        images, points=images.points.to(dtype), labelled_points=images.labelled_points.to(dtype), classifier=classifier
    )
    found = AlfaMix().least_change(cast)[:, None] < torch.tensor(caps, dtype=dtype) / 8**0.5
    assert int((found != expected).sum()) <= (0 if dtype == torch.float64 else 2)
    assert AlfaMix().least_change(cast).isfinite().double().mean() > 0.9


def test_the_direction_of_the_loss_is_that_of_autograd_where_autograd_has_digits() -> None:
    generator = seeded(3)
    weight = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    points = torch.randn(20, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    logits = points @ weight.T
    loss = F.cross_entropy(logits, logits.argmax(dim=1), reduction="sum")
    expected = F.normalize(torch.autograd.grad(loss, points)[0])
    torch.testing.assert_close(loss_directions(logits.detach(), weight), expected)
    tiny = loss_directions(logits.detach(), 1e-20 * weight)  # no absolute floor
    torch.testing.assert_close(tiny, expected)
    assert loss_directions(logits.detach(), 0 * weight).equal(torch.zeros(20, 7, dtype=torch.float64))


def test_alfa_mix_refuses_logits_that_are_not_finite() -> None:
    images = rectified()
    with pytest.raises(ValueError, match="not finite"):
        AlfaMix().select(replace(images, points=images.points * torch.nan), 3, seeded())


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
        for strategy, step in ((AlfaMix(), 0.2), (AlfaMix(step=0.03125), 0.03125)):
            caps = [k * step for k in range(1, 33) if k * step <= 1 and int((least < k * step).sum()) > n]
            picks = strategy.select(images, n, seeded())
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
        AlfaMix().select(drawn_pool(labelled=0), 3, seeded())
