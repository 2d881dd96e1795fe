"""Heads on embeddings: logistic regression to its minimum, its posterior, and the perceptron."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmark.models import factory, logistic
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.kernels.laplace import evidence_precision


def problem(seed: int, count: int, dimensions: int, classes: int, spread: float) -> tuple[Tensor, Tensor]:
    """Points (n, D) around a centre for each class, and their classes (n,), each of which occurs."""
    g = torch.Generator().manual_seed(seed)
    targets = torch.cat([torch.arange(classes), torch.randint(classes, (count - classes,), generator=g)])
    centres = torch.randn(classes, dimensions, generator=g) * spread
    return centres[targets] + torch.randn(count, dimensions, generator=g), targets


PROBLEMS = [  # seed, count, dimensions, classes, spread, penalty
    (0, 12, 40, 3, 1.0, 1e-3),
    (1, 30, 30, 10, 1.0, 1e-2),
    (2, 100, 5, 4, 0.3, 1e-4),
    (3, 100, 64, 10, 0.5, 1e-2),
    (4, 200, 20, 2, 0.2, 1e-5),
    (5, 60, 200, 10, 0.3, 1e-1),
    (6, 300, 32, 10, 0.1, 1e-3),
    (7, 40, 300, 5, 0.05, 1e-3),
    (8, 150, 10, 7, 3.0, 1e-2),
    (9, 25, 3, 5, 0.5, 1.0),
]


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_fit_is_scikit_learns(case: tuple[int, int, int, int, float, float]) -> None:
    *shape, penalty = case
    inputs, targets = problem(*shape)  # type: ignore[arg-type]
    ours = logistic.fit(inputs[None], targets[None], shape[3], penalty)
    theirs = LogisticRegression(C=1 / (penalty * len(inputs)), tol=1e-10, max_iter=100_000)
    theirs.fit(inputs.double().numpy(), targets.numpy())
    others, _ = problem(shape[0] + 100, 200, shape[2], shape[3], shape[4])  # type: ignore[arg-type]
    probs = (others.double() @ ours.weights[0].T + ours.biases[0]).softmax(1).numpy()
    expected = theirs.predict_proba(others.double().numpy())
    assert np.abs(probs - expected).max() < 1e-3
    clear = np.diff(np.sort(expected, axis=1)[:, -2:]).squeeze(1) > 2e-3
    assert (probs.argmax(1) == expected.argmax(1))[clear].all()


def assert_within_tolerance(first: Tensor, second: Tensor) -> None:
    """Each is within the stated tolerance of the one minimum."""
    assert (first - second).norm() <= 2 * logistic.TOLERANCE * first.norm()


def test_a_fit_does_not_depend_on_those_beside_it_nor_on_its_order() -> None:
    problems = [problem(seed, 40, 60, 5, spread) for seed, spread in ((0, 0.1), (1, 1.0), (2, 4.0))]
    inputs, targets = torch.stack([x for x, _ in problems]), torch.stack([t for _, t in problems])
    together = logistic.fit(inputs, targets, 5, 1e-3)
    for i, (x, t) in enumerate(problems):
        alone = logistic.fit(x[None], t[None], 5, 1e-3)
        assert_within_tolerance(alone.weights[0], together.weights[i])
        order = torch.randperm(40, generator=torch.Generator().manual_seed(i))
        shuffled = logistic.fit(x[order][None], t[order][None], 5, 1e-3)
        assert_within_tolerance(alone.weights[0], shuffled.weights[0])


def test_the_stated_tolerance_holds() -> None:
    """‖∇f‖ ≤ tolerance · λ ‖W‖ for centred inputs, with the gradient by automatic differentiation."""
    inputs, targets = problem(0, 50, 80, 6, 0.5)
    inputs = inputs - inputs.mean(0)
    found = logistic.fit(inputs[None], targets[None], 6, 1e-2)
    weights, biases = found.weights[0].requires_grad_(), found.biases[0].requires_grad_()
    logits = inputs.double() @ weights.T + biases
    (torch.nn.functional.cross_entropy(logits, targets) + 0.005 * weights.square().sum()).backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([weights.grad, biases.grad[:, None]], 1)  # type: ignore[index,list-item]
    assert gradient.norm() <= 1.01 * logistic.TOLERANCE * 1e-2 * weights.norm()


def test_dimensions_of_very_different_variance_take_few_steps() -> None:
    inputs, targets = problem(0, 60, 20, 3, 1.0)
    plain = logistic.fit(inputs[None], targets[None], 3, 1e-1)
    stretched = logistic.fit((inputs * torch.logspace(0, 1, 20))[None], targets[None], 3, 1e-1)
    assert plain.steps.item() < 50
    assert stretched.steps.item() < 100


def test_a_minimum_that_is_not_reached_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = problem(0, 60, 20, 3, 1.0)
    monkeypatch.setattr(logistic, "MOST_STEPS", 3)
    with pytest.raises(ValueError, match=r"no solution to the stated tolerance after 3 steps: standardise") as caught:
        logistic.fit(inputs[None], targets[None], 3, 1e-3)
    assert "\n" not in str(caught.value)


def test_variances_a_million_apart_still_have_their_minimum() -> None:
    inputs, targets = problem(0, 60, 20, 3, 1.0)
    stretched = inputs.double() * torch.logspace(0, 3, 20, dtype=torch.float64)
    found = logistic.fit(stretched[None], targets[None], 3, 1e-1)
    assert found.steps.item() < 5_000  # on some machines steps become too small to move before the tolerance is reached
    theirs = LogisticRegression(C=1 / (1e-1 * 60), tol=1e-12, max_iter=1_000_000, solver="newton-cg")
    theirs.fit(stretched.numpy(), targets.numpy())
    probs = (stretched @ found.weights[0].T + found.biases[0]).softmax(1).numpy()
    assert np.abs(probs - theirs.predict_proba(stretched.numpy())).max() < 1e-3


def test_classes_without_examples_repeated_examples_and_constant_ones() -> None:
    inputs, targets = problem(0, 20, 8, 3, 1.0)
    found = logistic.fit(inputs[None], targets[None], 5, 1e-2)
    probs = (inputs.double() @ found.weights[0].T + found.biases[0]).softmax(1)
    assert probs[:, 3:].max() < 1e-6
    assert found.steps.item() < 30  # nobody waits for the biases of classes that are not there to sink
    torch.testing.assert_close(found.weights[0, 3], found.weights[0, 4])
    repeated = logistic.fit(inputs[:1].expand(4, -1)[None], torch.tensor([[0, 0, 1, 1]]), 2, 1e-2)
    assert repeated.weights.abs().max() < 1e-6
    assert repeated.biases.abs().max() < 1e-6
    constant = logistic.fit(torch.zeros(1, 5, 8), torch.tensor([[0, 0, 0, 1, 1]]), 2, 1e-2)
    torch.testing.assert_close(
        constant.biases[0].softmax(0), torch.tensor([0.6, 0.4], dtype=torch.float64), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "not finite"), (float("inf"), "not finite")])
def test_inputs_that_are_not_finite_are_refused(value: float, said: str) -> None:
    inputs = torch.zeros(1, 3, 2)
    inputs[0, 1, 1] = value
    with pytest.raises(ValueError, match=said):
        logistic.fit(inputs, torch.tensor([[0, 1, 0]]), 2, 1e-2)
    with pytest.raises(ValueError, match="penalty must be positive, not 0"):
        logistic.fit(torch.zeros(1, 3, 2), torch.tensor([[0, 1, 0]]), 2, 0.0)


def test_the_head_is_solved_whatever_its_initial_weights() -> None:
    inputs, targets = problem(0, 30, 12, 4, 1.0)
    heads = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = factory.build("linear", {"penalty": 0.01 / 12}, 12, (1, 1), 4)
        network.solve(inputs[:, :, None, None], targets)
        heads.append(network.head)
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert torch.equal(heads[0].bias, heads[1].bias)
    expected = logistic.fit(inputs[None], targets[None], 4, 0.01)
    torch.testing.assert_close(heads[0].weight.double(), expected.weights[0], rtol=1e-5, atol=1e-6)


def test_the_penalty_grows_with_the_dimensions_that_the_norm_of_an_embedding_grows_with() -> None:
    assert factory.build("linear", {}, 300, (1, 1), 2).penalty == pytest.approx(0.03)
    assert factory.build("linear", {"penalty": 0.1}, 30, (1, 1), 2).penalty == pytest.approx(3.0)
    for wrong in (0.0, -1.0):
        with pytest.raises(ValueError, match="penalty must be positive"):
            factory.build("linear", {"penalty": wrong}, 3, (1, 1), 2)


def test_draws_of_the_posterior_have_its_mean_and_its_covariance() -> None:
    """Against the inverse of (H + c I) written out, H the Kronecker product that stands for the Hessian."""
    inputs, targets = problem(0, 40, 2, 3, 0.5)
    network = factory.build("linear", {"penalty": 0.025}, 2, (1, 1), 3).eval()
    network.solve(inputs[:, :, None, None], targets)
    images = Images(inputs[:, None, None, :], torch.zeros(2), torch.ones(2))
    points = torch.tensor([0, 7])
    drawn = Predictor(network, None, "float32").posterior_probs(images, points, torch.arange(40), 20_000, 0, 0)
    with torch.no_grad():
        h = torch.cat([inputs, torch.ones(40, 1)], 1).double()
        p = (h @ torch.cat([network.head.weight, network.head.bias[:, None]], 1).double().T).softmax(1)
        curvature = sum(torch.outer(-q, q) + q.diag() for q in p)
        product = torch.kron(curvature, h.T @ h / 40)
        squared = network.head.weight.double().square().sum().item()
        precision = evidence_precision(torch.linalg.eigvalsh(product).clamp_min(0), squared)
        covariance = (product + precision * torch.eye(9, dtype=torch.float64)).inverse()
        for i, point in enumerate(points.tolist()):
            lift = torch.kron(torch.eye(3, dtype=torch.float64), h[point])
            expected = lift @ covariance @ lift.T
            logits = drawn[i].double().log()
            centred = logits - logits.mean(1, keepdim=True)  # what softmax leaves of logits
            project = torch.eye(3, dtype=torch.float64) - 1 / 3
            torch.testing.assert_close(centred.T.cov(), project @ expected @ project, rtol=0.06, atol=2e-3)
            mean = p[point].log() - p[point].log().mean()
            torch.testing.assert_close(centred.mean(0), mean, rtol=0.02, atol=0.02)


def test_noise_in_a_solved_head_is_noise_in_its_weights() -> None:
    """Logits of the head with w + ξ ‖w‖ ε / ‖ε‖ in place of w, of normalised embeddings; biases stay."""
    inputs, targets = problem(0, 300, 6, 4, 0.5)
    network = factory.build("linear", {}, 6, (1, 1), 4).eval()
    network.solve(inputs[:50, :, None, None], targets[:50])
    mean, std = torch.arange(6) / 10, torch.linspace(0.5, 2, 6)
    images, chosen = Images(inputs[:, None, None, :], mean, std), torch.tensor([7, 0, 299, 31])
    predictor = Predictor(network, None, "float32")
    found = predictor.noisy_logits(images, chosen, 5, 0.3, seed=1, round_=2)
    weight, bias = (part.detach() for part in (network.head.weight, network.head.bias))
    everything = predictor.noisy_logits(images, torch.arange(300), 5, 0.3, seed=1, round_=2)
    torch.testing.assert_close(everything[chosen], found)
    x = (inputs - mean) / std
    for k in range(5):
        noise = torch.linalg.lstsq(x, everything[:, k] - x @ weight.T - bias).solution.T
        torch.testing.assert_close(noise.norm(), 0.3 * weight.norm(), rtol=1e-3, atol=0.0)
    assert not torch.allclose(everything[:, 0], everything[:, 1])
    torch.testing.assert_close(
        predictor.noisy_logits(images, chosen, 2, 0.0, 1, 2)[:, 1], predictor.logits(images, chosen)
    )


def test_a_class_without_labels_does_not_make_the_draws_contradict_the_head() -> None:
    """Its bias is far below 0, which is no evidence for a wide prior of the weights."""
    x, y = problem(0, 400, 64, 4, 0.5)
    images, labelled = Images(x[:, None, None, :], torch.zeros(64), torch.ones(64)), torch.arange(20)
    right = []
    for classes in (4, 10):
        network = factory.build("linear", {}, 64, (1, 1), classes).eval()
        network.solve(x[:20, :, None, None], y[:20])
        probs = Predictor(network, None, "float32").posterior_probs(images, torch.arange(20, 400), labelled, 200, 0, 0)
        right.append((probs.mean(1).argmax(1) == y[20:]).float().mean().item())
    assert right[0] > 0.8
    assert right[1] > right[0] - 0.03


def test_heads_refuse_images_and_networks_of_images_refuse_embeddings() -> None:
    for name in ("linear", "mlp"):
        with pytest.raises(ValueError, match=f"model '{name}' classifies embeddings, not images of 8×8"):
            factory.build(name, {}, 1, (8, 8), 10)
    with pytest.raises(ValueError, match="takes images of at least 8×8, not 1×1"):
        factory.build("cnn", {}, 64, (1, 1), 10)


def test_the_perceptron_has_a_hidden_layer_as_its_embedding() -> None:
    network = factory.build("mlp", {"width": 7, "dropout": 0.0}, 5, (1, 1), 3).eval()
    x = torch.randn(4, 5, 1, 1, generator=torch.Generator().manual_seed(0))
    output = network(x)
    hidden = torch.relu(network.dense(x.flatten(1)))
    torch.testing.assert_close(output.embedding, hidden)
    torch.testing.assert_close(output.logits, network.head(hidden))


@pytest.mark.parametrize(("n", "dimensions", "classes"), [(3, 2, 3), (20, 32, 3), (60, 500, 10)])
def test_equal_embeddings_tell_the_classes_frequencies_and_nothing_else(n: int, dimensions: int, classes: int) -> None:
    """Beside another problem, too, whose solution they do not change."""
    draws = torch.Generator().manual_seed(0)
    equal = torch.randn(1, 1, dimensions, generator=draws).expand(1, n, dimensions)
    other = torch.randn(1, n, dimensions, generator=draws)
    targets = (torch.arange(n) % classes).clamp(max=classes - 2)[None]  # the last class is absent
    alone = logistic.fit(other, targets, classes, 0.01)
    both = logistic.fit(torch.cat([equal, other]), targets.expand(2, n), classes, 0.01)
    assert not both.weights[0].any()
    frequencies = torch.bincount(targets[0], minlength=classes) / n
    torch.testing.assert_close(both.biases[0].softmax(0), frequencies.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(both.weights[1], alone.weights[0], atol=1e-3 * float(alone.weights.norm()), rtol=0)
