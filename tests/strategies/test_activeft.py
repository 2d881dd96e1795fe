"""ActiveFT's gradient against automatic differentiation of its loss, where some images are labelled."""

import pytest
import torch
from support.made_up import seeded
from torch import Tensor
from torch.nn import functional as F

import strategies.activeft as module
from strategies.activeft import ActiveFT, highest_product, one_each


def directions(count: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, 6, dtype=torch.float64, generator=seeded(seed)), dim=1)


def loss(strategy: ActiveFT, features: Tensor, points: Tensor, known: Tensor) -> Tensor:
    """The loss of the module's docstring, feature by feature: of a pair of points, c_k is the one that moves."""
    centres = torch.cat([F.normalize(points, dim=1), known])
    total = points.new_zeros(())
    for feature in features:
        moving = centres[(centres @ feature).argmax()]
        attraction = (feature @ moving / strategy.temperature).exp()
        crowd = (centres.detach() @ moving / strategy.temperature).exp().sum()
        total -= (attraction / (attraction + strategy.balance * crowd)).log()
    return total / len(features)


@pytest.mark.parametrize("labelled", [0, 1, 9])
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.3, "balance": 2.5}])
def test_the_gradient_is_that_of_the_loss(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, float], labelled: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 50)  # several blocks of features
    strategy = ActiveFT(**settings)
    features, known = directions(70, 1), directions(labelled, 2)
    points = (1.7 * directions(5, 3)).requires_grad_()
    (expected,) = torch.autograd.grad(loss(strategy, features, points, known), points)
    found = strategy.gradient(features, points.detach(), known, highest_product(features, known))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_steps_lower_the_loss() -> None:
    strategy, features = ActiveFT(learning_rate=0.02), directions(120, 1)
    known, start = features[:4], features[[5, 70]]
    moved = strategy.moved(features, start, known)
    assert loss(strategy, features, moved, known) < loss(strategy, features, start, known) - 0.05
    picks = one_each(F.normalize(moved, dim=1), features)
    assert len(picks.unique()) == 2
