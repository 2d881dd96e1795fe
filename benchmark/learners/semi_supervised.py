"""What learners from pseudo-labels share: labelled and unlabelled batches side by side, and averaged weights.

A batch has μ unlabelled images per labelled one, but never more than there are; batches cross the ends of epochs. The
labelled loss, and with it a strategy's attachment, sees the labelled images alone. The network that is evaluated and
queried with has an exponential moving average of the weights, and so has the attachment.

As in the reference implementations, BatchNorm normalises all images of a step together. For a network without
BatchNorm the weak views have a forward pass of their own without gradient, which gives the same numbers at a lower
cost. The references' networks have no dropout and no stochastic depth; here both are off where pseudo-labels are
computed, and on where a loss is. (Where one view serves both purposes, in one pass, only dropout is off.)

What else the references do is said by the recipe, whose defaults differ: google-research/fixmatch (commit d4985a1),
kekmodel/FixMatch-pytorch (040be3b) and USB (1ef4ceb) have the labelled images in the unlabelled set
(``labelled_as_unlabelled``), average the weights with the full decay from the first step on (``average_warmup``), take
BatchNorm's statistics from the trained network (``average_buffers``), and spare BatchNorm and biases the weight decay
(``weight_decay_on``). google-research/noisystudent (aac52bf) averages as the defaults do.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from benchmark.experiment.recipe import MOST_STEPS
from benchmark.learners import supervised
from benchmark.learners.learner import Learner
from benchmark.models.network import Network
from benchmark.training.averaging import Average
from benchmark.training.batches import Batch
from benchmark.training.log import TrainingLog
from benchmark.training.pseudo_labels import EpochPseudoLabels
from benchmark.training.task import TrainingResult, TrainingTask
from strategies.api import Attachment, Output

logger = logging.getLogger(__name__)


class SemiSupervised(Learner):
    """Learns from labelled and unlabelled images, or from labelled ones alone if there are no others.

    ``mu`` is the number of unlabelled images per labelled one, ``weight`` λ, the factor on the unlabelled loss,
    ``ema`` the decay of the averaged weights, and ``steps`` the number of steps, 0 for the recipe's.
    """

    of_steps = frozenset({"mu", "ema", "steps"})

    def __init__(self, mu: int, weight: float, ema: float, steps: int) -> None:
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must not be negative, not {weight}")
        if not 0 <= ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {ema}")
        self.mu, self.steps = whole("mu", mu, 1, 1000), whole("steps", steps, 0, MOST_STEPS)
        self.weight, self.ema = weight, ema

    def fit(self, task: TrainingTask) -> TrainingResult:
        if len(task.without_labels) == 0:
            logger.warning(
                "%s: there is no unlabelled image, so it learns from the labelled images alone", self.canonical
            )
            return supervised.fit(task, self.steps)
        return self.train(task)

    def obstacle(self, network: Network, images: Tensor) -> str:
        if network.solved or not _normalises_behind_the_backbone(network, images):
            return ""
        return "it has BatchNorm behind its backbone, where other images are embedded apart from the labelled ones"

    def train(self, task: TrainingTask) -> TrainingResult:
        """``fit`` with at least one of ``task.without_labels``."""
        raise NotImplementedError

    def average(self, task: TrainingTask) -> Average:
        """Averages of the weights of the network and, if there is one, of the attachment."""
        modules = [task.network] if task.attachment is None else [task.network, task.attachment]
        recipe = task.recipe
        return Average(modules, self.ema, warmup=recipe.average_warmup, buffers=recipe.average_buffers)


def whole(name: str, value: int, least: int, most: int) -> int:
    """``value`` itself. Raises ValueError unless it is a whole number from ``least`` to ``most``."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value}")
    if value > most:
        raise ValueError(f"{name} goes up to {most:,}, not {value}")
    return value


def averaged(average: Average, log: TrainingLog, pseudo_labels: Sequence[EpochPseudoLabels] = ()) -> TrainingResult:
    """The result of a training whose averaged network and attachment are to be used."""
    network, *rest = average.copies
    attachment = rest[0] if rest else None
    assert isinstance(network, Network)
    assert attachment is None or isinstance(attachment, Attachment)
    return TrainingResult(
        network=network,
        attachment=attachment,
        traces=tuple(log.traces),
        pseudo_labels=tuple(pseudo_labels),
        checkpoint_states=tuple(average.kept),
        resumed_seconds=log.resumed_seconds,
    )


def forward(network: Network, labelled: Tensor, unlabelled: Batch) -> tuple[Output, Tensor, Tensor]:
    """One forward pass of B ``labelled`` images (B, c, H, W) and U unlabelled ones.

    Returns the output for the labelled images, the logits (U, C) of the last unlabelled view, and the probabilities q
    (U, C) of the first, both float32; q has no gradient and no dropout.
    """
    weak, learned = unlabelled.views[0], unlabelled.views[-1]
    own = len(labelled)
    count = own + len(learned)
    together = learned is not weak and bool(_batch_norms(network))
    with _sparing(network, len(weak) if together else 0):
        features, maps = network.backbone(
            network.as_seen(torch.cat([labelled, learned, *([weak] if together else [])]))
        )
    embedding = network.embed(features[:count])
    logits = network.classify(embedding)
    with torch.no_grad(), _without_dropout(network):
        if learned is weak:
            clean = features[own:]
        elif together:
            clean = features[count:]
        else:
            with _sparing(network, len(weak)):
                clean = network.backbone(network.as_seen(weak))[0]
        probs = network.classify(network.embed(clean)).float().softmax(1)
    stages = network.with_embedding(tuple(f[:own] for f in maps), embedding[:own])
    output = Output(logits[:own], embedding[:own], stages)
    return output, logits[own:].float(), probs


def _batch_norms(network: Network) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _normalises_behind_the_backbone(network: Network, images: Tensor) -> bool:
    """Whether one of the network's BatchNorms is met in ``embed`` or ``classify``, tried with the images."""
    met = list[nn.Module]()
    network.eval()
    with torch.no_grad():
        features, _ = network.backbone(images)
        for module in _batch_norms(network):
            module.register_forward_hook(lambda module, *_: met.append(module))
        network.classify(network.embed(features))
    return bool(met)


@contextmanager
def _without_dropout(network: Network) -> Iterator[None]:
    for module in network.dropouts:
        module.eval()
    yield
    for module in network.dropouts:
        module.train()


@contextmanager
def _sparing(network: Network, last: int) -> Iterator[None]:
    """Turn stochastic depth off for the ``last`` images of a batch."""
    depths = network.stochastic_depths
    for module in depths:
        module.spared = last
    yield
    for module in depths:
        module.spared = 0
