"""Self-training and pseudo-labels with a head that is solved, against their laws written out in plain loops."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.small_trainings import RECIPE
from support.tiny import bench, run_lines
from support.trees import PLAIN, own
from torch import Tensor
from torch.nn import functional as F

from benchmark import learners
from benchmark.learners.pseudo_label import STAGES
from benchmark.models import logistic
from benchmark.models.blueprint import Blueprint
from benchmark.training.batches import Images
from benchmark.training.task import TrainingResult, TrainingTask

CLASSES, WIDTH, LABELLED = 3, 4, 9
PENALTY = 1e-4 * WIDTH


def points(count: int = 70) -> tuple[Tensor, Tensor]:
    """Three groups that overlap, in four dimensions, and their numbers."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % CLASSES
    centres = 1.5 * torch.randn(CLASSES, WIDTH, generator=generator)
    return centres[labels] + torch.randn(count, WIDTH, generator=generator), labels


def train(learner: str, count: int = 70) -> TrainingResult:
    rows, labels = (part[:count] for part in points())
    data = Images(rows[:, None, None], torch.zeros(WIDTH), torch.ones(WIDTH))
    head = Blueprint("linear", {}, WIDTH, (1, 1), CLASSES, None).network(0, "weights", 0, data.device)
    task = TrainingTask(
        images=data,
        network=head,
        attachment=None,
        recipe=replace(RECIPE, augmentation="none"),
        labelled=torch.arange(LABELLED),
        targets=labels[:LABELLED],
        unlabelled=torch.arange(LABELLED, count),
        seed=0,
        round=0,
    )
    return learners.build(learner).fit(task)


def predictions(result: TrainingResult) -> Tensor:
    head = result.network.head
    return (points()[0] @ head.weight.T + head.bias).softmax(1).detach().double()


def minimum(rows: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Probabilities (70, C) by the head that minimises the weighted sum of losses and the penalty."""
    w = torch.zeros(CLASSES, WIDTH, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([w, b], max_iter=2000, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        losses = F.cross_entropy(rows.double() @ w.T + b, labels, reduction="none")
        value = (weights * losses).sum() + PENALTY / 2 * w.square().sum()
        value.backward()
        return value

    search.step(loss)
    return (points()[0].double() @ w.T + b).softmax(1).detach()


def factors(probs: Tensor, omega: float) -> Tensor:
    entropies = torch.tensor([-sum(p * math.log(p) for p in row if p > 0) for row in probs.tolist()])
    return (1 + omega * entropies / entropies.max()).double()


def self_trained(threshold: float, balance: float, omega: float, weight: float, revisions: int) -> Tensor:
    rows, truth = points()
    probs = minimum(rows[:LABELLED], truth[:LABELLED], torch.full((LABELLED,), 1 / LABELLED).double())
    for _ in range(revisions):
        confidence, labels = probs.max(1)
        confident = [i for i in range(LABELLED, 70) if confidence[i] >= threshold]
        cap = math.ceil(balance * len(confident) / CLASSES)
        accepted = []
        for label in range(CLASSES):
            its = sorted((i for i in confident if labels[i] == label), key=lambda i: -confidence[i])
            accepted += its[:cap]
        ours = factors(probs[:LABELLED], omega) / LABELLED
        theirs = weight * confidence[accepted] * factors(probs[accepted], omega) / len(accepted)
        all_labels = torch.cat([truth[:LABELLED], labels[accepted]])
        probs = minimum(torch.cat([rows[:LABELLED], rows[accepted]]), all_labels, torch.cat([ours, theirs]))
    return probs


def pseudo_labelled(threshold: float, weight: float, teacher: bool) -> Tensor:
    rows, truth = points()
    probs = minimum(rows[:LABELLED], truth[:LABELLED], torch.full((LABELLED,), 1 / LABELLED).double())
    fixed, others = probs.argmax(1), 70 - LABELLED
    for stage in range(1, STAGES + 1):
        alpha = weight * min(max((stage / STAGES - 0.1) / 0.5, 0.0), 1.0)
        labels = torch.cat([truth[:LABELLED], (fixed if teacher else probs.argmax(1))[LABELLED:]])
        taken = (probs[LABELLED:].amax(1) >= threshold).double() * alpha / others
        probs = minimum(rows, labels, torch.cat([torch.full((LABELLED,), 1 / LABELLED).double(), taken]))
    return probs


@pytest.mark.parametrize(
    ("threshold", "balance", "omega", "weight", "revisions"),
    [(0.8, 1.0, 1.0, 0.5, 3), (0.9, 2.0, 0.0, 2.0, 1), (0.0, 1.5, 3.0, 0.7, 2)],
)
def test_self_training_solves_for_what_each_revision_accepts(
    threshold: float, balance: float, omega: float, weight: float, revisions: int
) -> None:
    settings = f"threshold={threshold},balance={balance},uncertainty={omega},weight={weight},revisions={revisions}"
    result = train(f"self-training[{settings}]")
    expected = self_trained(threshold, balance, omega, weight, revisions)
    torch.testing.assert_close(predictions(result), expected, atol=1e-3, rtol=0)
    assert (expected - self_trained(threshold, balance, omega, 0.0, 1)).abs().max() > 0.01  # the pool has an influence
    assert [trace.step for trace in result.traces] == [epoch.step for epoch in result.pseudo_labels]
    assert len(result.traces) == revisions


@pytest.mark.parametrize("threshold", [0.0, 0.9])
@pytest.mark.parametrize("teacher", [False, True])
def test_pseudo_labels_are_those_of_the_solution_before(threshold: float, teacher: bool) -> None:
    result = train(f"pseudo-label[threshold={threshold},weight=0.5,teacher={str(teacher).lower()}]")
    expected = pseudo_labelled(threshold, 0.5, teacher)
    torch.testing.assert_close(predictions(result), expected, atol=1e-3, rtol=0)
    assert len(result.traces) == (1 if teacher and not threshold else STAGES)


def test_where_nothing_is_accepted_the_labelled_images_are_all() -> None:
    alone = predictions(train("supervised"))
    torch.testing.assert_close(predictions(train("self-training[threshold=1,uncertainty=0]")), alone, atol=1e-3, rtol=0)
    torch.testing.assert_close(predictions(train("self-training", LABELLED))[:, 0], alone[:, 0])  # no pool is left


def test_weights_are_numbers_of_copies() -> None:
    rows, labels = points(20)
    times = torch.tensor([1, 3, 2, 1] * 5)
    copies = rows.repeat_interleave(times, 0), labels.repeat_interleave(times)
    wide = torch.cat([rows, torch.randn(20, 26, generator=torch.Generator().manual_seed(1))], 1)
    for inputs in (rows, wide):
        many = inputs.repeat_interleave(times, 0)
        weighted = logistic.fit(inputs[None], labels[None], CLASSES, 0.01, times[None] / times.double().mean())
        repeated = logistic.fit(many[None], copies[1][None], CLASSES, 0.01)
        torch.testing.assert_close(weighted.weights, repeated.weights, atol=3e-4, rtol=1e-3)
        torch.testing.assert_close(weighted.biases, repeated.biases, atol=3e-4, rtol=1e-3)


@pytest.mark.parametrize("model", ["linear", "mlp[width=16]"])
def test_learners_of_embeddings_run_from_the_command_line(tmp_path: Path, model: str) -> None:
    named = ("supervised", "self-training[threshold=0.6]", "pseudo-label", "pseudo-label[teacher=true]")
    steps = ("recipe.min_steps=40", "recipe.batch_size=8") if model != "linear" else ()
    arguments = ("--dataset", str(own(tmp_path)), "--model", model, "--seeds", "0", "--budgets", "6", "12")
    learner = ("--learner", *named, "--strategies", "random", "margin", "bald", "uherding")
    assert bench(tmp_path, *arguments, *learner, "--set", *PLAIN, *steps) == 0
    runs = {path: lines for path, lines in run_lines(tmp_path).items() if not path.endswith("epochs.jsonl")}
    assert len(runs) == 16
    assert all(rounds[-1]["accuracy"] > 0.5 for _, *rounds in runs.values())  # of three classes


@pytest.mark.parametrize(
    ("model", "learner", "said"),
    [
        ("linear", "fixmatch", "learner 'fixmatch' learns from augmented views of images, and model 'linear'"),
        ("mlp", "noisy-student", "learner 'noisy-student' learns from augmented views of images, and model 'mlp'"),
        ("mlp", "pseudo-label[strong=true]", "choose --learner supervised, self-training or pseudo-label"),
        ("linear", "self-training[ema=0.9,mu=3]", "ema, mu is of a training in steps, and model 'linear' is solved"),
    ],
)
def test_what_embeddings_cannot_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, learner: str, said: str
) -> None:
    arguments = ("--dataset", str(own(tmp_path)), "--model", model, "--seeds", "0", "--budgets", "6", "12")
    assert bench(tmp_path, *arguments, "--learner", learner, "--set", *PLAIN) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
