"""What a training takes, and what it returns: ``TrainingTask`` in, ``TrainingResult`` out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.experiment.recipe import Recipe
from benchmark.models.network import Network
from benchmark.training.batches import Images
from benchmark.training.checkpoints import Storage
from benchmark.training.log import Trace
from benchmark.training.pseudo_labels import EpochPseudoLabels
from strategies.api import Attachment, Output, Step


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingTask:
    """One training: what a learner gets. It holds no label but ``targets``.

    ``images`` are those of the whole data set; ``labelled`` (L,) and ``unlabelled`` (N,) are int64 indices into them,
    ``targets`` (L,) the labels of the former. ``network`` has its initial weights; a training changes it and the
    strategy's ``attachment`` in place. ``seed`` and ``round`` name the random streams. ``checkpoints`` is where a
    long training saves its state, None for nowhere. ``fresh(stream, width)`` builds a network like ``network`` whose
    initial weights come from a stream of their own, ``width`` times as wide; learners with a teacher need it.
    """

    images: Images
    network: Network
    attachment: Attachment | None
    recipe: Recipe
    labelled: Tensor
    targets: Tensor
    unlabelled: Tensor
    seed: int
    round: int
    checkpoints: Storage | None = None
    fresh: Callable[[str, float], Network] | None = None

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def steps(self) -> int:
        """The recipe's number of steps for this number of labels."""
        return self.recipe.steps(len(self.labelled))

    @property
    def without_labels(self) -> Tensor:
        """The images (M,) that a learner uses without labels, in the order of the data set.

        The unlabelled ones, and with the recipe's ``labelled_as_unlabelled`` the labelled ones as well.
        """
        if not self.recipe.labelled_as_unlabelled:
            return self.unlabelled
        return torch.cat([self.unlabelled, self.labelled]).sort().values

    def generator(self, stream: str) -> torch.Generator:
        """A new CPU generator for a random stream of this training."""
        return seeds.generator(self.seed, stream, self.round)

    def labelled_loss(self, output: Output, targets: Tensor, progress: float, weights: Tensor | None = None) -> Tensor:
        """The scalar loss on B labelled images: mean cross-entropy, in nats, plus the loss of the attachment.

        ``targets`` (B,) are the labels, smoothed by the recipe's ``label_smoothing``; ``progress`` in [0, 1) is the
        share of steps done. ``weights`` (B,) multiply the cross-entropy of each image. The attachment sees the losses
        without weights and without smoothing. Every learner takes its labelled loss from here, which is what lets any
        strategy work with any learner.
        """
        logits, smoothing = output.logits.float(), self.recipe.label_smoothing
        losses = F.cross_entropy(logits, targets, reduction="none")
        own = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing) if smoothing else losses
        loss = own.mean() if weights is None else (weights * own).mean()
        if self.attachment is not None:
            loss = loss + self.attachment.loss(Step(*output, targets, losses, progress))
        return loss


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingResult:
    """What a learner returns.

    ``network`` is the one to evaluate and to query with, ``attachment`` the strategy's as it belongs to that network.
    ``traces`` has a line per epoch, and ``pseudo_labels`` those that the learner used, to be compared with the true
    ones after the training. ``checkpoint_states`` are states of ``network`` after each of the last epochs, the final
    one included, from learners that average their weights. ``resumed_seconds`` went into the saved states that the
    training resumed from.
    """

    network: Network
    attachment: Attachment | None
    traces: tuple[Trace, ...] = ()
    pseudo_labels: tuple[EpochPseudoLabels, ...] = ()
    checkpoint_states: tuple[dict[str, Tensor], ...] = ()
    resumed_seconds: float = 0.0

    def after(self, earlier: TrainingResult) -> TrainingResult:
        """The result of a learner that trained twice, first with the ``earlier`` result and then with this one.

        Network, attachment and checkpoint states are this training's; traces and pseudo-labels are those of both in
        order; the resumed seconds add up.
        """
        return replace(
            self,
            traces=earlier.traces + self.traces,
            pseudo_labels=earlier.pseudo_labels + self.pseudo_labels,
            resumed_seconds=earlier.resumed_seconds + self.resumed_seconds,
        )
