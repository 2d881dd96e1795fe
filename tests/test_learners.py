"""Learners: names, the contract that each keeps, and the rules by which pseudo-labels count, by brute force."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import bench, experiment, run_lines
from torch import Tensor
from torch.nn import functional as F

from benchmark import learners, models, seeds
from benchmark.blueprint import Blueprint, Fresh
from benchmark.learners import LEARNERS, fixmatch, flexmatch, freematch, pseudo_label, softmatch, supervised
from benchmark.learners.online import Online
from benchmark.learners.semi_supervised import SemiSupervised, forward
from benchmark.store import RunFile
from benchmark.training import checkpoints
from benchmark.training.averaging import Average
from benchmark.training.batches import Batch, Batches, Images
from benchmark.training.engine import Task
from benchmark.training.pseudo_labels import NONE
from benchmark.training.recipe import Recipe
from strategies.base import Attachment, Output, Step

RECIPE = Recipe(
    min_steps=12,
    batch_size=8,
    precision="float32",
    learning_rate=0.05,
    augmentation="crop",
    strong_augmentation="strong-no-flip",
)
SEMI_SUPERVISED = [name for name, cls in LEARNERS.items() if issubclass(cls, SemiSupervised)]
ONLINE = [name for name, cls in LEARNERS.items() if issubclass(cls, Online)]
# Every learner, and the forms of one that take another way.
TEACHER, STUDENT = "pseudo-label[teacher=true]", "noisy-student[threshold=0,iterations=2,teacher_width=0.5]"
FORMS = [*LEARNERS, TEACHER, STUDENT, "self-training[threshold=0.2,revisions=2]"]
TRAININGS = {TEACHER: 2, "noisy-student": 4, STUDENT: 3}
UNWEIGHTED = "self-training[weight=0,ema=0,uncertainty=0]"
CLASSES = 5


class Norm(Attachment):
    """Learns the embedding's norm from the labelled losses; a stand-in for a strategy's attachment."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.batches: list[int] = []

    def forward(self, output: Output | Step) -> Tensor:
        return output.embedding.float().norm(dim=1) * self.scale

    def loss(self, step: Step) -> Tensor:
        self.batches.append(len(step.targets))
        assert {len(part) for part in (step.logits, step.embedding, *step.stages, step.losses)} == {len(step.targets)}
        return (self(step) - step.losses.detach()).square().mean()


def images(count: int = 80) -> Images:
    """Blurred squares, one place a class, on noise: what a small network learns in a few steps."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 90, (count, 8, 8, 1), dtype=torch.uint8, generator=generator)
    for i in range(count):
        row, column = divmod(i % CLASSES, 3)
        pixels[i, 3 * row : 3 * row + 3, 3 * column : 3 * column + 2] += 150
    return Images(pixels, torch.tensor([0.3]), torch.tensor([0.25]))


def task(
    *,
    recipe: Recipe = RECIPE,
    attachment: Attachment | None = None,
    labelled: int = 20,
    unlabelled: int = 60,
    targets: Tensor | None = None,
    checkpoints: Any = None,
) -> Task:
    data = images(labelled + unlabelled)
    plan = Blueprint("cnn", {"width": 4, "hidden": 16, "dropout": 0.2}, 1, (8, 8), CLASSES, None)
    network = plan.network(0, "weights", 0, data.device)
    chosen, rest = torch.arange(labelled + unlabelled).split([labelled, unlabelled])
    answers = chosen % CLASSES if targets is None else targets
    fresh = Fresh(plan, 0, 0, data.device)
    return Task(data, network, attachment, recipe, chosen, answers, rest, 0, 0, checkpoints=checkpoints, fresh=fresh)


def weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


# --- names


def test_canonical_names_sort_keys_and_leave_defaults_out() -> None:
    assert learners.build("fixmatch[threshold=0.9,mu=3]").canonical == "fixmatch[mu=3,threshold=0.9]"
    assert learners.build("fixmatch[mu=7.0,weight=1,threshold=0.95]").canonical == "fixmatch"
    built = learners.build("fixmatch[mu=3]")
    assert isinstance(built, fixmatch.FixMatch)
    assert (built.mu, built.threshold) == (3, 0.95)
    assert next(iter(LEARNERS)) == "supervised"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixmach", "unknown learner 'fixmach': did you mean fixmatch"),
        ("fixmatch[treshold=0.9]", "'fixmatch' has no parameter 'treshold': did you mean threshold"),
        ("supervised[mu=3]", "'supervised' has no parameter 'mu'"),
        ("fixmatch[mu=0]", r"learner 'fixmatch\[mu=0\]': mu must be a whole number of at least 1, not 0"),
        ("fixmatch[mu=2.5]", "mu must be a whole number"),
        ("fixmatch[mu=1e999]", "mu must be a whole number of at least 1, not inf"),
        ("fixmatch[mu=x]", "'fixmatch': mu must be a value like 7, not 'x'"),
        ("fixmatch[threshold=1.5]", "threshold must be a probability, not 1.5"),
        ("flexmatch[ema=1]", "ema must be at least 0 and below 1"),
        ("freematch[fairness=-1]", "fairness must not be negative"),
        ("freematch[momentum=1]", "momentum must be at least 0"),
        ("softmatch[width=0]", "width must be positive"),
        ("softmatch[steps=-1]", "steps must be a whole number"),
        ("softmatch[weight=-1]", "weight must not be negative"),
        ("pseudo-label[begin=0.6]", "begin and end must be shares"),
        ("self-training[revisions=0]", "revisions must be a whole number of at least 1, not 0"),
        ("self-training[balance=0.5]", "balance must be at least 1, not 0.5"),
        ("self-training[uncertainty=-1]", "uncertainty must not be negative"),
        ("noisy-student[iterations=0]", "iterations must be a whole number of at least 1, not 0"),
        ("noisy-student[per_class=-1]", "per_class must be a whole number of at least 0, not -1"),
        ("noisy-student[teacher_width=2]", "teacher_width must be above 0 and at most 1, not 2.0"),
        ("noisy-student[weight=2]", "'noisy-student' has no parameter 'weight'"),
        ("fixmatch[mu=3", "the bracket is not closed"),
    ],
)
def test_bad_names_and_parameters_are_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        learners.build(text)
    assert "\n" not in str(error.value)


# --- the contract


@pytest.mark.parametrize("name", FORMS)
def test_a_training_is_its_streams_alone(name: str) -> None:
    """The same bits whatever the global generator's state, which stays; and the attachment learns."""
    learner, outcomes = learners.build(name), []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        job = task(attachment=Norm())
        network = learner.fit(job)
        assert torch.equal(torch.get_rng_state(), before)
        assert isinstance(job.attachment, Norm)
        assert job.attachment.scale != 1
        assert job.attachment.batches == [8] * 12  # labelled images only
        outcomes.append((weights(network), weights(job.attachment), job.traces, told(job)))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert torch.equal(outcomes[0][1], outcomes[1][1])
    assert outcomes[0][2:] == outcomes[1][2:]
    assert outcomes[0][0].isfinite().all()
    with seeds.scoped(0, "weights", 0):
        assert not torch.equal(weights(network), weights(task().network))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("recipe", "others"),
    [
        ({}, {"targets": torch.arange(20) % 2}),  # three classes without a label
        ({}, {"labelled": 1}),
        ({}, {"unlabelled": 1}),
        ({}, {"unlabelled": 11}),  # fewer than a batch
        ({"learning_rate": 1e-30}, {}),  # nothing is ever confident
        ({"precision": "bfloat16"}, {}),
    ],
    ids=["missing classes", "one label", "one unlabelled", "tiny pool", "nothing confident", "bfloat16"],
)
def test_corners(name: str, recipe: dict[str, Any], others: dict[str, Any]) -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=4, **recipe), **others)
    network = learners.build(name).fit(job)
    assert weights(network).isfinite().all()
    assert all(math.isfinite(value) for line in job.traces for value in line.values())
    for _, labels, counted in job.pseudo_labels:
        assert labels.shape == counted.shape == job.unlabelled.shape
        assert set(labels.tolist()) <= {NONE, *range(CLASSES)}
        assert (counted[labels == NONE] == 0).all()
        assert counted.isfinite().all()


@pytest.mark.parametrize("name", ["fixmatch", "self-training", "noisy-student"])
def test_a_threshold_that_nothing_passes(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The unlabelled loss is 0, or there is none, and the judge is told so."""
    job = task()
    assert weights(learners.build(f"{name}[threshold=1]").fit(job)).isfinite().all()
    assert job.pseudo_labels
    assert all((counted == 0).all() for _, _, counted in job.pseudo_labels)
    assert all(line.get("unlabelled_loss", 0) == 0 for line in job.traces)
    assert len(caplog.records) == (3 if name == "noisy-student" else 0)


def told(job: Task) -> list[tuple[int, list[int], list[float]]]:
    """The pseudo-labels as plain numbers."""
    return [(step, labels.tolist(), counted.tolist()) for step, labels, counted in job.pseudo_labels]


class Memory:
    """Where a training's states are kept in this process; every one that is saved, by the way."""

    def __init__(self) -> None:
        self.states: list[tuple[str, dict[str, Any]]] = []

    def load(self, name: str) -> dict[str, Any]:
        return next((copy.deepcopy(state) for key, state in reversed(self.states) if key == name), {})

    def save(self, name: str, state: dict[str, Any]) -> None:
        self.states.append((name, copy.deepcopy(state)))


@pytest.mark.parametrize(("name", "optimizer"), [*((name, "sgd") for name in FORMS), ("fixmatch", "adam")])
def test_a_training_goes_on_from_any_saved_state_with_the_same_bits(
    name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr("benchmark.training.batches.MAX_STEPS", 5)  # states within and at the ends of blocks of draws
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, learning_rate=0.01)
    learner, memory = learners.build(name), Memory()
    through = task(recipe=recipe, attachment=Norm(), checkpoints=memory)
    network = learner.fit(through)
    trainings = TRAININGS.get(name, 1)
    assert [state["done"] for _, state in memory.states] == list(range(1, 13)) * trainings
    assert len({key for key, _ in memory.states}) == trainings
    for done in [12 * earlier + own for earlier in range(trainings) for own in (3, 5, 12)]:
        resumed = task(recipe=recipe, attachment=Norm(), checkpoints=Memory())
        resumed.checkpoints.states = memory.states[:done]  # type: ignore[union-attr]
        again = learner.fit(resumed)
        state, expected = again.state_dict(), network.state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)
        assert torch.equal(weights(resumed.attachment), weights(through.attachment))  # type: ignore[arg-type]
        assert resumed.traces == through.traces
        assert told(resumed) == told(through)
        assert resumed.attachment.batches == [8] * min(12, 12 * trainings - done)  # type: ignore[union-attr]
        last = dict(memory.states[:done])  # of every training its last state
        assert resumed.resumed_seconds == pytest.approx(sum(state["seconds"] for state in last.values()))


def test_short_trainings_save_nothing() -> None:
    memory = Memory()
    supervised.fit(task(checkpoints=memory))
    assert memory.states == []


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_without_unlabelled_images_it_is_supervised(name: str, caplog: pytest.LogCaptureFixture) -> None:
    network = learners.build(name).fit(task(unlabelled=0))
    assert torch.equal(weights(network), weights(supervised.fit(task(unlabelled=0))))
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{name}: there is no unlabelled image")


@pytest.mark.parametrize("name", [*(f"{name}[weight=0,ema=0]" for name in ONLINE), UNWEIGHTED])
def test_without_weight_and_average_it_is_supervised(name: str) -> None:
    """The last step's weights, on the same labelled batches and masks where dropout is off."""

    def job() -> Task:
        made = task()
        for module in made.network.dropouts:
            module.probability = 0.0
        return made

    network = learners.build(name).fit(job())
    torch.testing.assert_close(weights(network), weights(supervised.fit(job())), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_unlabelled_images_take_part(name: str) -> None:
    low = {"fixmatch": 0, "flexmatch": 0.2, "self-training": 0, "noisy-student": 0}
    parameters = f"[threshold={low[name]}]" if name in low else ""
    first = weights(learners.build(name + parameters).fit(task()))
    other = task()
    other.unlabelled = other.unlabelled[:30]
    assert not torch.equal(first, weights(learners.build(name + parameters).fit(other)))


def test_steps_and_traces() -> None:
    job = task()
    learners.build("fixmatch[steps=90,mu=2]").fit(job)  # 60 images, 16 a step: an epoch has 4 steps
    assert [(line["round"], line["step"]) for line in job.traces] == [*((0, step) for step in range(4, 90, 4)), (0, 90)]
    assert job.traces[0].keys() == {"round", "step", "labelled_loss", "unlabelled_loss", "weight", "confidence"}
    assert 1 / CLASSES < job.traces[0]["confidence"] < 1


def test_a_large_pool_is_traced_a_hundred_times_at_most() -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=250), unlabelled=8)
    learners.build("fixmatch[mu=1]").fit(job)
    assert [line["step"] for line in job.traces] == [*range(3, 250, 3), 250]


def test_a_short_training_is_traced_twenty_times() -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=50), unlabelled=60)
    learners.build("fixmatch[mu=1]").fit(job)  # eight steps would be an epoch
    assert [line["step"] for line in job.traces] == [*range(3, 50, 3), 50]


# --- parts


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


def batch(job: Task, views: tuple[str, ...]) -> Batch:
    return next(Batches(job.images, job.unlabelled, 6, views, torch.Generator().manual_seed(0)).take(1))


@pytest.mark.parametrize("model", ["cnn", "resnet18", "wide-resnet"])
def test_the_forward_pass(model: str) -> None:
    """With BatchNorm as one batch of all images; without, as if each had its own; q without dropout."""
    job = task()
    with seeds.scoped(0, "weights", 0):
        parameters = {"width": 4, "dropout": 0.0} | ({"hidden": 16} if model == "cnn" else {})
        network = models.build(model, parameters, 1, (8, 8), CLASSES).train()
    theirs = batch(job, ("crop", "strong-no-flip"))
    ours = job.images.normalised(job.labelled)
    output, logits, probs = forward(copy.deepcopy(network), ours, theirs)
    whole = network(torch.cat([ours, theirs.views[1], theirs.views[0]]))
    torch.testing.assert_close(output.logits, whole.logits[:20])
    torch.testing.assert_close(output.embedding, whole.embedding[:20])
    torch.testing.assert_close(output.stages[-1], whole.stages[-1][:20])
    torch.testing.assert_close(logits, whole.logits[20:26])
    torch.testing.assert_close(probs, whole.logits[26:].softmax(1).detach())
    assert not probs.requires_grad
    for module in [network.dropout, *network.dropouts]:
        module.probability = 0.9
    network.draw_dropout_from(torch.Generator().manual_seed(0))
    _, noisy, clean = forward(network, ours, theirs)
    assert network.dropout.training
    torch.testing.assert_close(clean, probs)
    assert not torch.allclose(noisy, logits)


def test_the_weak_views_of_a_forward_pass_are_spared_stochastic_depth() -> None:
    job = task()
    with seeds.scoped(0, "weights", 0):
        network = models.build("resnet18", {"width": 4, "stochastic_depth": 0.9}, 1, (8, 8), CLASSES).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # or the images beside them would show
    network.draw_dropout_from(torch.Generator().manual_seed(0))
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


# --- in a run


def traces(folder: Path) -> dict[str, list[dict[str, Any]]]:
    root = experiment(folder) / "runs"
    return {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in root.glob("*/*.epochs.jsonl")
    }


def test_learners_are_an_axis_of_the_grid(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--learner", "supervised", "fixmatch[threshold=0.95,mu=2]")
    arguments += ("--strategies", "margin", "learning-loss")
    assert bench(tmp_path, *arguments) == 0
    learner = "fixmatch-mu=2-seed0"
    runs = experiment(tmp_path) / "runs"
    assert {path.name for path in (runs / "margin").iterdir()} == {
        "supervised-seed0.jsonl",
        f"{learner}.jsonl",
        f"{learner}.epochs.jsonl",
        f"{learner}.examples.npz",
    }
    lines = [json.loads(line) for line in (runs / "margin" / f"{learner}.jsonl").read_text().splitlines()]
    assert lines[0]["learner"] == "fixmatch[mu=2]"
    assert [line["labels"] for line in lines[1:]] == [10, 20, 30]
    found = traces(tmp_path)
    assert [line["round"] for line in found["margin"]] == [0] * 12 + [1] * 12 + [2] * 12
    assert len(found["learning-loss"]) == 36


def test_traces_of_rounds_that_are_trained_again_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "experiment" / "runs" / "margin" / "fixmatch-seed0.jsonl"
    beside = path.with_name("fixmatch-seed0.epochs.jsonl")
    with RunFile(path, wait=False) as file:
        file.keep_traces(0)
        file.append_traces([])
        assert not beside.exists()
        file.append_traces([{"round": 0, "step": 4, "loss": 0.5}, {"round": 0, "step": 7, "loss": 0.25}])
        file.append_traces([{"round": 1, "step": 4, "loss": 0.5}])
        with beside.open("a") as stream:
            stream.write('{"round":1,"st')
        file.keep_traces(1)
        file.append_traces([{"round": 1, "step": 4, "loss": 0.75}])
    lines = [json.loads(line) for line in beside.read_text().splitlines()]
    assert [(line["round"], line["step"], line["loss"]) for line in lines] == [(0, 4, 0.5), (0, 7, 0.25), (1, 4, 0.75)]


def test_shared_round_0_brings_its_traces_along(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--learner", "fixmatch[mu=2]", "--budgets", "10", "20")
    assert bench(tmp_path, *arguments, "--strategies", "margin", "random") == 0
    runs = experiment(tmp_path) / "runs"
    second = json.loads((runs / "random" / "fixmatch-mu=2-seed0.jsonl").read_text().splitlines()[1])
    found = traces(tmp_path)
    assert second["shared"]
    assert found["random"][0] == found["margin"][0]


def test_a_run_killed_within_a_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same lines and traces as one that went through, though a part of the steps is not taken again."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    arguments = ("--seeds", "0", "--learner", "flexmatch[mu=2,threshold=0.2]", "--strategies", "margin")
    through, killed = tmp_path / "through", tmp_path / "killed"
    for folder in (through, killed):
        folder.mkdir()
    assert bench(through, *arguments) == 0
    taken: list[float] = []
    own = Task.labelled_loss

    def dying(job: Task, output: Output, targets: Tensor, progress: float) -> Tensor:
        taken.append(progress)
        if len(taken) == 19:  # in the second round
            raise RuntimeError("killed")
        return own(job, output, targets, progress)

    monkeypatch.setattr(Task, "labelled_loss", dying)
    assert bench(killed, *arguments) == 1
    assert len(list(killed.glob("cache/carried/*/*.pt"))) == 1
    assert bench(killed, *arguments) == 0
    assert len(taken) == 19 + (12 - 6) + 12
    assert taken[19] == 0.5
    assert run_lines(killed) == run_lines(through)
    assert not list(killed.glob("cache/carried/*/*.pt"))


def test_another_kind_of_network_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervised.Supervised, "shares_round0", False)
    assert bench(tmp_path, "--seeds", "0", "--budgets", "10", "20") == 0
    assert ", shared" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fixmatch[mu=0]"], "error: learner 'fixmatch[mu=0]': mu must be"),
        (["fixmatch", "fixmatch[mu=7]"], "error: learners must be distinct: fixmatch fixmatch"),
    ],
)
def test_bad_requests(tmp_path: Path, names: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--learner", *names) == 2
    assert capsys.readouterr().err.startswith(message)
