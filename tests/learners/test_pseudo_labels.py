"""Pseudo-labels of a whole pool: which are accepted, the trainings on them by hand, and how they are judged."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from support.small_trainings import CLASSES, RECIPE, task, weights
from support.tiny import bench, experiment
from torch import Tensor
from torch.nn import functional as F

from benchmark import learners
from benchmark.data import datasets
from benchmark.experiment.recipe import Recipe
from benchmark.learners import supervised
from benchmark.learners.accepting import capped, levelled
from benchmark.loop.judging import judged
from benchmark.models.network import Network
from benchmark.training.batches import Batches
from benchmark.training.log import Trace
from benchmark.training.pseudo_labels import NONE, EpochPseudoLabels, PseudoLabelLog
from benchmark.training.task import TrainingTask


def some_probs(count: int = 60) -> Tensor:
    """Confidences from low to high, and few of the last class."""
    generator = torch.Generator().manual_seed(2)
    scale = torch.linspace(0.3, 4, count)[torch.randperm(count, generator=generator)]
    bias = torch.tensor([1.0, 0.4, 0.0, 0.0, -1.5])
    return ((torch.randn(count, CLASSES, generator=generator) + bias) * scale[:, None]).softmax(1)


# --- which are accepted


def confident(probs: Tensor, threshold: float) -> list[list[int]]:
    """Of every predicted class the rows at or above the threshold, the most confident first."""
    rows = probs.tolist()
    classes: list[list[int]] = [[] for _ in range(probs.shape[1])]
    for i in sorted(range(len(rows)), key=lambda i: -max(rows[i])):
        if max(rows[i]) >= threshold:
            classes[rows[i].index(max(rows[i]))].append(i)
    return classes


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("balance", [1.0, 1.5, 5.0])
def test_capped_by_brute_force(threshold: float, balance: float) -> None:
    probs = some_probs()
    classes = confident(probs, threshold)
    cap = math.ceil(balance * sum(len(own) for own in classes) / CLASSES)
    found = capped(probs, threshold, balance).tolist()
    assert found == [i for own in classes for i in own[:cap]]
    assert len(found) == len(set(found))
    if balance == CLASSES:
        assert len(found) == sum(len(own) for own in classes)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("per_class", [1, 7, 40])
def test_levelled_by_brute_force(threshold: float, per_class: int) -> None:
    probs = some_probs()
    expected = []
    for own in confident(probs, threshold):
        repeated = own * per_class
        expected += repeated[:per_class]
    assert levelled(probs, threshold, per_class).tolist() == expected


# --- the trainings by hand


def quiet(job: TrainingTask) -> TrainingTask:
    """Without dropout."""
    for module in job.network.dropouts:
        module.probability = 0.0
    return job


class Hand:
    """The plainest training there is: SGD by the recipe, and averaged weights."""

    def __init__(self, network: Network, steps: int, decay: float, recipe: Recipe = RECIPE) -> None:
        self.network, self.averaged, self.steps, self.decay = network.train(), copy.deepcopy(network), steps, decay
        self.rates = recipe.learning_rates(steps)
        self.optimiser = torch.optim.SGD(network.parameters(), momentum=0.9, weight_decay=5e-4)

    def step(self, done: int, loss: Tensor) -> None:
        self.optimiser.param_groups[0]["lr"] = self.rates[done]
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        decay = min(self.decay, (2 + done) / (11 + done))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.copy_(decay * mean + (1 - decay) * value)

    def predict(self, job: TrainingTask) -> Tensor:
        with torch.no_grad():
            return self.averaged.eval()(job.images.normalised(job.unlabelled)).logits.softmax(1)


def test_self_training_by_hand() -> None:
    """12 steps, revisions after the 4th and the 8th; every weight computed image by image."""
    job = quiet(task())
    hand = Hand(copy.deepcopy(job.network), 12, 0.9)
    learner = learners.build("self-training[threshold=0.22,revisions=2,uncertainty=0.5,weight=2,ema=0.9,mu=2]")
    fitted = learner.fit(job)
    ours = list(Batches(job.images, job.labelled, 8, ("crop",), job.generator("batches")).take(12))
    accepted: list[int] = []
    theirs = iter(())
    revised = []
    for done, batch in enumerate(ours):
        if done in (4, 8):
            probs = hand.predict(job)
            classes = confident(probs, 0.22)
            cap = math.ceil(sum(len(own) for own in classes) / CLASSES)
            accepted = [i for own in classes for i in own[:cap]]
            labels = probs.argmax(1)[accepted]
            draws = job.generator(f"unlabelled/{done // 4}")
            images = job.unlabelled[accepted]
            size = min(16, len(accepted))
            theirs = iter(list(Batches(job.images, images, size, ("strong-no-flip",), draws).take(4)))
            revised.append((done, probs.argmax(1).tolist(), [float(i in accepted) for i in range(60)]))
        loss = weighed(hand.network(batch.images).logits, job.targets[batch.positions], confidence=False)
        if accepted:
            images = next(theirs)
            logits = hand.network(images.images).logits
            loss = loss + 2 * weighed(logits, labels[images.positions], confidence=True)
        hand.step(done, loss)
    assert 0 < len(accepted) < 60
    torch.testing.assert_close(weights(fitted.network), weights(hand.averaged), rtol=1e-4, atol=1e-6)
    assert [(step, given.tolist(), counted.tolist()) for step, given, counted in fitted.pseudo_labels] == revised


def weighed(logits: Tensor, labels: Tensor, *, confidence: bool) -> Tensor:
    """mean CE · (1 + u / 2), and · c with ``confidence``, with plain floats for u and c."""
    probs = logits.detach().softmax(1).tolist()
    entropies = [-sum(p * math.log(p) for p in row) for row in probs]
    total = torch.zeros(())
    for row, entropy, z, y in zip(probs, entropies, logits, labels, strict=True):
        weight = 1 + 0.5 * entropy / max(entropies)
        total = total + F.cross_entropy(z, y) * weight * (max(row) if confidence else 1)
    return total / len(labels)


@pytest.mark.parametrize(("reduction", "factor"), [("", 1), (",per_labelled=true", 3)])
def test_noisy_student_by_hand(reduction: str, factor: int) -> None:
    """A teacher, two students; soft labels; one mean over all images of a step, or their sum per labelled one."""
    recipe = dataclasses.replace(RECIPE, min_steps=30, learning_rate=0.1)
    job = quiet(task(recipe=recipe))
    fresh = job.fresh
    assert fresh is not None

    def quietly(part: str, width: float) -> Network:
        return quiet(dataclasses.replace(job, network=fresh(part, width))).network

    noisy = dataclasses.replace(job, fresh=quietly)
    last = Hand(copy.deepcopy(job.network), 20, 0.9, recipe)
    parameters = "iterations=2,threshold=0.215,per_class=20,ema=0.9,mu=2,steps=20"
    fitted = learners.build(f"noisy-student[{parameters}{reduction}]").fit(noisy)
    noised = dataclasses.replace(recipe, augmentation="strong-no-flip")
    teacher = supervised.fit(
        dataclasses.replace(job, network=quietly("teacher", 1.0), recipe=noised), part="teacher"
    ).network
    hand = Hand(teacher, 1, 0.0, recipe)
    hand.averaged = teacher
    noted = []
    for part, student in (("/student1", Hand(quietly("student1", 1.0), 20, 0.9, recipe)), ("", last)):
        probs = hand.predict(job)
        kept = [i for own in confident(probs, 0.215) for i in (own * 20)[:20]]
        noted.append((probs.argmax(1).tolist(), [kept.count(i) for i in range(60)]))
        noise = ("strong-no-flip",)
        ours = Batches(job.images, job.labelled, 8, noise, job.generator("batches" + part)).take(20)
        images = job.unlabelled[kept]
        theirs = Batches(job.images, images, 16, noise, job.generator("unlabelled" + part)).take(20)
        for done, (known, unknown) in enumerate(zip(ours, theirs, strict=True)):
            targets = F.one_hot(job.targets[known.positions], CLASSES).float()
            soft = torch.cat([targets, probs[kept][unknown.positions]])
            logits = student.network(torch.cat([known.images, unknown.images])).logits
            student.step(done, -factor * (soft * logits.log_softmax(1)).sum(1).mean())
        hand = student
    assert 0 < len(set(kept)) < 60
    torch.testing.assert_close(weights(fitted.network), weights(last.averaged), rtol=1e-4, atol=1e-6)
    assert [(labels.tolist(), counted.tolist()) for _, labels, counted in fitted.pseudo_labels] == noted
    assert [step for step, _, _ in fitted.pseudo_labels] == [30, 50]


def test_a_smaller_teacher() -> None:
    job = task()
    assert job.fresh is not None
    small = job.fresh("teacher", 0.5)
    assert [small.stage_channels, job.network.stage_channels] == [(2, 4), (4, 8)]
    assert not torch.equal(weights(job.fresh("teacher", 1.0)), weights(job.network))
    fitted = learners.build("noisy-student[teacher_width=0.5,iterations=1]").fit(job)
    assert fitted.network.stage_channels == (4, 8)


def test_a_fixed_teachers_pseudo_labels() -> None:
    """They are its argmaxima on the images as they are, in every epoch; the student starts from its weights."""
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=40))
    alone = dataclasses.replace(job, network=copy.deepcopy(job.network))
    teacher = supervised.fit(alone, part="teacher").network.eval()
    with torch.no_grad():
        expected = teacher(job.images.normalised(job.unlabelled)).logits.argmax(1)
    began: list[Tensor] = []
    own = TrainingTask.labelled_loss
    with pytest.MonkeyPatch.context() as patch:

        def watched(self: TrainingTask, *arguments: object) -> Tensor:
            began.append(weights(self.network).clone())
            return own(self, *arguments)  # type: ignore[arg-type]

        patch.setattr(TrainingTask, "labelled_loss", watched)
        fitted = learners.build("pseudo-label[teacher=true,steps=10]").fit(job)
    assert torch.equal(began[40], weights(teacher))
    assert len(began) == 50
    for _, labels, counted in fitted.pseudo_labels:
        seen = labels != NONE
        assert torch.equal(labels[seen].long(), expected[seen])
        assert counted[seen].unique().tolist() == [1]


# --- how they are judged


def test_the_last_of_an_epoch_holds() -> None:
    given = PseudoLabelLog(5, torch.device("cpu"))
    given.add(torch.tensor([3, 1, 3]), torch.tensor([0, 1, 2]), torch.tensor([0.25, 0.5, 0.75]))
    given.add(torch.tensor([1]), torch.tensor([4]), torch.tensor([0.0]))
    given.end_epoch(2)
    given.add(torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))
    given.end_epoch(3)
    found = [(step, labels.tolist(), counted.tolist()) for step, labels, counted in given.epochs]
    assert found == [
        (2, [NONE, 4, NONE, 2, NONE], [0, 0, 0, 0.75, 0]),
        (3, [1, NONE, NONE, NONE, NONE], [1, 0, 0, 0, 0]),
    ]


def test_judged_by_hand() -> None:
    labels = torch.tensor([0, 1, 2, NONE, 1], dtype=torch.int16)
    given = [
        EpochPseudoLabels(4, labels, torch.tensor([1.0, 0.5, 0.0, 0.0, 0.5])),
        EpochPseudoLabels(8, labels, torch.zeros(5)),
        EpochPseudoLabels(9, torch.full((5,), NONE, dtype=torch.int16), torch.zeros(5)),
        EpochPseudoLabels(10, labels, torch.ones(5)),  # after a number of steps that has no trace
    ]
    traces = [Trace(4, {"loss": 1.0}), Trace(4, {"loss": 2.0}), Trace(8, {}), Trace(9, {})]
    truth = torch.tensor([0, 1, 2, 0, 0])
    assert judged(traces, given, truth) == [
        Trace(4, {"loss": 1.0}),
        Trace(4, {"loss": 2.0, "accepted": 0.75, "right": 0.75, "precision": 0.75}),
        Trace(8, {"accepted": 0.0, "right": 0.75}),
        Trace(9, {}),
    ]
    assert judged(traces, given, None)[1] == Trace(4, {"loss": 2.0, "accepted": 0.75})
    assert traces[1] == Trace(4, {"loss": 2.0})


@pytest.mark.parametrize("oracle", ["simulated", "person"])
def test_a_runs_traces_are_judged(tmp_path: Path, oracle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the true labels; where a person answers nobody knows them. Shared traces are judged as well."""
    truth = datasets.load("digits").train_labels
    monkeypatch.setattr("benchmark.loop.oracles.PersonOracle.answer", lambda self, indices: truth[indices.cpu()])
    learner = "self-training[threshold=0.05,revisions=2]"
    arguments = ("--seeds", "0", "--budgets", "10", "20", "--learner", learner, "--set", f"oracle={oracle}")
    assert bench(tmp_path, *arguments) == 0
    told = {}
    for path in (experiment(tmp_path) / "runs").glob("*/*.epochs.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        told[path.parent.name] = [{**line, **line["values"]} for line in lines]
    assert len(told) == 2
    assert told["random"][:2] == told["margin"][:2]
    judged_lines = [line for lines in told.values() for line in lines if "accepted" in line]
    assert [(line["round"], line["step"]) for line in judged_lines] == [(0, 4), (0, 8), (1, 4), (1, 8)] * 2
    known = {"accepted"} | ({"right", "precision"} if oracle == "simulated" else set())
    for line in judged_lines:
        assert line.keys() & {"accepted", "right", "precision"} == known
        assert all(0 <= line[key] <= 1 for key in known)
