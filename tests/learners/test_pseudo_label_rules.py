"""The forward pass of labelled and unlabelled images, and the rules by which pseudo-labels count, by brute force."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.small_trainings import CLASSES, ONLINE, task
from torch import Tensor
from torch.nn import functional as F

from benchmark import learners
from benchmark.experiment import seeds
from benchmark.learners import fixmatch, flexmatch, freematch, pseudo_label, softmatch
from benchmark.learners.semi_supervised import forward
from benchmark.models import factory
from benchmark.models.masks import Masks
from benchmark.training.averaging import Average
from benchmark.training.batches import Batch, Batches
from benchmark.training.task import TrainingTask


def test_the_average_by_hand() -> None:
    module = torch.nn.BatchNorm1d(2)
    average = Average([module], 0.5)
    expected = torch.ones(2, dtype=torch.float64)
    for done, value in enumerate([2.0, -1.0, 5.0, 0.0, 3.0, 7.0, 1.0, 1.0, 4.0, 2.0], start=1):
        with torch.no_grad():
            module.weight.fill_(value)
            module.running_mean.fill_(-value)  # type: ignore[union-attr, operator]
            module.num_batches_tracked.fill_(done)  # type: ignore[union-attr, operator]
        average.update(done)
        decay = min(0.5, (1 + done) / (10 + done))
        expected = decay * expected + (1 - decay) * value
    (copied,) = average.copies
    torch.testing.assert_close(copied.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)
    assert copied.num_batches_tracked == 10
    assert torch.equal(module.weight, torch.full((2,), 2.0))


def batch(job: TrainingTask, views: tuple[str, ...]) -> Batch:
    return next(Batches(job.images, job.unlabelled, 6, views, torch.Generator().manual_seed(0)).take(1))


@pytest.mark.parametrize("model", ["cnn", "resnet18", "wide-resnet"])
def test_the_forward_pass(model: str) -> None:
    """With BatchNorm as one batch of all images; without, as if each had its own; q without dropout."""
    job = task()
    with seeds.scoped(0, "weights", 0):
        parameters = {"width": 4, "dropout": 0.0} | ({"hidden": 16} if model == "cnn" else {})
        network = factory.build(model, parameters, 1, (8, 8), CLASSES).train()
    theirs = batch(job, ("crop", "strong-no-flip"))
    ours = job.images.normalised(job.labelled)
    output, logits, probs = forward(copy.deepcopy(network), ours, theirs)
    whole = network(torch.cat([ours, theirs.views[1], theirs.views[0]]))
    torch.testing.assert_close(output.logits, whole.logits[:20])
    torch.testing.assert_close(output.embedding, whole.embedding[:20])
    for stage, entire in zip(output.stages, whole.stages, strict=True):
        torch.testing.assert_close(stage, entire[:20])
    torch.testing.assert_close(logits, whole.logits[20:26])
    torch.testing.assert_close(probs, whole.logits[26:].softmax(1).detach())
    assert not probs.requires_grad
    for module in [network.dropout, *network.dropouts]:
        module.probability = 0.9
    network.draw_dropout_from(Masks(0))
    _, noisy, clean = forward(network, ours, theirs)
    assert network.dropout.training
    torch.testing.assert_close(clean, probs)
    assert not torch.allclose(noisy, logits)


def test_the_weak_views_of_a_forward_pass_are_spared_stochastic_depth() -> None:
    job = task()
    with seeds.scoped(0, "weights", 0):
        network = factory.build("resnet18", {"width": 4, "stochastic_depth": 0.9}, 1, (8, 8), CLASSES).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # or the images beside them would show
    network.draw_dropout_from(Masks(0))
    theirs = batch(job, ("crop", "strong-no-flip"))
    output, logits, probs = forward(network, job.images.normalised(job.labelled), theirs)
    assert {module.spared for module in network.stochastic_depths} == {0}
    network.eval()
    torch.testing.assert_close(probs, network(theirs.views[0]).logits.softmax(1).detach())
    assert not torch.allclose(logits, network(theirs.views[1]).logits)
    assert not torch.allclose(output.logits, network(job.images.normalised(job.labelled)).logits)


def test_one_view_is_learned_and_labelled_in_one_pass() -> None:
    job = task()
    job.network.eval()
    theirs = batch(job, ("crop",))
    _, logits, probs = forward(job.network, job.images.normalised(job.labelled), theirs)
    torch.testing.assert_close(probs, logits.softmax(1))


def test_pseudo_labels_ramp() -> None:
    learner = pseudo_label.PseudoLabel(begin=0.1, end=0.6)
    assert [learner.ramp(t) for t in (0, 0.1, 0.35, 0.6, 0.99)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert torch.equal(learner.rule(3, 9)(torch.tensor([[0.4, 0.3, 0.3]]), torch.tensor([0])), torch.ones(1))


def stream(count: int = 40, size: int = 12, pool: int = 30) -> Iterator[tuple[Tensor, Tensor]]:
    """Probabilities of growing confidence, and positions that repeat across steps and sometimes within one."""
    generator = torch.Generator().manual_seed(1)
    bias = torch.tensor([1.0, 0.5, 0.0, 0.0, -1.0])
    for step in range(count):
        logits = (torch.randn(size, CLASSES, generator=generator) + bias) * (0.5 + step / 6)
        yield logits.softmax(1), torch.randint(0, pool, (size,), generator=generator)


def test_fixmatch_weights() -> None:
    rule = fixmatch.FixMatch(threshold=0.5).rule(2, 9)
    probs = torch.tensor([[0.5, 0.5], [0.4999, 0.5001], [0.3, 0.3]])
    assert rule(probs, torch.arange(3)).tolist() == [1, 1, 0]


def test_flexmatch_weights_by_brute_force() -> None:
    rule = flexmatch.FlexMatch(threshold=0.8).rule(CLASSES, 30)
    selected: dict[int, int] = {}
    passed = 0
    for step, (probs, positions) in enumerate(stream()):
        sigma = [sum(1 for c in selected.values() if c == k) for k in range(CLASSES)]
        most = max(*sigma, 30 - len(selected))
        expected = []
        for row in probs.tolist():
            k = max(range(CLASSES), key=row.__getitem__)
            beta = sigma[k] / most
            expected.append(float(max(row) >= 0.8 * beta / (2 - beta)))
        for row, position in zip(probs.tolist(), positions.tolist(), strict=True):
            if max(row) >= 0.8:
                selected[position] = max(range(CLASSES), key=row.__getitem__)
        assert rule(probs, positions).tolist() == expected, step
        passed += int(sum(expected))
    assert 0 < passed < 40 * 12
    assert len(set(selected.values())) > 2


def test_freematch_by_brute_force() -> None:
    rule = freematch.FreeMatch(momentum=0.9, fairness=1.0).rule(CLASSES, 30)
    level, mean, share = 1 / CLASSES, np.full(CLASSES, 1 / CLASSES), np.full(CLASSES, 1 / CLASSES)
    passed = 0.0
    for probs, positions in stream():
        p = probs.double().numpy()
        best = p.argmax(1)
        level = 0.9 * level + 0.1 * p.max(1).mean()
        mean = 0.9 * mean + 0.1 * p.mean(0)
        share = 0.9 * share + 0.1 * np.bincount(best, minlength=CLASSES) / len(p)
        expected = p.max(1) >= level * mean[best] / mean.max()
        found = rule(probs, positions)
        assert found.bool().tolist() == expected.tolist()
        passed += expected.sum()
        logits = (2 * torch.log(probs)).requires_grad_()
        loss = rule.penalty(logits, found)
        strong = p[expected] ** 2
        strong /= strong.sum(1, keepdims=True)
        hist = np.bincount(strong.argmax(1), minlength=CLASSES) / len(strong)
        target = (mean / share) / (mean / share).sum()
        ours = np.divide(strong.mean(0), hist, out=np.zeros(CLASSES), where=hist > 0)
        ours /= ours.sum()
        assert loss.item() == pytest.approx((target * np.log(ours + 1e-12)).sum(), rel=1e-4)
        loss.backward()
        assert logits.grad.isfinite().all()  # type: ignore[union-attr]
    assert 0 < passed < 40 * 12


@pytest.mark.parametrize("name", ONLINE)
def test_the_loss_is_zero_where_nothing_counts(name: str) -> None:
    rule = learners.build(name).rule(CLASSES, 9)  # type: ignore[attr-defined]
    logits = torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(0)).requires_grad_()
    nothing = torch.zeros(6)
    loss = (nothing * F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64), reduction="none")).mean()
    loss = loss + rule.penalty(logits, nothing)
    assert loss == 0
    loss.backward()
    assert torch.equal(logits.grad, torch.zeros(6, CLASSES))  # type: ignore[arg-type]


def test_softmatch_weights_by_brute_force() -> None:
    rule = softmatch.SoftMatch(momentum=0.9, width=3.0).rule(CLASSES, 30)
    model, mu, variance = None, 1 / CLASSES, 1.0
    smallest = 1.0
    for probs, positions in stream():
        p = probs.double().numpy()
        model = p.mean(0) if model is None else 0.9 * model + 0.1 * p.mean(0)
        aligned = p * (1 / CLASSES + 1e-6) / (model + 1e-6)
        best = (aligned / aligned.sum(1, keepdims=True)).max(1)
        mu, variance = 0.9 * mu + 0.1 * best.mean(), 0.9 * variance + 0.1 * best.var(ddof=1)
        expected = np.exp(-(np.minimum(best - mu, 0) ** 2) / (2 * variance / 9))
        np.testing.assert_allclose(rule(probs, positions).numpy(), expected, rtol=1e-4, atol=1e-6)
        smallest = min(smallest, expected.min())
    assert smallest < 0.5


def test_softmatch_with_no_variance_at_all() -> None:
    rule = softmatch.SoftMatch(momentum=0.0).rule(CLASSES, 30)
    row = torch.tensor([[0.6, 0.1, 0.1, 0.1, 0.1]])
    assert rule(row, torch.tensor([0])).tolist() == [1]
    assert rule(row.expand(4, -1), torch.arange(4)).tolist() == [1] * 4
