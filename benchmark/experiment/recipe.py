"""A training recipe as data: what the protocol states, and what the engine follows to the letter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "triangular", "cosine", "cosine-7-16", "multistep")
PRECISIONS = ("float32", "bfloat16")
DECAYED = ("all", "kernels")
AUGMENTATIONS = (  # what each does is in benchmark.training.augmentation
    "none",
    "crop",
    "flip-crop",
    "flip-crop-reflect",
    "flip-crop-cutout",
    "flip-shift-cutout",
    "strong",
    "strong-no-flip",
    "strong-usb",
)


MOST_STEPS = 10**8  # of one training
MOST_IMAGES = 2**20  # in one step


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    ``epochs`` passes over the labelled images, but at least ``min_steps`` steps; or ``steps_at``, pairs of a label
    count and its number of steps: in between the steps are interpolated linearly, below the first pair they are the
    first pair's, beyond the last one they grow with the labels. ``weight_decay_at``, pairs of a label count and its
    decay, takes the place of ``weight_decay`` in the same manner, but is constant beyond the last pair. It acts on all
    parameters, or with ``weight_decay_on = "kernels"`` on the weights of convolutions and linear layers alone: biases
    and what normalises have none.

    Every step sees ``batch_size`` images, drawn without replacement until all have been seen (batches run across the
    ends of epochs). The learning rate follows ``schedule``: ``triangular`` rises linearly from 0 over the share
    ``warmup`` of the steps and falls linearly to 0; ``cosine`` rises so and falls along a cosine; ``cosine-7-16`` falls
    from the first step, from cos 0 to cos 7π/16, as FixMatch and its kin do; ``multistep`` is multiplied by ``decay``
    at each of ``milestones`` (shares of the steps). ``strong_augmentation`` is the strong view of unlabelled images,
    for learners and strategies that use one.

    Until the share ``half_size_until`` of the steps is done, the network sees images of half the height and width,
    which costs about a quarter (progressive learning; Tan & Le, EfficientNetV2, ICML 2021).

    ``label_smoothing`` ε makes the target of a labelled image (1 − ε) one-hot + ε / C. The others are for learners that
    use unlabelled images: ``labelled_as_unlabelled`` counts the labelled ones among these, without their labels.
    Averages of the weights have a decay that starts low, unless ``average_warmup`` is false, and average BatchNorm's
    statistics too, or with ``average_buffers = false`` have the trained network's own.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    weight_decay_at: tuple[tuple[float, ...], ...] = ()
    weight_decay_on: str = "all"
    schedule: str = "triangular"
    warmup: float = 0.25
    milestones: tuple[float, ...] = ()
    decay: float = 0.1
    epochs: int = 0
    min_steps: int = 0
    steps_at: tuple[tuple[int, ...], ...] = ()
    batch_size: int = 128
    half_size_until: float = 0.0
    augmentation: str = "none"
    strong_augmentation: str = "strong"
    precision: str = "bfloat16"
    label_smoothing: float = 0.0
    labelled_as_unlabelled: bool = False
    average_warmup: bool = True
    average_buffers: bool = True

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("weight_decay_on", self.weight_decay_on, DECAYED)
        for name in (self.augmentation, self.strong_augmentation):
            if name not in AUGMENTATIONS:
                raise ValueError(f"unknown augmentation {name!r}: choose one of {', '.join(AUGMENTATIONS)}")
        for name in ("learning_rate", "batch_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"recipe.{name} must be positive, not {getattr(self, name)}")
        for name in ("momentum", "weight_decay", "epochs", "min_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"recipe.{name} must not be negative, not {getattr(self, name)}")
        if self.batch_size > MOST_IMAGES:
            raise ValueError(f"recipe.batch_size goes up to {MOST_IMAGES:,}, not {self.batch_size}")
        if max(self.epochs, self.min_steps, *(pair[-1] for pair in self.steps_at if pair), 0) > MOST_STEPS:
            raise ValueError(f"recipe: a training has at most {MOST_STEPS:,} steps or epochs")
        _check_pairs("steps_at", self.steps_at, least=1, example="[[1000, 400]]")
        _check_pairs("weight_decay_at", self.weight_decay_at, least=0, example="[[1000, 5e-3]]")
        if self.steps_at:
            if self.epochs or self.min_steps:
                raise ValueError("recipe: give steps_at or epochs and min_steps, not both")
        elif self.epochs == 0 and self.min_steps == 0:
            raise ValueError("recipe: give epochs, min_steps or both, or steps_at; with none nothing is trained")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"recipe.warmup is a share of the steps, at least 0 and below 1, not {self.warmup}")
        if not 0 <= self.half_size_until < 1:
            raise ValueError(
                f"recipe.half_size_until is a share of the steps, at least 0 and below 1, not {self.half_size_until}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"recipe.label_smoothing must be at least 0 and below 1, not {self.label_smoothing}")
        if any(not 0 < m < 1 for m in self.milestones):
            raise ValueError(f"recipe.milestones are shares of the steps in (0, 1), not {list(self.milestones)}")

    def steps(self, labels: int) -> int:
        """The number of steps on ``labels`` images."""
        if not self.steps_at:
            return max(self.min_steps, math.ceil(self.epochs * labels / self.batch_size), 1)
        last, most = self.steps_at[-1]
        return math.ceil(most * labels / last) if labels > last else round(_between(self.steps_at, labels))

    def half_size_steps(self, steps: int) -> int:
        """How many of ``steps``, the first ones, see images of half the size; never all of them."""
        return int(self.half_size_until * steps)

    def at(self, labels: int) -> Recipe:
        """The recipe on ``labels`` images, its ``weight_decay`` the one at this count."""
        if not self.weight_decay_at:
            return self
        return replace(self, weight_decay=_between(self.weight_decay_at, labels), weight_decay_at=())

    def learning_rates(self, steps: int) -> list[float]:
        """The learning rate of every step."""
        return [self.learning_rate * self._factor(step, steps) for step in range(steps)]

    def _factor(self, step: int, steps: int) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine-7-16":
            return math.cos(7 * math.pi * step / (16 * steps))
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


def _check_pairs(name: str, pairs: Sequence[Sequence[float]], least: float, example: str) -> None:
    if any(len(pair) != 2 or pair[0] < 1 or pair[1] < least for pair in pairs):
        raise ValueError(f"recipe.{name} takes pairs of a label count and its value, such as {example}")
    counts = [pair[0] for pair in pairs]
    if counts != sorted(set(counts)):
        raise ValueError(f"recipe.{name}: the label counts must rise, not {counts}")


def _between(pairs: Sequence[Sequence[float]], labels: int) -> float:
    """The value at ``labels``, linear between the pairs, and constant before the first and behind the last."""
    if labels <= pairs[0][0]:
        return pairs[0][1]
    for (fewer, value), (more, other) in pairwise(pairs):
        if labels <= more:
            return value + (other - value) * (labels - fewer) / (more - fewer)
    return pairs[-1][1]
