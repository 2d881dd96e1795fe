"""Noisy Student: a teacher labels clean images, a student learns them noised, and becomes the teacher.

Xie et al., "Self-training with Noisy Student improves ImageNet classification", CVPR 2020, arXiv 1911.04252:

1. a teacher is trained on the labelled images, noised as in 4;
2. it gives every unlabelled image, as it is and in eval mode, soft labels q;
3. those with max q ≥ 0.3 are kept and levelled: M of every predicted class, the most confident ones, some of them
   several times where there are fewer;
4. a student, equal or larger, is trained from fresh weights, and noised: RandAugment on all its images, dropout and
   stochastic depth as the network has them. With B labelled and μ B unlabelled images in a step, the loss is the mean
   cross-entropy over all of them, (L_labelled + μ mean_u CE(p(· | A(u)), q)) / (1 + μ);
5. the student becomes the teacher, and 2 to 4 are repeated: 3 students in all.

Ours: the protocol's network is the student's, so that a smaller teacher makes a larger student; RandAugment is the
recipe's strong augmentation; M is the unlabelled images' share of a class by default; the students' weights are
averaged; what a strategy's attachment adds to the labelled loss is scaled with it, and only the last student has one.
Where nothing is kept, the student learns from the labelled images alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.learners import supervised
from benchmark.learners.accepting import levelled
from benchmark.learners.fixmatch import check_threshold
from benchmark.learners.registry import register
from benchmark.learners.semi_supervised import SemiSupervised, averaged, forward, log, whole
from benchmark.models import Network
from benchmark.training.averaging import EpochMeans
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Stateful
from benchmark.training.engine import Supply, Task, minimise, stream
from benchmark.training.predict import Predictor
from benchmark.training.pseudo_labels import Given


@register("noisy-student")
class NoisyStudent(SemiSupervised):
    """A teacher's soft labels of clean images, filtered and levelled, learned by a noised student; three times.

    ``iterations`` students; ``per_class`` is M, 0 for the unlabelled images' share of a class; ``teacher_width`` the
    first teacher's width as a share of the network's. The teacher has the recipe's steps, every student ``steps``.
    """

    def __init__(
        self,
        *,
        iterations: int = 3,
        threshold: float = 0.3,
        per_class: int = 0,
        teacher_width: float = 1.0,
        mu: int = 7,
        ema: float = 0.999,
        steps: int = 0,
    ) -> None:
        super().__init__(mu, 1.0, ema, steps)
        if not 0 < teacher_width <= 1:
            raise ValueError(f"teacher_width must be above 0 and at most 1, not {teacher_width}")
        self.iterations, self.threshold = whole("iterations", iterations, 1), check_threshold(threshold)
        self.per_class, self.teacher_width = whole("per_class", per_class, 0), teacher_width

    def train(self, task: Task) -> Network:
        assert task.fresh is not None
        noised = replace(task.recipe, augmentation=task.recipe.strong_augmentation)
        job = replace(task, network=task.fresh("teacher", self.teacher_width), attachment=None, recipe=noised)
        teacher, before = supervised.fit(job, part="teacher"), task.steps
        for number in range(1, self.iterations + 1):
            predictor = Predictor(teacher, None, task.recipe.precision)
            probs = predictor.predict(task.images, task.unlabelled).logits.softmax(1)
            kept = self._keep(task, probs, before)
            last = number == self.iterations
            part = "" if last else f"student{number}"
            job = replace(
                task,
                network=task.network if last else task.fresh(part, 1.0),
                attachment=task.attachment if last else None,
                recipe=noised,
                resumed_seconds=job.resumed_seconds,
            )
            teacher = self._student(job, part, kept, probs[kept], before)
            before += self.steps or task.steps
        task.resumed_seconds = job.resumed_seconds
        return teacher

    def _keep(self, task: Task, probs: Tensor, before: int) -> Tensor:
        """The positions of the images that the next student learns from; what was kept is noted."""
        kept = levelled(probs, self.threshold, self.per_class or math.ceil(len(probs) / probs.shape[1]))
        confidence, labels = probs.max(1)
        times = kept.bincount(minlength=len(probs))
        given = Given(len(probs), task.device)
        given.add(torch.arange(len(probs), device=probs.device), labels, times)
        given.end_epoch(before)
        task.pseudo_labels += given.epochs
        task.trace(step=before, confidence=confidence.mean().item())
        if len(kept) == 0:
            log.warning(
                "%s: no pseudo-label reaches %s, so the student learns from the labelled images alone",
                self.canonical,
                self.threshold,
            )
        return kept

    def _student(self, task: Task, part: str, kept: Tensor, soft: Tensor, before: int) -> Network:
        """Train on the images at ``kept`` (P,) among the unlabelled ones with labels ``soft`` (P, C)."""
        recipe, network, steps = task.recipe, task.network, self.steps or task.steps
        size = min(self.mu * recipe.batch_size, len(kept))
        share = size / (size + recipe.batch_size)
        draws = task.generator(stream("unlabelled", part))
        images = Batches(task.images, task.unlabelled[kept], size, (recipe.strong_augmentation,), draws)
        supply = Supply(images, steps)
        average = self.average(task)
        means = EpochMeans(task, steps, math.ceil(len(kept) / max(size, 1)), before)

        def objective(ours: Batch, progress: float) -> Tensor:
            targets = task.targets[ours.positions]
            if size == 0:
                labelled = task.labelled_loss(network(ours.images), targets, progress)
                means.add(labelled_loss=labelled)
                return labelled
            theirs = next(supply)
            output, logits, _ = forward(network, ours.images, theirs)
            labelled = task.labelled_loss(output, targets, progress)
            unlabelled = F.cross_entropy(logits, soft[theirs.positions])
            means.add(labelled_loss=labelled, unlabelled_loss=unlabelled)
            return (1 - share) * labelled + share * unlabelled

        def after_step(done: int) -> None:
            average.update(done)
            if means.after_step(done):
                average.keep()

        parts: dict[str, Stateful] = {"unlabelled": supply, "average": average, "means": means}
        minimise(task, objective, steps=steps, after_step=after_step, parts=parts, part=part)
        return averaged(task, average)
