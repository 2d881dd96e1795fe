"""Supervised learning on the labelled images alone, the default."""

from __future__ import annotations

from torch import Tensor

from benchmark.models import Network
from benchmark.training.batches import Batch
from benchmark.training.engine import Task, minimise


def fit(task: Task) -> Network:
    """Minimise the labelled loss by the recipe. Returns the last step's network."""

    def objective(batch: Batch, progress: float) -> Tensor:
        return task.labelled_loss(task.network(batch.images), task.targets[batch.positions], progress)

    minimise(task, objective)
    return task.network
