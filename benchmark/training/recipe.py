"""A training recipe as data: what the protocol states, and what the engine follows to the letter."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmark.training.augmentation import augmentation

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "triangular", "cosine", "multistep")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    ``epochs`` passes over the labelled images, but at least ``min_steps`` steps; every step sees ``batch_size``
    images, drawn without replacement until all have been seen (batches run across the ends of epochs). The
    learning rate follows ``schedule``: ``triangular`` rises linearly from 0 over the share ``warmup`` of the
    steps and falls linearly to 0; ``cosine`` rises so and falls along a cosine; ``multistep`` is multiplied by
    ``decay`` at each of ``milestones`` (shares of the steps). ``strong_augmentation`` is the strong view of
    unlabelled images, for learners and strategies that use one.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: str = "triangular"
    warmup: float = 0.25
    milestones: tuple[float, ...] = ()
    decay: float = 0.1
    epochs: int = 0
    min_steps: int = 0
    batch_size: int = 128
    augmentation: str = "none"
    strong_augmentation: str = "strong"
    precision: str = "bfloat16"

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("precision", self.precision, PRECISIONS)
        augmentation(self.augmentation)
        augmentation(self.strong_augmentation)
        for name in ("learning_rate", "batch_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"recipe.{name} must be positive, not {getattr(self, name)}")
        for name in ("momentum", "weight_decay", "epochs", "min_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"recipe.{name} must not be negative, not {getattr(self, name)}")
        if self.epochs == 0 and self.min_steps == 0:
            raise ValueError("recipe: give epochs, min_steps or both; with neither nothing is trained")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"recipe.warmup is a share of the steps, at least 0 and below 1, not {self.warmup}")
        if any(not 0 < m < 1 for m in self.milestones):
            raise ValueError(f"recipe.milestones are shares of the steps in (0, 1), not {list(self.milestones)}")

    def steps(self, labels: int) -> int:
        """The number of steps on ``labels`` images."""
        return max(self.min_steps, math.ceil(self.epochs * labels / self.batch_size), 1)

    def learning_rates(self, steps: int) -> list[float]:
        """The learning rate of every step."""
        return [self.learning_rate * self._factor(step, steps) for step in range(steps)]

    def _factor(self, step: int, steps: int) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "multistep":
            return math.prod(self.decay for m in self.milestones if step >= round(m * steps))
        rise = self.warmup * steps
        if step < rise:
            return (step + 1) / (rise + 1)
        fall = (steps - step) / (steps - rise)  # from 1 at the peak towards 0 behind the last step
        return fall if self.schedule == "triangular" else (1 - math.cos(math.pi * fall)) / 2


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"recipe.{name} is one of {', '.join(known)}, not '{value}'")
