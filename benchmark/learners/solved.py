"""Pseudo-labels for a head that is solved: a few solutions one after the other in the place of steps."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.training.log import TrainingLog
from benchmark.training.predict import Predictor
from benchmark.training.pseudo_labels import PseudoLabelLog
from benchmark.training.task import TrainingResult, TrainingTask


class Solved:
    """The head of ``task``, solved for its L labelled images, then for these and some of its N unlabelled ones."""

    def __init__(self, task: TrainingTask) -> None:
        self._task, self._network = task, task.network.eval()
        self._predictor = Predictor(self._network, None, task.recipe.precision)
        self._given, self._log, self._stage = PseudoLabelLog(len(task.without_labels), task.device), TrainingLog(), 0
        self._network.solve(task.images.normalised(task.labelled), task.targets)

    def probs(self) -> tuple[Tensor, Tensor]:
        """What the latest solution predicts: (L, C) of the labelled and (N, C) of the unlabelled images."""
        task = self._task
        own, others = (self._predictor.predict(task.images, which) for which in (task.labelled, task.without_labels))
        return own.logits.softmax(1), others.logits.softmax(1)

    def solve(self, own: Tensor, positions: Tensor, labels: Tensor, weights: Tensor, **values: float) -> None:
        """Solve anew for the labelled images and those at ``positions`` (P,) among the unlabelled ones.

        The loss is the mean over the labelled images, by ``own`` (L,), and the mean over the P others with their
        ``labels``, of which (N,) are given, by ``weights`` (P,). ``values`` are traced.
        """
        task = self._task
        rows = torch.cat([task.labelled, task.without_labels[positions]])
        targets = torch.cat([task.targets, labels[positions]])
        counts = torch.cat([own.double() / len(own), weights.double() / max(len(weights), 1)])
        self._network.solve(task.images.normalised(rows), targets, counts)
        self._stage += 1
        every = torch.arange(len(labels), device=labels.device)
        self._given.add(
            every, labels, torch.zeros(len(labels), device=labels.device).index_copy_(0, positions, weights)
        )
        self._given.end_epoch(self._stage)
        self._log.trace(self._stage, **values)

    def result(self) -> TrainingResult:
        traces, pseudo_labels = tuple(self._log.traces), tuple(self._given.epochs)
        return TrainingResult(network=self._network, attachment=None, traces=traces, pseudo_labels=pseudo_labels)
