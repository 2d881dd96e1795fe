"""What a strategy may do between training and query: train its attachment on the frozen network's features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.training.batches import Batches
from benchmark.training.predict import Predictor, autocast
from benchmark.training.task import TrainingTask
from strategies.api import Attachment, Output, Step, TuningBatch


class EngineTuning:
    """``strategies.api.Tuning``: the engine's loop with the strategy's loss.

    ``task`` is the training that has just ended, and ``fitted`` its network and attachment. ``labelled`` (L,) and
    ``targets`` (L,) are all labelled images and their labels, including those held out from the training. Raises
    ValueError if there is no attachment.
    """

    def __init__(self, task: TrainingTask, fitted: Predictor, labelled: Tensor, targets: Tensor) -> None:
        if fitted.attachment is None:
            raise ValueError("tuning needs an attachment")
        self.attachment: Attachment = fitted.attachment
        self.labelled_count = len(labelled)
        self.unlabelled_count = len(task.unlabelled)
        self.training_steps = task.steps
        self.training_images = task.steps * task.recipe.batch_size
        self._task, self._network = task, fitted.network
        self._labelled, self._targets = labelled, targets

    def run(
        self,
        loss: Callable[[TuningBatch], Tensor],
        *,
        steps: int,
        labelled: int,
        unlabelled: int,
        learning_rate: float,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
    ) -> None:
        """See ``strategies.api.Tuning.run``; the learning rate is constant."""
        task, network = self._task, self._network
        recipe = task.recipe
        generator = task.generator("tuning")
        weak = recipe.augmentation
        strong = weak if network.of_embeddings else recipe.strong_augmentation  # embeddings have one view
        known = Batches(task.images, self._labelled, labelled, (weak,), generator)
        draws = task.generator("tuning/unlabelled")
        unknown = Batches(task.images, task.unlabelled, unlabelled, (weak, strong), draws).take(steps)
        network.eval()
        self.attachment.train()
        optimiser = torch.optim.SGD(
            self.attachment.parameters(), learning_rate, momentum, weight_decay=weight_decay, fused=True
        )
        for step, ours in enumerate(known.take(steps)):
            with autocast(task.device, recipe.precision):
                with torch.no_grad():
                    output: Output = network(ours.images)
                    if unlabelled:
                        views = [Output(*network(view)) for view in next(unknown).views]
                    else:
                        stages = tuple(stage[:0] for stage in output.stages)
                        views = [Output(output.logits[:0], output.embedding[:0], stages)] * 2
                    targets = self._targets[ours.positions]
                    losses = F.cross_entropy(output.logits.float(), targets, reduction="none")
                value = loss(TuningBatch(Step(*output, targets, losses, step / steps), *views))
            if not value.requires_grad:
                continue  # the strategy found nothing to learn from in this batch
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
