"""Pseudo-labels computed in every step by the network as it is: FixMatch and its relatives, and Lee's pseudo-labels.

With u an unlabelled image, α(u) its weak and A(u) its strong view, q = p(· | α(u)) and ŷ = argmax q, the loss of a
step is

    L = L_labelled + λ (mean_u w(u) · CE(p(· | A(u)), ŷ) + penalty),

where the mean is over the whole unlabelled batch, whatever the weights. The learners differ in the weights w. No
gradient goes through q.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.learners.semi_supervised import SemiSupervised, averaged, forward
from benchmark.training.averaging import EpochMeans
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Stateful
from benchmark.training.engine import Supply, minimise
from benchmark.training.log import TrainingLog
from benchmark.training.pseudo_labels import PseudoLabelLog
from benchmark.training.task import TrainingResult, TrainingTask


class Rule(nn.Module):
    """Which pseudo-labels a training uses, and with what weights; running statistics are its buffers."""

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        """Weights (B,) from q (B, C); ``positions`` (B,) are the images' among the unlabelled ones.

        Called once per step, without gradient. Statistics are updated with the batch first, unless the method says
        otherwise.
        """
        raise NotImplementedError

    def labels(self, probs: Tensor, positions: Tensor) -> Tensor:
        """The pseudo-labels (B,), int64: argmax q unless a rule overrides it."""
        return probs.argmax(1)

    def penalty(self, logits: Tensor, weights: Tensor) -> Tensor:
        """A scalar added to the unlabelled cross-entropy, of the logits (B, C) of the learned views; 0 by default."""
        return logits.new_zeros(())


class Online(SemiSupervised):
    """The training; subclasses give the rule that weights the pseudo-labels.

    ``strong`` says whether the unlabelled loss is on strong views; otherwise it is on the weak ones.
    """

    strong = True

    @property
    def augments(self) -> bool:  # type: ignore[override]
        return self.strong

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        """A new rule for a training with C classes and N unlabelled images."""
        raise NotImplementedError

    def ramp(self, progress: float) -> float:
        """The factor on ``weight``, in [0, 1], after the share ``progress`` of the training."""
        return 1.0

    def train(self, task: TrainingTask) -> TrainingResult:
        return self.train_by(self.rule(task.network.head.out_features, len(task.without_labels)), task)

    def train_by(self, rule: Rule, task: TrainingTask) -> TrainingResult:
        """``train`` with a given rule."""
        count, recipe, network = len(task.without_labels), task.recipe, task.network
        steps = self.steps or task.steps
        size = min(self.mu * recipe.batch_size, count)
        views = (recipe.augmentation, recipe.strong_augmentation) if self.strong else (recipe.augmentation,)
        supply = Supply(Batches(task.images, task.without_labels, size, views, task.generator("unlabelled")), steps)
        average, rule = self.average(task), rule.to(task.device)
        means = EpochMeans(task.device, steps, math.ceil(count / size))
        given = PseudoLabelLog(count, task.device)

        def objective(ours: Batch, progress: float) -> Tensor:
            theirs = next(supply)
            output, logits, probs = forward(network, ours.images, theirs)
            with torch.no_grad():
                weights = rule(probs, theirs.positions)
                labels = rule.labels(probs, theirs.positions)
                given.add(theirs.positions, labels, weights)
            labelled = task.labelled_loss(output, task.targets[ours.positions], progress)
            losses = F.cross_entropy(logits, labels, reduction="none")
            unlabelled = (weights * losses).mean() + rule.penalty(logits, weights)
            confidence = probs.amax(1).mean()
            means.add(labelled_loss=labelled, unlabelled_loss=unlabelled, weight=weights.mean(), confidence=confidence)
            return labelled + self.weight * self.ramp(progress) * unlabelled

        def after_step(done: int, log: TrainingLog) -> None:
            average.update(done)
            if means.after_step(done, log):
                average.keep()
                given.end_epoch(done)

        parts: dict[str, Stateful] = {
            "unlabelled": supply,
            "average": average,
            "rule": rule,
            "means": means,
            "given": given,
        }
        log = minimise(task, objective, steps=steps, after_step=after_step, parts=parts)
        return averaged(average, log, given.epochs)
