"""BADGE and core-set against their definitions, written out."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from support.made_up import seeded
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.badge import Badge
from strategies.coreset import CoreSet
from strategies.kernels.gradients import gradient_embeddings


def pool(size: int, *, classes: int = 4, width: int = 6, labelled: int = 5, seed: int = 0) -> Any:
    """What the two strategies read, in float64, and the head that gave it."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(size + labelled, width, generator=generator, dtype=torch.float64).relu()
    head = nn.Linear(width, classes, dtype=torch.float64)
    with torch.no_grad():
        head.weight.normal_(generator=generator)
        head.bias.normal_(generator=generator)
        probs = head(embeddings).softmax(dim=1)
    return SimpleNamespace(
        probs=probs[:size], embeddings=embeddings[:size], labelled_embeddings=embeddings[size:], head=head
    )


def changed(images: Any, **parts: Tensor) -> Any:
    return SimpleNamespace(**{**vars(images), **parts})


def materialised(images: Any) -> Tensor:
    """Gradients of the cross-entropy at the predicted class with respect to the head's weights, (N, C·D)."""
    rows = []
    for embedding in images.embeddings:
        logits = images.head(embedding)
        loss = F.cross_entropy(logits, logits.argmax())
        rows.append(torch.autograd.grad(loss, images.head.weight)[0].flatten())
    return torch.stack(rows)


def test_gradient_embeddings_are_the_gradients() -> None:
    images = pool(30)
    errors, embeddings = gradient_embeddings(images.probs, images.embeddings).factors
    found = torch.einsum("nc,nd->ncd", errors, embeddings).flatten(1)
    torch.testing.assert_close(found, materialised(images))


def test_gradient_embeddings_keep_the_digits_of_confident_images() -> None:
    logits = torch.tensor([[0.0, 30.0, -5.0]], dtype=torch.float64)
    exact = logits.softmax(dim=1)
    exact[0, 1] = -exact[0, [0, 2]].sum()
    errors, _ = gradient_embeddings(logits.float().softmax(dim=1), torch.ones(1, 2)).factors
    torch.testing.assert_close(errors.double(), exact, rtol=1e-5, atol=0)


def test_badge_takes_the_longest_gradient_and_then_draws_by_squared_distance() -> None:
    images = pool(6, seed=2)
    gradients = materialised(images)
    longest = int(gradients.norm(dim=1).argmax())
    squared = torch.cdist(gradients, gradients).square()
    draws, generator, strategy = 4000, seeded(1), Badge()
    seen = Counter(tuple(strategy.select(images, 3, generator).tolist()) for _ in range(draws))
    assert {picks[0] for picks in seen} == {longest}

    expected = {}
    for second in set(range(6)) - {longest}:
        for third in set(range(6)) - {longest, second}:
            nearest = squared[:, [longest, second]].amin(dim=1)
            share = squared[longest, second] / squared[longest].sum() * nearest[third] / nearest.sum()
            expected[longest, second, third] = float(share) * draws
    common = [picks for picks, count in expected.items() if count >= 5]
    observed = [seen[picks] for picks in common]
    predicted = [expected[picks] for picks in common]
    if len(common) < len(expected):
        observed.append(draws - sum(observed))
        predicted.append(draws - sum(predicted))
    assert chisquare(observed, predicted).pvalue > 0.001


def test_coreset_is_the_greedy_k_center() -> None:
    images = pool(200)
    known, expected = images.labelled_embeddings, []
    for _ in range(60):
        expected.append(int(torch.cdist(images.embeddings, known).amin(dim=1).argmax()))
        known = torch.cat([known, images.embeddings[expected[-1:]]])
    assert CoreSet().select(images, 60, seeded()).tolist() == expected


@pytest.mark.parametrize("strategy", [Badge(), CoreSet()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_both_choose_distinct_images_from_any_pool(strategy: Badge | CoreSet, dtype: torch.dtype) -> None:
    images = pool(40, labelled=1)
    twice = torch.arange(40) % 13
    pools = {
        "plain": images,
        "duplicates": changed(images, probs=images.probs[twice], embeddings=images.embeddings[twice]),
        "certain": changed(images, probs=F.one_hot(images.probs.argmax(dim=1), 4)),
        "collapsed": changed(images, embeddings=torch.zeros_like(images.embeddings)),
    }
    for each in pools.values():
        cast = SimpleNamespace(**{k: v.to(dtype) for k, v in vars(each).items() if isinstance(v, Tensor)})
        for n in (1, 7, 40):
            picks = strategy.select(cast, n, seeded(3))
            assert picks.dtype == torch.int64
            assert picks.shape == picks.unique().shape == (n,)
            assert picks.equal(strategy.select(cast, n, seeded(3)))


def test_both_refuse_nan() -> None:
    images = pool(20)
    broken = images.embeddings.clone()
    broken[3, 2] = torch.nan
    for strategy in (Badge(), CoreSet()):
        with pytest.raises(ValueError, match="NaN"):
            strategy.select(changed(images, embeddings=broken), 5, seeded())
    with pytest.raises(ValueError, match="NaN"):
        Badge().select(changed(images, probs=images.probs * torch.nan), 5, seeded())
