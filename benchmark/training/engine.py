"""The training loop: eager PyTorch, channels last, bf16 autocast, and no wait for the device within a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.experiment import seeds
from benchmark.experiment.recipe import Recipe
from benchmark.models.masks import Masks
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Checkpoint, Stateful
from benchmark.training.log import TrainingLog
from benchmark.training.predict import autocast
from benchmark.training.task import TrainingTask

Objective = Callable[[Batch, float], Tensor]
AfterStep = Callable[[int, TrainingLog], None]


class Supply:
    """The batches of a training of ``steps`` steps, one by one; its only state is how many were taken."""

    def __init__(self, batches: Batches, steps: int) -> None:
        self._batches, self._steps = batches, steps
        self._taken = 0
        self._iterator: Iterator[Batch] | None = None

    def __next__(self) -> Batch:
        if self._iterator is None:
            self._iterator = self._batches.take(self._steps, self._taken)
        self._taken += 1
        return next(self._iterator)

    def state_dict(self) -> dict[str, Any]:
        return {"taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._taken, self._iterator = state["taken"], None


def minimise(
    task: TrainingTask,
    objective: Objective,
    *,
    steps: int = 0,
    after_step: AfterStep | None = None,
    parts: Mapping[str, Stateful] | None = None,
    part: str = "",
) -> TrainingLog:
    """Train ``task.network`` and its attachment in place by the recipe; returns what was noted on the way.

    ``objective(batch, progress)`` is the scalar loss of a batch of labelled images: ``batch.positions`` (B,) index
    ``task.targets``, ``progress`` in [0, 1) is the share of steps done. There are ``steps`` steps, by default the
    recipe's. ``after_step(done, log)`` is called after each with the number of steps done and may note traces.
    ``parts`` are whatever else changes during the training, by name (a supply of unlabelled batches, averages,
    statistics): they are saved and restored with the training's own state. A learner that trains several times gives
    each training a ``part``, which names its saved state and its random streams.
    """
    recipe, steps = task.recipe.at(len(task.labelled)), steps or task.steps
    modules: list[nn.Module] = [task.network] + ([task.attachment] if task.attachment is not None else [])
    groups = [(group, module) for module in modules for group in decayed(recipe, module.parameters())]
    scales = [getattr(module, "learning_rate_scale", 1.0) for _, module in groups]
    optimiser = build_optimiser(recipe, [group for group, _ in groups])
    masks = Masks(seeds.number(task.seed, stream("dropout", part), task.round))
    task.network.draw_dropout_from(masks)
    for module in modules:
        module.train()
    draws = task.generator(stream("batches", part))
    batches = Batches(task.images, task.labelled, recipe.batch_size, (recipe.augmentation,), draws)
    log, checkpoint, begin = TrainingLog(), None, 0
    if task.checkpoints is not None:
        own: dict[str, Stateful] = {"optimiser": optimiser, "log": log}
        own |= {f"module{i}": module for i, module in enumerate(modules)}
        checkpoint = Checkpoint(task.checkpoints, part or "training", {**own, **(parts or {})})
        begin, log.resumed_seconds = checkpoint.restore()
    rates = recipe.learning_rates(steps)
    for step, batch in enumerate(batches.take(steps, begin), begin):
        for group, scale in zip(optimiser.param_groups, scales, strict=True):
            group["lr"] = rates[step] * scale
        masks.begin(step)
        task.network.halves_images = step < recipe.half_size_steps(steps)
        with autocast(task.device, recipe.precision):
            loss = objective(batch, step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if after_step is not None:
            after_step(step + 1, log)
        if checkpoint is not None:
            checkpoint.after_step(step + 1, last=step + 1 == steps)
    return log


def stream(name: str, part: str) -> str:
    """The name of a random stream in a ``part`` of a learner's training."""
    return f"{name}/{part}" if part else name


class Decayed(NamedTuple):
    """Parameters with one weight decay."""

    parameters: list[nn.Parameter]
    weight_decay: float


def decayed(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> list[Decayed]:
    """The parameters by their weight decay: one group, or the kernels and then those without decay.

    Kernels are the parameters of two dimensions or more: biases, and the weights of normalisation, have one.
    """
    everything = list(parameters)
    if recipe.weight_decay_on == "all":
        return [Decayed(everything, recipe.weight_decay)]
    kernels = Decayed([p for p in everything if p.dim() > 1], recipe.weight_decay)
    return [group for group in (kernels, Decayed([p for p in everything if p.dim() < 2], 0.0)) if group.parameters]


def build_optimiser(recipe: Recipe, groups: list[Decayed]) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused, with one parameter group for each of ``groups``."""
    parameters = [{"params": group.parameters, "weight_decay": group.weight_decay} for group in groups]
    rate = recipe.learning_rate
    if recipe.optimizer == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(parameters, rate, recipe.momentum, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, fused=True)
