"""Noisy Student: a teacher labels clean images, a student learns them with noise and becomes the next teacher.

Xie et al., "Self-training with Noisy Student improves ImageNet classification", CVPR 2020, arXiv 1911.04252:

1. a teacher is trained on the labelled images, with noise as in 4;
2. it predicts soft labels q for every unlabelled image, without augmentation and in eval mode;
3. images with max q ≥ 0.3 are kept and balanced: M of every predicted class, the most confident ones, some of them
   several times if there are fewer;
4. a student of the same size or larger is trained from new weights with noise: RandAugment on all its images, dropout
   and stochastic depth as the network has them. With B labelled and μ B unlabelled images per step, the loss is the
   mean cross-entropy over all of them, (L_labelled + μ mean_u CE(p(· | A(u)), q)) / (1 + μ), as the paper says;
   with ``per_labelled`` it is 1 + μ times as large, as in the authors' code (google-research/noisystudent, main.py);
5. the student becomes the teacher, and 2 to 4 are repeated: 3 students in all.

Ours: the protocol's network is the student's, so that a larger student means a smaller teacher; RandAugment is the
recipe's strong augmentation; M is by default the number of unlabelled images divided by that of the classes; the
students' weights are averaged; the loss of a strategy's attachment is scaled with the labelled loss, and only the
last student has an attachment. If nothing is kept, the student learns from the labelled images alone. The first
teacher is the network that its training ends with; the authors average the weights of every teacher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.learners import supervised
from benchmark.learners.accepting import levelled
from benchmark.learners.fixmatch import check_threshold
from benchmark.learners.semi_supervised import SemiSupervised, averaged, forward, logger, whole
from benchmark.models.network import Network
from benchmark.training.averaging import EpochMeans
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Stateful
from benchmark.training.engine import Supply, minimise, stream
from benchmark.training.log import Trace, TrainingLog
from benchmark.training.predict import Predictor
from benchmark.training.pseudo_labels import EpochPseudoLabels, PseudoLabelLog
from benchmark.training.task import TrainingResult, TrainingTask


@dataclass(frozen=True)
class _Labelled:
    """What a student learns from, besides the labelled images: the images that its teacher labelled and kept.

    ``positions`` (P,) are theirs among the N unlabelled ones, some of them several times; ``soft`` (P, C) the labels.
    ``confidence`` is the teacher's mean confidence on all N; ``pseudo_labels`` are noted in the student's result.
    """

    positions: Tensor
    soft: Tensor
    confidence: float
    pseudo_labels: tuple[EpochPseudoLabels, ...]


class NoisyStudent(SemiSupervised):
    """A teacher's soft labels of clean images, filtered and balanced, learned by a noised student; three times.

    ``iterations`` is the number of students, ``per_class`` M (0 for the default), ``teacher_width`` the width of the
    first teacher as a share of the network's. The teacher takes the recipe's steps, every student ``steps``.
    ``per_labelled`` divides a student's summed loss by the number of labelled images in a step instead of all.
    """

    name = "noisy-student"
    version = 1
    paper = "xie2020"
    augments = True

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
        per_labelled: bool = False,
    ) -> None:
        super().__init__(mu, 1.0, ema, steps)
        if not 0 < teacher_width <= 1:
            raise ValueError(f"teacher_width must be above 0 and at most 1, not {teacher_width}")
        self.iterations, self.threshold = whole("iterations", iterations, 1, 1000), check_threshold(threshold)
        self.per_class, self.teacher_width = whole("per_class", per_class, 0, 10**9), teacher_width
        self.per_labelled = per_labelled

    def train(self, task: TrainingTask) -> TrainingResult:
        assert task.fresh is not None
        noised = replace(task.recipe, augmentation=task.recipe.strong_augmentation)
        network = task.fresh("teacher", self.teacher_width)
        result = supervised.fit(replace(task, network=network, attachment=None, recipe=noised), part="teacher")
        before = task.steps
        for number in range(1, self.iterations + 1):
            labelled = self._label(task, result.network, before)
            if number == self.iterations:
                student, part = replace(task, recipe=noised), ""
            else:
                part = f"student{number}"
                student = replace(task, network=task.fresh(part, 1.0), attachment=None, recipe=noised)
            result = self._student(student, part, labelled, before).after(result)
            before += self.steps or task.steps
        return result

    def _label(self, task: TrainingTask, teacher: Network, before: int) -> _Labelled:
        """Label the unlabelled images after ``before`` steps, and choose those that the next student learns from."""
        predictor = Predictor(teacher, None, task.recipe.precision)
        probs = predictor.predict(task.images, task.without_labels).logits.softmax(1)
        kept = levelled(probs, self.threshold, self.per_class or math.ceil(len(probs) / probs.shape[1]))
        confidence, labels = probs.max(1)
        times = kept.bincount(minlength=len(probs))
        given = PseudoLabelLog(len(probs), task.device)
        given.add(torch.arange(len(probs), device=probs.device), labels, times)
        given.end_epoch(before)
        if len(kept) == 0:
            logger.warning(
                "%s: no pseudo-label reaches %s, so the student learns from the labelled images alone",
                self.canonical,
                self.threshold,
            )
        return _Labelled(kept, probs[kept], confidence.mean().item(), tuple(given.epochs))

    def _student(self, task: TrainingTask, part: str, given: _Labelled, before: int) -> TrainingResult:
        """Train on the labelled images and on those ``given`` by the teacher, after ``before`` steps of others."""
        kept, soft = given.positions, given.soft
        recipe, network, steps = task.recipe, task.network, self.steps or task.steps
        size = min(self.mu * recipe.batch_size, len(kept))
        share = size / (size + recipe.batch_size)
        draws = task.generator(stream("unlabelled", part))
        images = Batches(task.images, task.without_labels[kept], size, (recipe.strong_augmentation,), draws)
        supply = Supply(images, steps)
        average = self.average(task)
        means = EpochMeans(task.device, steps, math.ceil(len(kept) / max(size, 1)), before)

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
            mean = (1 - share) * labelled + share * unlabelled
            return mean / (1 - share) if self.per_labelled else mean

        def after_step(done: int, log: TrainingLog) -> None:
            average.update(done)
            if means.after_step(done, log):
                average.keep()

        parts: dict[str, Stateful] = {"unlabelled": supply, "average": average, "means": means}
        log = minimise(task, objective, steps=steps, after_step=after_step, parts=parts, part=part)
        result = averaged(average, log, given.pseudo_labels)
        return replace(result, traces=(Trace(before, {"confidence": given.confidence}), *result.traces))
