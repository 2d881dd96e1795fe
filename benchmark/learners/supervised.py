"""Supervised learning on the labelled images alone, the default."""

from __future__ import annotations

from torch import Tensor

from benchmark.learners.learner import Learner
from benchmark.training.batches import Batch
from benchmark.training.engine import minimise
from benchmark.training.task import TrainingResult, TrainingTask


class Supervised(Learner):
    """Supervised learning on the labelled images alone, the default."""

    name = "supervised"
    version = 1
    solves = True

    def fit(self, task: TrainingTask) -> TrainingResult:
        return fit(task)


def fit(task: TrainingTask, steps: int = 0, part: str = "") -> TrainingResult:
    """Minimise the labelled loss by the recipe; the result has the network of the last step, or the solved one.

    ``steps`` and ``part`` as in ``minimise``.
    """

    if task.network.solved:
        task.network.eval().solve(task.images.normalised(task.labelled), task.targets)
        return TrainingResult(network=task.network, attachment=None)

    def objective(batch: Batch, progress: float) -> Tensor:
        return task.labelled_loss(task.network(batch.images), task.targets[batch.positions], progress)

    log = minimise(task, objective, steps=steps, part=part)
    return TrainingResult(network=task.network, attachment=task.attachment, resumed_seconds=log.resumed_seconds)
