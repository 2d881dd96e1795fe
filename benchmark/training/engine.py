"""The training loop: eager, bf16 autocast, channels-last, no host synchronisation within a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.experiment.recipe import Recipe
from benchmark.models import Network
from benchmark.training.batches import Batch, Batches, Images
from benchmark.training.checkpoints import Checkpoint, GeneratorState, Stateful, Storage
from benchmark.training.predict import autocast
from benchmark.training.pseudo_labels import Epoch
from strategies.api import Attachment, Output, Step

Objective = Callable[[Batch, float], Tensor]


@dataclass
class Task:
    """One training: what a learner gets, and the hooks it must call.

    ``network`` has its initial weights; ``labelled`` (L,) and ``unlabelled`` (N,) are dataset indices, ``targets``
    (L,) the answers; no other label can be reached from here. ``traces`` collects what ``trace`` is told, and
    ``pseudo_labels`` what a learner gave, for others to judge once the training is over (see ``pseudo_labels.Given``);
    ``late`` are states of the network after each of the last epochs, of learners that average their weights;
    ``checkpoints`` is where long trainings save their state, None for nowhere; ``resumed_seconds`` is the time that
    went into the states they went on from. ``fresh`` makes a network like ``network`` with initial weights of a
    stream of its own: it takes the stream's name, and a factor on the network's width.
    """

    images: Images
    network: Network
    attachment: Attachment | None
    recipe: Recipe
    labelled: Tensor
    targets: Tensor
    unlabelled: Tensor
    seed: int
    round: int
    traces: list[dict[str, float]] = field(default_factory=list)
    pseudo_labels: list[Epoch] = field(default_factory=list)
    late: list[dict[str, Tensor]] = field(default_factory=list)
    checkpoints: Storage | None = None
    resumed_seconds: float = 0.0
    fresh: Callable[[str, float], Network] | None = None

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def steps(self) -> int:
        """Steps of the recipe on these labels."""
        return self.recipe.steps(len(self.labelled))

    def labelled_loss(self, output: Output, targets: Tensor, progress: float, weights: Tensor | None = None) -> Tensor:
        """The scalar loss on B labelled images: cross-entropy, and what the strategy's attachment adds.

        ``weights`` (B,) are factors on the images' cross-entropy; what the attachment sees has none. Every learner
        takes its labelled loss from here; that is what lets any strategy work with any learner.
        """
        losses = F.cross_entropy(output.logits.float(), targets, reduction="none")
        loss = losses.mean() if weights is None else (weights * losses).mean()
        if self.attachment is not None:
            loss = loss + self.attachment.loss(Step(*output, targets, losses, progress))
        return loss

    def generator(self, stream: str) -> torch.Generator:
        """The CPU generator of a stream of this training."""
        return seeds.generator(self.seed, stream, self.round)

    def trace(self, *, step: int, **values: float) -> None:
        """Note an epoch's ``values`` after ``step`` steps; they go beside the run's lines."""
        self.traces.append({"round": self.round, "step": step, **values})

    def state_dict(self) -> dict[str, Any]:
        """What a training adds to the task, beside the modules."""
        return {"traces": list(self.traces)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.traces[:] = state["traces"]


class Supply:
    """The batches of a training of ``steps`` steps, one by one; how many were taken is all its state."""

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
    task: Task,
    objective: Objective,
    *,
    steps: int = 0,
    after_step: Callable[[int], None] | None = None,
    parts: Mapping[str, Stateful] | None = None,
    part: str = "",
) -> None:
    """Follow the recipe: ``objective(batch, progress)`` is a scalar for each labelled batch of ``task``.

    ``batch.positions`` index ``task.targets``; ``progress`` in [0, 1) is the share of steps done. The recipe says
    how many ``steps`` there are unless they are given. ``after_step`` is called with the number of steps done after
    each. ``parts`` are whatever else changes in the course of the training, by name (a supply of unlabelled batches,
    averages, statistics): they are saved and restored with its own state. Where a learner minimises several times,
    each has a ``part`` of its own, by which its state is saved and its streams are named.
    """
    recipe, steps = task.recipe.at(len(task.labelled)), steps or task.steps
    modules: list[nn.Module] = [task.network] + ([task.attachment] if task.attachment is not None else [])
    scales = [getattr(module, "learning_rate_scale", 1.0) for module in modules]
    optimiser = build_optimiser(recipe, [list(module.parameters()) for module in modules])
    dropout = seeds.generator(task.seed, stream("dropout", part), task.round, task.device)
    task.network.draw_dropout_from(dropout)
    for module in modules:
        module.train()
    draws = task.generator(stream("batches", part))
    batches = Batches(task.images, task.labelled, recipe.batch_size, (recipe.augmentation,), draws)
    checkpoint, begin = None, 0
    if task.checkpoints is not None:
        own: dict[str, Stateful] = {"optimiser": optimiser, "dropout": GeneratorState(dropout), "task": task}
        own |= {f"module{i}": module for i, module in enumerate(modules)}
        checkpoint = Checkpoint(task.checkpoints, part or "training", {**own, **(parts or {})})
        begin, seconds = checkpoint.restore()
        task.resumed_seconds += seconds
    rates = recipe.learning_rates(steps)
    for step, batch in enumerate(batches.take(steps, begin), begin):
        for group, scale in zip(optimiser.param_groups, scales, strict=True):
            group["lr"] = rates[step] * scale
        with autocast(task.device, recipe.precision):
            loss = objective(batch, step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if after_step is not None:
            after_step(step + 1)
        if checkpoint is not None:
            checkpoint.after_step(step + 1, last=step + 1 == steps)


def stream(name: str, part: str) -> str:
    """A stream's name in a ``part`` of a learner's training."""
    return f"{name}/{part}" if part else name


def build_optimiser(recipe: Recipe, groups: list[list[nn.Parameter]]) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused, one parameter group for each list."""
    parameters = [{"params": group} for group in groups]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(parameters, rate, recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)
