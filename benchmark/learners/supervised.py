"""Supervised learning on the labelled images alone, the default."""

from __future__ import annotations

from torch import Tensor

from benchmark.learners.registry import Learner, register
from benchmark.models import Network
from benchmark.training.batches import Batch
from benchmark.training.engine import Task, minimise


@register("supervised")
class Supervised(Learner):
    """Supervised learning on the labelled images alone, the default."""

    def fit(self, task: Task) -> Network:
        return fit(task)


def fit(task: Task, steps: int = 0, part: str = "") -> Network:
    """Minimise the labelled loss by the recipe, in ``steps`` steps if given. Returns the last step's network.

    ``part`` as for ``minimise``.
    """

    def objective(batch: Batch, progress: float) -> Tensor:
        return task.labelled_loss(task.network(batch.images), task.targets[batch.positions], progress)

    minimise(task, objective, steps=steps, part=part)
    return task.network
