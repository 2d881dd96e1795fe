"""Pseudo-labels with a weight that rises during the training; by default every unlabelled image has one.

Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML 2013
Workshop on Challenges in Representation Learning:

    L = L_labelled + α(t) mean_u CE(p(· | u), argmax p(· | u)),
    α(t) = 0 for t < T₁,  α_f (t − T₁) / (T₂ − T₁) for T₁ ≤ t < T₂,  α_f from T₂ on,  α_f = 3.

The pseudo-labels change with every step, and there is one view, augmented like labelled images. Ours: T₁ and T₂ are
shares of the training, because its length depends on the protocol (Lee's are the epochs 100 and 600); the weights are
averaged, and pseudo-labels are computed without dropout. Lee's network has no BatchNorm; ours normalises labelled and
unlabelled images together and learns its statistics from both, where USB's PseudoLabel learns them from labelled ones.

With ``teacher`` the pseudo-labels are fixed: a first training on the labelled images alone gives them, on clean
images, and the second training starts from its weights. A ``threshold`` on the confidence in each step and learning
on ``strong`` views come from later methods.

A head that is solved (``linear`` on embeddings) has no steps. It is solved for the labelled images, then in five stages
for these and the pseudo-labels of the solution before, with the weight α at the end of each fifth:

    Σ_x CE(z, y) / L + α Σ_u CE(z, ŷ) / N + its penalty,

over all N unlabelled images, less those below the threshold. With ``teacher`` and no threshold the last stage is all.
A stage takes 5 to 10 s of one core with 50,000 embeddings of 256 entries.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from benchmark.learners import supervised
from benchmark.learners.fixmatch import Threshold, check_threshold
from benchmark.learners.online import Online, Rule
from benchmark.learners.solved import Solved
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingResult, TrainingTask

STAGES = 5  # of a head that is solved


class _Fixed(Threshold):
    """``fixed`` (N,) are the pseudo-labels of all unlabelled images."""

    fixed: Tensor

    def __init__(self, threshold: float, labels: Tensor) -> None:
        super().__init__(threshold)
        self.register_buffer("fixed", labels)

    def labels(self, probs: Tensor, positions: Tensor) -> Tensor:
        return self.fixed[positions]


class PseudoLabel(Online):
    """Every unlabelled image with its most probable class, at a weight that rises during the training.

    ``begin`` and ``end`` are T₁ and T₂ as shares of the training; ``weight`` is α_f; ``teacher`` says whether a first
    training, of the recipe's steps, gives the pseudo-labels.
    """

    name = "pseudo-label"
    version = 1
    paper = "lee2013"
    solves = True

    def __init__(
        self,
        *,
        begin: float = 0.1,
        end: float = 0.6,
        mu: int = 7,
        weight: float = 3.0,
        ema: float = 0.999,
        steps: int = 0,
        teacher: bool = False,
        threshold: float = 0.0,
        strong: bool = False,
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        if not 0 <= begin < end <= 1:
            raise ValueError(f"begin and end must be shares of the training, 0 ≤ begin < end ≤ 1, not {begin}, {end}")
        self.begin, self.end, self.teacher = begin, end, teacher
        self.threshold, self.strong = check_threshold(threshold), strong

    def train(self, task: TrainingTask) -> TrainingResult:
        if task.network.solved:
            return self._solve(task)
        if not self.teacher:
            return super().train(task)
        teacher = supervised.fit(replace(task, attachment=None), part="teacher")
        predictor = Predictor(teacher.network, None, task.recipe.precision)
        labels = predictor.predict(task.images, task.without_labels).logits.argmax(1)
        return self.train_by(_Fixed(self.threshold, labels), task).after(teacher)  # it starts from the same network

    def _solve(self, task: TrainingTask) -> TrainingResult:
        pool = Solved(task)
        labels = pool.probs()[1].argmax(1)
        for stage in (STAGES,) if self.teacher and not self.threshold else range(1, STAGES + 1):
            factor = self.weight * self.ramp(stage / STAGES)
            if not factor:
                continue
            own, probs = pool.probs()
            labels = labels if self.teacher else probs.argmax(1)
            confidence = probs.amax(1)
            positions = (confidence >= self.threshold).nonzero().squeeze(1)
            weights = confidence.new_full((len(positions),), factor * len(positions) / len(probs))
            pool.solve(torch.ones_like(own[:, 0]), positions, labels, weights, confidence=confidence.mean().item())
        return pool.result()

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        return Threshold(self.threshold)

    def ramp(self, progress: float) -> float:
        return min(max((progress - self.begin) / (self.end - self.begin), 0.0), 1.0)
