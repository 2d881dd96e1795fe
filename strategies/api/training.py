"""What the hooks of a strategy read beside the pool: the tuning of its attachment, and the labelled images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from strategies.api.attachment import Output, Step


class TuningBatch(NamedTuple):
    """One step of tuning: a labelled batch, and an unlabelled batch, maybe empty, in a weak and a strong view."""

    labelled: Step
    weak: Output
    strong: Output


class Tuning(Protocol):
    """What ``Strategy.after_training`` works with: it trains the attachment on the frozen network's features."""

    attachment: Any
    labelled_count: int
    unlabelled_count: int
    training_steps: int
    training_images: int  # in all steps together; both by the recipe, whatever a learner does

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
        """Take ``steps`` of SGD on the attachment alone, with ``labelled`` + ``unlabelled`` images per step.

        The network is frozen and in eval mode. All labelled images take part, including those held out. With
        ``unlabelled`` 0 no unlabelled batch is drawn or computed.
        """
        ...


class Labelled(NamedTuple):
    """M labelled images: dataset ``indices`` (M,), ``labels`` (M,) and the current model's ``losses`` (M,).

    ``losses`` is None before the first model is trained.
    """

    indices: Tensor
    labels: Tensor
    losses: Tensor | None
