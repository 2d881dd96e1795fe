"""The training loop: eager, bf16 autocast, channels-last, no host synchronisation within a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import seeds
from benchmark.models import Network
from benchmark.training.batches import Batch, Batches, Images
from benchmark.training.predict import autocast
from benchmark.training.recipe import Recipe
from strategies.base import Attachment, Output, Step

Objective = Callable[[Batch, float], Tensor]


@dataclass
class Task:
    """One training: what a learner gets, and the hooks it must call.

    ``network`` has its initial weights; ``labelled`` (L,) and ``unlabelled`` (N,) are dataset indices, ``targets``
    (L,) the answers; no other label can be reached from here.
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

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def steps(self) -> int:
        """Steps of the recipe on these labels."""
        return self.recipe.steps(len(self.labelled))

    def labelled_loss(self, output: Output, targets: Tensor, progress: float) -> Tensor:
        """The scalar loss on labelled images: cross-entropy, and what the strategy's attachment adds.

        Every learner takes its labelled loss from here; that is what lets any strategy work with any learner.
        """
        losses = F.cross_entropy(output.logits.float(), targets, reduction="none")
        loss = losses.mean()
        if self.attachment is not None:
            loss = loss + self.attachment.loss(Step(*output, targets, losses, progress))
        return loss

    def generator(self, stream: str) -> torch.Generator:
        """The CPU generator of a stream of this training."""
        return seeds.generator(self.seed, stream, self.round)


def minimise(task: Task, objective: Objective) -> None:
    """Follow the recipe: ``objective(batch, progress)`` is a scalar for each labelled batch of ``task``.

    ``batch.positions`` index ``task.targets``; ``progress`` in [0, 1) is the share of steps done.
    """
    recipe, steps = task.recipe, task.steps
    modules: list[nn.Module] = [task.network] + ([task.attachment] if task.attachment is not None else [])
    scales = [getattr(module, "learning_rate_scale", 1.0) for module in modules]
    optimiser = build_optimiser(recipe, [list(module.parameters()) for module in modules])
    task.network.draw_dropout_from(seeds.generator(task.seed, "dropout", task.round, task.device))
    for module in modules:
        module.train()
    batches = Batches(task.images, task.labelled, recipe.batch_size, (recipe.augmentation,), task.generator("batches"))
    for step, (batch, rate) in enumerate(zip(batches.take(steps), recipe.learning_rates(steps), strict=True)):
        for group, scale in zip(optimiser.param_groups, scales, strict=True):
            group["lr"] = rate * scale
        with autocast(task.device, recipe.precision):
            loss = objective(batch, step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def build_optimiser(recipe: Recipe, groups: list[list[nn.Parameter]]) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused, one parameter group for each list."""
    parameters = [{"params": group} for group in groups]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(parameters, rate, recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)
