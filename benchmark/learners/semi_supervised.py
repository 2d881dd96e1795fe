"""What learners from pseudo-labels share: every step one labelled and one unlabelled batch, and averaged weights.

With x a labelled image and y its answer, u an unlabelled one, α its weak and A its strong view, q = p(· | α(u)) and
ŷ = argmax q, a step's loss is

    L = L_labelled + λ (mean_u w(u) · CE(p(· | A(u)), ŷ) + penalty),

the mean over the whole unlabelled batch, whatever the weights w, which are what the learners differ in. No gradient
goes through q. Batches have μ unlabelled images for a labelled one, but never more than there are; they run across
the ends of epochs. The labelled loss, and with it a strategy's attachment, sees the labelled images alone. What is
evaluated and queried is an exponential moving average of the weights, the attachment's among them.

As in the reference implementations BatchNorm normalises all images of a step together. Where a network has none, the
weak views have a pass of their own without gradient: the same numbers for less. The references' networks have no
dropout; ours is off where q is computed, and on where a loss is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.learners import supervised
from benchmark.learners.registry import Learner
from benchmark.models import Network
from benchmark.training.averaging import Average, EpochMeans
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Stateful
from benchmark.training.engine import Supply, Task, minimise
from strategies.base import Output

log = logging.getLogger(__name__)


class Rule(nn.Module):
    """How much the pseudo-labels of a training count; running statistics are its buffers."""

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        """Weights (B,) from q (B, C); ``positions`` (B,) are those of the images among the unlabelled ones.

        Called once a step, without gradient; statistics take in the batch first, unless the method says otherwise.
        """
        raise NotImplementedError

    def penalty(self, logits: Tensor, weights: Tensor) -> Tensor:
        """A scalar on the logits (B, C) that are being learned, beside the cross-entropy; 0 for most."""
        return logits.new_zeros(())


class SemiSupervised(Learner):
    """The training; subclasses say by which rule pseudo-labels count.

    ``mu`` unlabelled images for a labelled one; ``weight`` is λ; ``ema`` the decay of the averaged weights; ``steps``
    the number of steps, 0 for the recipe's. ``strong`` is whether the loss is on strong views, or on the weak ones.
    """

    strong = True

    def __init__(self, mu: int, weight: float, ema: float, steps: int) -> None:
        if not isinstance(mu, int) or mu < 1:
            raise ValueError(f"mu must be a whole number of at least 1, not {mu}")
        if not isinstance(steps, int) or steps < 0:
            raise ValueError(f"steps must be a whole number, 0 for the recipe's, not {steps}")
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must not be negative, not {weight}")
        if not 0 <= ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {ema}")
        self.mu, self.weight, self.ema, self.steps = mu, weight, ema, steps

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        """A fresh rule for a training."""
        raise NotImplementedError

    def ramp(self, progress: float) -> float:
        """The share of ``weight`` that counts after a share of the training, both in [0, 1]."""
        return 1.0

    def fit(self, task: Task) -> Network:
        count = len(task.unlabelled)
        if count == 0:
            log.warning("%s: there is no unlabelled image, so it learns from the labelled ones alone", self.canonical)
            return supervised.fit(task, self.steps)
        recipe, network = task.recipe, task.network
        steps = self.steps or task.steps
        size = min(self.mu * recipe.batch_size, count)
        views = (recipe.augmentation, recipe.strong_augmentation) if self.strong else (recipe.augmentation,)
        supply = Supply(Batches(task.images, task.unlabelled, size, views, task.generator("unlabelled")), steps)
        average = Average([network] if task.attachment is None else [network, task.attachment], self.ema)
        rule = self.rule(network.head.out_features, count).to(task.device)
        means = EpochMeans(task, steps, math.ceil(count / size))

        def objective(ours: Batch, progress: float) -> Tensor:
            theirs = next(supply)
            output, logits, probs = forward(network, ours.images, theirs)
            with torch.no_grad():
                weights = rule(probs, theirs.positions)
            labelled = task.labelled_loss(output, task.targets[ours.positions], progress)
            losses = F.cross_entropy(logits, probs.argmax(1), reduction="none")
            unlabelled = (weights * losses).mean() + rule.penalty(logits, weights)
            confidence = probs.amax(1).mean()
            means.add(labelled_loss=labelled, unlabelled_loss=unlabelled, weight=weights.mean(), confidence=confidence)
            return labelled + self.weight * self.ramp(progress) * unlabelled

        def after_step(done: int) -> None:
            average.update(done)
            means.after_step(done)

        parts: dict[str, Stateful] = {"unlabelled": supply, "average": average, "rule": rule, "means": means}
        minimise(task, objective, steps=steps, after_step=after_step, parts=parts)
        averaged, *attachment = average.copies
        if task.attachment is not None:
            task.attachment.load_state_dict(attachment[0].state_dict())
        assert isinstance(averaged, Network)
        return averaged


def forward(network: Network, labelled: Tensor, unlabelled: Batch) -> tuple[Output, Tensor, Tensor]:
    """The outputs for B ``labelled`` images; logits (U, C) of the last of the unlabelled views; q (U, C) of the first.

    Logits and probabilities are float32; q has no gradient and no dropout.
    """
    weak, learned = unlabelled.views[0], unlabelled.views[-1]
    own = len(labelled)
    count = own + len(learned)
    together = learned is not weak and _has_batch_norm(network)
    features, stages = network.backbone(torch.cat([labelled, learned, *([weak] if together else [])]))
    embedding = network.embed(features[:count])
    logits = network.classify(embedding)
    with torch.no_grad(), _without_dropout(network):
        if learned is weak:
            clean = features[own:]
        elif together:
            clean = features[count:]
        else:
            clean = network.backbone(weak)[0]
        probs = network.classify(network.embed(clean)).float().softmax(1)
    output = Output(logits[:own], embedding[:own], tuple(stage[:own] for stage in stages))
    return output, logits[own:].float(), probs


def _has_batch_norm(network: Network) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@contextmanager
def _without_dropout(network: Network) -> Iterator[None]:
    for module in network.dropouts:
        module.eval()
    yield
    for module in network.dropouts:
        module.train()
