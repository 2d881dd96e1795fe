"""Pseudo-labels given anew in every step, by the network as it is: FixMatch and its kin, and Lee's pseudo-labels.

With x a labelled image and y its answer, u an unlabelled one, α its weak and A its strong view, q = p(· | α(u)) and
ŷ = argmax q, a step's loss is

    L = L_labelled + λ (mean_u w(u) · CE(p(· | A(u)), ŷ) + penalty),

the mean over the whole unlabelled batch, whatever the weights w, which are what the learners differ in. No gradient
goes through q.
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
    """How much the pseudo-labels of a training count, and which they are; running statistics are its buffers."""

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        """Weights (B,) from q (B, C); ``positions`` (B,) are those of the images among the unlabelled ones.

        Called once a step, without gradient; statistics take in the batch first, unless the method says otherwise.
        """
        raise NotImplementedError

    def labels(self, probs: Tensor, positions: Tensor) -> Tensor:
        """The pseudo-labels (B,): argmax q for most."""
        return probs.argmax(1)

    def penalty(self, logits: Tensor, weights: Tensor) -> Tensor:
        """A scalar on the logits (B, C) that are being learned, beside the cross-entropy; 0 for most."""
        return logits.new_zeros(())


class Online(SemiSupervised):
    """The training; subclasses say by which rule pseudo-labels count.

    ``strong`` is whether the loss is on strong views, or on the weak ones.
    """

    strong = True

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        """A fresh rule for a training."""
        raise NotImplementedError

    def ramp(self, progress: float) -> float:
        """The share of ``weight`` that counts after a share of the training, both in [0, 1]."""
        return 1.0

    def train(self, task: TrainingTask) -> TrainingResult:
        return self.train_by(self.rule(task.network.head.out_features, len(task.unlabelled)), task)

    def train_by(self, rule: Rule, task: TrainingTask) -> TrainingResult:
        """``train`` with the rule given."""
        count, recipe, network = len(task.unlabelled), task.recipe, task.network
        steps = self.steps or task.steps
        size = min(self.mu * recipe.batch_size, count)
        views = (recipe.augmentation, recipe.strong_augmentation) if self.strong else (recipe.augmentation,)
        supply = Supply(Batches(task.images, task.unlabelled, size, views, task.generator("unlabelled")), steps)
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
