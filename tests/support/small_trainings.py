"""Trainings of a few steps on blurred squares, and an attachment; for the tests of learners."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark.experiment.recipe import Recipe
from benchmark.learners import LEARNERS
from benchmark.learners.online import Online
from benchmark.learners.semi_supervised import SemiSupervised
from benchmark.models.blueprint import Blueprint, Fresh
from benchmark.training.batches import Images
from benchmark.training.task import TrainingTask
from strategies.api import Attachment, Output, Step

RECIPE = Recipe(
    min_steps=12,
    batch_size=8,
    precision="float32",
    learning_rate=0.05,
    augmentation="crop",
    strong_augmentation="strong-no-flip",
)
CLASSES = 5
SEMI_SUPERVISED = [name for name, cls in LEARNERS.items() if issubclass(cls, SemiSupervised)]
ONLINE = [name for name, cls in LEARNERS.items() if issubclass(cls, Online)]


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
) -> TrainingTask:
    data = images(labelled + unlabelled)
    plan = Blueprint("cnn", {"width": 4, "hidden": 16, "dropout": 0.2}, 1, (8, 8), CLASSES, None)
    network = plan.network(0, "weights", 0, data.device)
    chosen, rest = torch.arange(labelled + unlabelled).split([labelled, unlabelled])
    answers = chosen % CLASSES if targets is None else targets
    fresh = Fresh(plan, 0, 0, data.device)
    return TrainingTask(
        images=data,
        network=network,
        attachment=attachment,
        recipe=recipe,
        labelled=chosen,
        targets=answers,
        unlabelled=rest,
        seed=0,
        round=0,
        checkpoints=checkpoints,
        fresh=fresh,
    )


def weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])
