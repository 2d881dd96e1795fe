"""The Laplace posterior against a Hessian by automatic differentiation, and BALD under it against laplace-torch.

``golden/laplace.npz`` holds what ``source`` in it computed, once: a last layer with its biases trained on 30 labelled
embeddings, and for 60 others the covariance of the logits and the mutual information of 200,000 samples.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import drawn_pool, golden, normal, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.bald import BALD
from strategies.kernels.laplace import LEAST, MOST, LastLayerPosterior, Structure, evidence_precision, with_one
from strategies.laplace_bald import LaplaceBALD
from strategies.testing import SyntheticPool

STRUCTURES: list[Structure] = ["kronecker", "full"]
each_structure = pytest.mark.parametrize("structure", STRUCTURES)


def head_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    return made


def stored_problem() -> tuple[dict[str, Any], SyntheticPool]:
    stored = golden("laplace")
    known, points = (torch.from_numpy(stored[key]) for key in ("labelled_embeddings", "embeddings"))
    images = drawn_pool(len(points), len(known), class_count=len(stored["bias"]), width=points.shape[1])
    made = head_of(*(torch.from_numpy(stored[key]) for key in ("weight", "bias")))
    return stored, replace(images, points=points, labelled_points=known, classifier=made)


def root(posterior: LastLayerPosterior) -> Tensor:
    """The symmetric root of the covariance of θ, row by row, from the weights of unit noise."""
    size = posterior.mean.numel()
    unit = torch.eye(size, dtype=torch.float64).view(size, *posterior.mean.shape)
    return (posterior.weights(unit) - posterior.mean).flatten(1)


# --- laplace-torch


@each_structure
def test_the_evidence_chooses_the_precision_of_laplace_torch(structure: Structure) -> None:
    stored, images = stored_problem()
    assert "aleximmer/Laplace" in str(stored["source"])
    posterior = LastLayerPosterior.fitted(images.head, images.labelled_embeddings, structure, "all")
    assert posterior.prior_precision == pytest.approx(float(stored[f"{structure}_precision"][0]), rel=1e-4)
    evidence = stored[f"{structure}_evidence"]
    squared = float(posterior.mean.square().sum())
    ours = [
        -0.5 * float((1 + posterior.eigenvalues / each).log().sum() + each * squared) for each in stored["precisions"]
    ]
    assert np.diff(ours) == pytest.approx(np.diff(evidence), rel=1e-6)  # what is left is log p(y | θ̂)


@each_structure
def test_the_logits_vary_as_those_of_laplace_torch(structure: Structure) -> None:
    stored, images = stored_problem()
    posterior = LastLayerPosterior.fitted(images.head, images.labelled_embeddings, structure, "all")
    deviations = torch.einsum("kcd,nd->nkc", root(posterior).view(-1, *posterior.mean.shape), with_one(images.points))
    found = deviations.transpose(1, 2) @ deviations
    assert found.numpy() == pytest.approx(stored[f"{structure}_variance"], rel=1e-4, abs=1e-6)


@each_structure
def test_the_information_is_that_of_laplace_torch(structure: Structure) -> None:
    stored, images = stored_problem()
    scores = LaplaceBALD(10_000, structure, "all").scores(images, seeded())
    expected = stored[f"{structure}_information"]
    assert scores.numpy() == pytest.approx(expected, abs=0.015)
    picks = LaplaceBALD(10_000, structure, "all").select(images, 10, seeded()).tolist()
    assert picks == scores.argsort(descending=True)[:10].tolist()
    assert expected[picks].min() > np.sort(expected)[-10] - 0.02


def test_the_stored_structures_differ() -> None:
    stored = golden("laplace")
    assert np.abs(stored["full_information"] - stored["kronecker_information"]).max() > 0.1


# --- brute force


@pytest.mark.parametrize("biased", [True, False])
def test_the_full_covariance_is_the_inverse_of_the_hessian_plus_the_prior(biased: bool) -> None:
    h = normal(15, 4).relu()
    made = head_of(0.7 * normal(3, 4, seed=1), normal(3, seed=2) if biased else None)
    posterior = LastLayerPosterior.fitted(made, h, "full")
    labels = torch.arange(15) % 3
    hessian = torch.autograd.functional.hessian(
        lambda theta: F.cross_entropy(with_one(h) @ theta.view(3, 5).T, labels, reduction="sum"),
        posterior.mean.flatten(),
    )
    precision = hessian + posterior.prior_precision * torch.eye(15, dtype=torch.float64)
    s = root(posterior)
    torch.testing.assert_close(s @ s, precision.inverse(), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(s, s.T, rtol=1e-8, atol=1e-10)
    if not biased:
        assert not posterior.mean[:, -1].any()


def test_the_kronecker_covariance_is_the_inverse_of_the_product_plus_the_prior() -> None:
    h, made = normal(15, 4).relu(), head_of(normal(3, 4, seed=1), normal(3, seed=2))
    posterior = LastLayerPosterior.fitted(made, h)
    p = made(h).softmax(1).detach()
    left = sum(row.diag() - row.outer(row) for row in p)
    right = with_one(h).T @ with_one(h) / 15
    precision = torch.kron(left, right) + posterior.prior_precision * torch.eye(15, dtype=torch.float64)
    s = root(posterior)
    torch.testing.assert_close(s @ s, precision.inverse(), rtol=1e-8, atol=1e-10)


def test_one_labelled_image_makes_both_structures_equal() -> None:
    h, made = normal(1, 4), head_of(normal(3, 4, seed=1), normal(3, seed=2))
    one, other = (LastLayerPosterior.fitted(made, h, structure) for structure in STRUCTURES)
    assert one.prior_precision == pytest.approx(other.prior_precision)
    torch.testing.assert_close(root(one), root(other))


@pytest.mark.parametrize(("scale", "squared_norm"), [(1e-6, 0.3), (1, 5), (1e4, 40)])
def test_no_other_precision_has_a_higher_evidence(scale: float, squared_norm: float) -> None:
    eigenvalues = scale * normal(4, 6).square()
    grid = torch.logspace(-8, 8, 100_001, dtype=torch.float64)
    evidence = -(1 + eigenvalues.flatten() / grid[:, None]).log().sum(1) - grid * squared_norm
    best = float(grid[evidence.argmax()])
    assert evidence_precision(eigenvalues, squared_norm) == pytest.approx(best, rel=1e-3)


def test_the_precision_stays_within_its_bounds() -> None:
    assert evidence_precision(torch.ones(2, 2), 0.0) == pytest.approx(MOST)
    assert evidence_precision(torch.zeros(2, 2), 1.0) == pytest.approx(LEAST)


@each_structure
def test_biases_say_nothing_of_the_weights_prior_unless_asked(structure: Structure) -> None:
    h, weight, bias = normal(12, 4), normal(3, 4, seed=1), normal(3, seed=2)
    bias[2] = -16  # of a class without labels
    made = head_of(weight, bias)
    some, every = (LastLayerPosterior.fitted(made, h, structure, prior) for prior in ("weights", "all"))
    squared = float(weight.square().sum())
    for posterior, counted in ((some, squared), (every, squared + float(bias.square().sum()))):
        determined = float((posterior.eigenvalues / (posterior.eigenvalues + posterior.prior_precision)).sum())
        assert determined == pytest.approx(posterior.prior_precision * counted, rel=1e-6)
    assert some.prior_precision > 2 * every.prior_precision
    assert some.eigenvalues.equal(every.eigenvalues)


# --- the strategy


@each_structure
def test_scores_are_bald_of_the_sampled_heads(structure: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    images = drawn_pool(50)
    posterior = LastLayerPosterior.fitted(images.head, images.labelled_embeddings, structure)
    noise = torch.randn(30, *posterior.mean.shape, generator=seeded(3), dtype=torch.float64)
    probs = [F.linear(images.embeddings, w[:, :-1], w[:, -1]).softmax(1) for w in posterior.weights(noise)]
    methods = {"mc_probs": lambda self, samples: torch.stack(probs, 1), "note": lambda self, **premises: None}
    mixed: Any = type("Mixed", (), methods)()
    found = LaplaceBALD(30, structure).scores(images, seeded(3))
    torch.testing.assert_close(found, BALD(30).score(mixed), rtol=1e-9, atol=1e-12)
    monkeypatch.setattr("strategies.laplace_bald._BLOCK", 700)
    torch.testing.assert_close(LaplaceBALD(30, structure).scores(images, seeded(3)), found, rtol=1e-9, atol=1e-12)


def test_what_labelled_images_do_not_show_is_uncertain() -> None:
    """Embeddings along a direction that no labelled image has come before others as long along those they have."""
    known = torch.zeros(40, 4, dtype=torch.float64)
    known[torch.arange(40), torch.arange(40) % 2] = 3
    made = head_of(torch.tensor([[2.0, -2, 0, 0], [-2, 2, 0, 0]], dtype=torch.float64), torch.zeros(2).double())
    drawn = drawn_pool(4, 40, class_count=2, width=4)
    images = replace(drawn, classifier=made, labelled_points=known, points=3 * torch.eye(4, dtype=torch.float64))
    assert sorted(LaplaceBALD().select(images, 2, seeded()).tolist()) == [2, 3]


def test_a_generator_decides_and_nothing_else() -> None:
    images = drawn_pool(50)
    first, again, other = (LaplaceBALD(5).scores(images, seeded(seed)) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_laplace_bald_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="there are none: draw the initial labels otherwise"):
        LaplaceBALD().select(drawn_pool(20, 0), 5, seeded())
    with pytest.raises(ValueError, match="structure is one of kronecker, full, not 'diagonal'"):
        LaplaceBALD(structure="diagonal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prior is one of weights, all, not 'none'"):
        LaplaceBALD(prior="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples must be at least 2, not 1"):
        LaplaceBALD(1)
    broken = drawn_pool(20)
    broken.labelled_points[2, 1] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        LaplaceBALD().select(broken, 5, seeded())
