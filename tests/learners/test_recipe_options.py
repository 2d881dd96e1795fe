"""What a recipe says to all learners: the unlabelled set, sizes of images, label smoothing, averages of the weights."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from support.small_trainings import CLASSES, RECIPE, SEMI_SUPERVISED, Norm, task, weights
from support.tiny import bench, experiment
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import learners
from benchmark.experiment import library
from benchmark.models import factory
from benchmark.models.blueprint import Blueprint, Fresh
from benchmark.models.compact import Compact
from benchmark.training.batches import Images
from benchmark.training.task import TrainingTask
from strategies.api import Output, Step

CONFIDENT = {  # so that some pseudo-labels are used after a few steps
    "fixmatch": "[threshold=0]",
    "noisy-student": "[threshold=0,iterations=1]",
    "self-training": "[threshold=0.1,revisions=2]",
}
BOTH = dataclasses.replace(RECIPE, labelled_as_unlabelled=True)


def mixed(recipe: object = RECIPE) -> TrainingTask:
    """A task whose labelled images lie among the others, as in a run."""
    job = task(recipe=recipe)  # type: ignore[arg-type]
    labelled = torch.tensor([70, 3, 41, 12, 55, 8, 79, 30])
    rest = torch.tensor([i for i in range(80) if i not in labelled.tolist()])
    return dataclasses.replace(job, labelled=labelled, targets=labelled % CLASSES, unlabelled=rest)


# --- images of half the size, and BatchNorm


def of_32_pixels(share: float) -> TrainingTask:
    job = task(recipe=dataclasses.replace(RECIPE, half_size_until=share, strong_augmentation="strong"))
    pixels = job.images.pixels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    plan = Blueprint("compact", {"width": 2}, 1, (32, 32), CLASSES, torch.eye(4))
    network, fresh = plan.network(0, "weights", 0, pixels.device), Fresh(plan, 0, 0, pixels.device)
    return dataclasses.replace(
        job, images=Images(pixels, job.images.mean, job.images.std), network=network, fresh=fresh
    )


@pytest.mark.parametrize("name", [*SEMI_SUPERVISED, "pseudo-label[teacher=true]"])
def test_all_images_of_the_first_steps_have_half_the_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each training that a learner consists of."""
    sizes: list[int] = []
    plain = Compact.backbone

    def watched(self: Compact, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.training:
            sizes.append(x.shape[2])
        return plain(self, x)

    monkeypatch.setattr(Compact, "backbone", watched)
    learners.build(name + CONFIDENT.get(name, "")).fit(of_32_pixels(0.5))
    trainings = 2 if name in ("noisy-student", "pseudo-label[teacher=true]") else 1
    assert sizes == ([16] * 6 + [32] * 6) * trainings


class Projected(Compact):
    """With BatchNorm behind the backbone."""

    def __init__(self, *arguments: object, **parameters: object) -> None:
        super().__init__(*arguments, **parameters)  # type: ignore[arg-type]
        self.norm = nn.BatchNorm1d(self.head.in_features)

    def embed(self, features: Tensor) -> Tensor:
        return self.norm(features)


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_batch_norm_behind_the_backbone_is_refused(name: str) -> None:
    """Labelled and unlabelled images, which are embedded apart, would be normalised apart."""
    learner, images = learners.build(name), torch.zeros(1, 1, 32, 32)
    assert learner.obstacle(Compact(1, (32, 32), CLASSES, width=2), images) == ""
    projected = Projected(1, (32, 32), CLASSES, width=2)
    assert learner.obstacle(projected, images).startswith("it has BatchNorm behind its backbone")
    assert learners.build("supervised").obstacle(projected, images) == ""


# --- the labelled images without their labels


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_the_unlabelled_set_has_all_images(name: str) -> None:
    """The same bits as with a pool of the whole data set, whose draws it has."""
    name += CONFIDENT.get(name, "")
    whole = dataclasses.replace(mixed(), unlabelled=torch.arange(80))
    expected = learners.build(name).fit(whole)
    found = learners.build(name).fit(mixed(BOTH))
    assert torch.equal(weights(found.network), weights(expected.network))
    assert found.traces == expected.traces
    for a, b in zip(found.pseudo_labels, expected.pseudo_labels, strict=True):
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.weights, b.weights)
    assert not torch.equal(weights(found.network), weights(learners.build(name).fit(mixed()).network))


def test_it_does_not_depend_on_which_images_are_labelled() -> None:
    first = mixed(BOTH)
    second = dataclasses.replace(first, labelled=torch.arange(5), unlabelled=torch.arange(5, 80))
    assert torch.equal(first.without_labels, second.without_labels)
    assert torch.equal(mixed().without_labels, mixed().unlabelled)


def test_labelled_images_are_enough() -> None:
    """Where everything is labelled there are still images to learn from without labels."""
    job = dataclasses.replace(task(recipe=BOTH, labelled=20), unlabelled=torch.empty(0, dtype=torch.int64))
    fitted = learners.build("fixmatch[threshold=0]").fit(job)
    assert [labels.shape for _, labels, _ in fitted.pseudo_labels][:1] == [(20,)]


def test_a_run_judges_them_and_queries_the_others(tmp_path: Path) -> None:
    """The traces have the quality of the pseudo-labels, and no labelled image is acquired again."""
    options = ("--set", "recipe.labelled_as_unlabelled=true")
    learner = "self-training[threshold=0.05,revisions=2]"
    assert bench(tmp_path, "--seeds", "0", "--budgets", "10", "20", "--learner", learner, *options) == 0
    for path in (experiment(tmp_path) / "runs").glob("*/*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if path.name.endswith(".epochs.jsonl"):
            assert any("precision" in line["values"] for line in lines)
            continue
        initial, first = lines[0]["initial"]["acquired_indices"], lines[1]["acquired_indices"]
        assert len({*initial, *first}) == len(initial) + len(first) == 20


# --- label smoothing


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothed_targets_by_hand(weighted: bool) -> None:
    job = task(recipe=dataclasses.replace(RECIPE, label_smoothing=0.1))
    logits, labels = torch.randn(6, CLASSES), torch.tensor([0, 4, 2, 2, 1, 3])
    factors = torch.rand(6) if weighted else None
    output = Output(logits, torch.zeros(6, 16), ())
    total = 0.0
    for i, (row, label) in enumerate(zip(logits.double().log_softmax(1).tolist(), labels.tolist(), strict=True)):
        target = [0.1 / CLASSES + (0.9 if c == label else 0.0) for c in range(CLASSES)]
        loss = -math.fsum(t * z for t, z in zip(target, row, strict=True))
        total += loss * (1.0 if factors is None else float(factors[i])) / 6
    assert job.labelled_loss(output, labels, 0.0, factors).item() == pytest.approx(total, rel=1e-5)


def test_an_attachment_sees_the_losses_without_smoothing() -> None:
    seen: list[Step] = []

    class Watching(Norm):
        def loss(self, step: Step) -> torch.Tensor:
            seen.append(step)
            return super().loss(step)

    job = task(recipe=dataclasses.replace(RECIPE, label_smoothing=0.3), attachment=Watching())
    learners.build("supervised").fit(job)
    for step in seen:
        expected = F.cross_entropy(step.logits.float(), step.targets, reduction="none")
        torch.testing.assert_close(step.losses, expected)


def test_smoothing_takes_part_in_the_training() -> None:
    fitted = [
        learners.build("supervised").fit(task(recipe=dataclasses.replace(RECIPE, label_smoothing=smoothing))).network
        for smoothing in (0.0, 0.1)
    ]
    assert not torch.equal(weights(fitted[0]), weights(fitted[1]))


# --- averages


def with_batch_norm(**options: bool) -> TrainingTask:
    torch.manual_seed(0)
    network = factory.build("wide-resnet", {"depth": 10, "width": 1}, 1, (8, 8), CLASSES)
    return dataclasses.replace(task(recipe=dataclasses.replace(RECIPE, **options)), network=network)


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_learners_follow_the_recipes_averages(name: str) -> None:
    """BatchNorm's statistics are the trained network's own, and the weights keep most of the first ones."""
    if name == "noisy-student":
        pytest.skip("builds its networks itself; its average is the same call")
    job = with_batch_norm(average_buffers=False, average_warmup=False)
    first = copy.deepcopy(job.network)
    fitted = learners.build(name).fit(job)
    buffers = dict(fitted.network.named_buffers())
    assert buffers
    assert all(torch.equal(value, buffers[key]) for key, value in job.network.named_buffers())
    left = 0.999**12
    moved = weights(job.network) - weights(first)
    assert (weights(fitted.network) - weights(first)).norm() < (1 - left) * 12 * moved.norm()
    default = with_batch_norm()
    averaged = learners.build(name).fit(default)
    assert any(
        not torch.equal(value, dict(averaged.network.named_buffers())[key])
        for key, value in default.network.named_buffers()
    )


@pytest.mark.parametrize("protocol", ["cifar10-fixmatch-usb", "cifar10-fixmatch-gpu"])
def test_the_fixmatch_protocols_are_what_their_notes_say(protocol: str) -> None:
    own = library.load(protocol)
    recipe, model = own.recipe, own.model
    assert (recipe.weight_decay_on, recipe.labelled_as_unlabelled) == ("kernels", True)
    assert (recipe.average_warmup, recipe.average_buffers, recipe.strong_augmentation) == (False, False, "strong-usb")
    network = factory.build(model.name, {**model.parameters, "depth": 10}, 3, (32, 32), 10)
    assert {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.001}
    pixels = torch.randint(0, 256, (24, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    job = dataclasses.replace(
        task(recipe=dataclasses.replace(recipe, min_steps=2, batch_size=2)),
        images=Images(pixels, torch.full((3,), 0.5), torch.full((3,), 0.25)),
        network=network,
        labelled=torch.arange(10),
        targets=torch.arange(10),
        unlabelled=torch.arange(10, 24),
    )
    for name in own.learners[-2:]:
        fitted = learners.build(name).fit(dataclasses.replace(job, network=copy.deepcopy(network)))
        assert weights(fitted.network).isfinite().all()
        assert fitted.pseudo_labels[-1].labels.shape == (24,)
