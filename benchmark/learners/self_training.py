"""Self-training: pseudo-labels of the whole pool, revised on a schedule, with an uncertainty-weighted loss.

With H the entropy of p = softmax(z) for an image, u = H / max_batch H, and c = max p, the loss of a step is

    L = mean_x CE(z, y) (1 + ω u) + λ mean_u CE(z, ỹ) c (1 + ω u),

over B labelled images in weak views and μ B pseudo-labelled images in strong views. u and c have no gradient:
otherwise the loss could be lowered by changing the confidence instead of the fit.

The pseudo-labels ỹ are revised at equal intervals: the averaged network predicts all unlabelled images without
augmentation, and those with max p ≥ τ are accepted, the most confident first, at most ``balance`` times the mean over
the classes of each class. (Zou et al., "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced
Self-Training", ECCV 2018, accept the same share of every predicted class.) A revision may drop or relabel what an
earlier one accepted. Before the first revision, and after one that accepts nothing, the network learns from the
labelled images alone.

Embeddings have no strong views: a perceptron on them (``mlp``) learns from the embeddings as they are, with dropout.
A head that is solved (``linear``) has no steps. It is solved for the labelled images, and again after each revision:

    Σ_x (1 + ω u) CE(z, y) / L + λ Σ_u c (1 + ω u) CE(z, ỹ) / P + its penalty,

over all L labelled and P accepted images, with u and c from the solution before, which gave the pseudo-labels. A round
with 50,000 embeddings of 256 entries takes 6 s of one core at 20 labels of CIFAR-10, and 13 s at 200.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.learners.accepting import capped
from benchmark.learners.fixmatch import check_threshold
from benchmark.learners.semi_supervised import SemiSupervised, averaged, forward, whole
from benchmark.learners.solved import Solved
from benchmark.models.network import Network
from benchmark.training.averaging import EpochMeans
from benchmark.training.batches import Batch, Batches
from benchmark.training.checkpoints import Stateful
from benchmark.training.engine import Supply, minimise
from benchmark.training.log import TrainingLog
from benchmark.training.predict import Predictor
from benchmark.training.pseudo_labels import PseudoLabelLog
from benchmark.training.task import TrainingResult, TrainingTask


class Accepted:
    """The images that the latest revision accepted, with their pseudo-labels, and batches of them.

    ``steps`` is the largest number of steps between two revisions. There are no images before the first revision.
    """

    def __init__(self, task: TrainingTask, mu: int, steps: int) -> None:
        self._task, self._most, self._steps = task, mu * task.recipe.batch_size, steps
        self._revision = 0
        self._positions = self._labels = torch.empty(0, dtype=torch.int64, device=task.device)
        self._supply: Supply | None = None

    def __len__(self) -> int:
        return len(self._positions)

    def revise(self, positions: Tensor, labels: Tensor) -> None:
        """Accept the images at ``positions`` (P,) among the unlabelled ones instead, with ``labels`` (P,)."""
        self._begin(self._revision + 1, positions, labels)

    def draw(self) -> tuple[Batch, Tensor]:
        """The next batch (B images), in strong views, and its pseudo-labels (B,)."""
        assert self._supply is not None
        batch = next(self._supply)
        return batch, self._labels[batch.positions]

    def _begin(self, revision: int, positions: Tensor, labels: Tensor) -> None:
        task = self._task
        self._revision, self._positions, self._labels, self._supply = revision, positions, labels, None
        if len(positions):
            size = min(self._most, len(positions))
            view = task.recipe.augmentation if task.network.of_embeddings else task.recipe.strong_augmentation
            draws = task.generator(f"unlabelled/{revision}")
            images = Batches(task.images, task.without_labels[positions], size, (view,), draws)
            self._supply = Supply(images, self._steps)

    def state_dict(self) -> dict[str, Any]:
        return {
            "revision": self._revision,
            "positions": self._positions,
            "labels": self._labels,
            "supply": None if self._supply is None else self._supply.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = self._task.device
        self._begin(state["revision"], state["positions"].to(device), state["labels"].to(device))
        if self._supply is not None:
            self._supply.load_state_dict(state["supply"])


class SelfTraining(SemiSupervised):
    """Confident pseudo-labels of the whole pool, balanced and revised ten times, in an uncertainty-weighted loss.

    ``threshold`` is τ, ``uncertainty`` ω, ``weight`` λ; there are ``revisions`` during the training, or fewer where the
    steps do not divide well.
    """

    name = "self-training"
    version = 1
    paper = "zou2018"
    solves = True

    def __init__(
        self,
        *,
        threshold: float = 0.95,
        revisions: int = 10,
        balance: float = 1.0,
        uncertainty: float = 1.0,
        mu: int = 7,
        weight: float = 0.5,
        ema: float = 0.999,
        steps: int = 0,
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        self.threshold, self.revisions = check_threshold(threshold), whole("revisions", revisions, 1, 1000)
        if not 1 <= balance < math.inf:
            raise ValueError(f"balance must be at least 1, not {balance}")
        if not 0 <= uncertainty < math.inf:
            raise ValueError(f"uncertainty must not be negative, not {uncertainty}")
        self.balance, self.uncertainty = balance, uncertainty

    def train(self, task: TrainingTask) -> TrainingResult:
        if task.network.solved:
            return self._solve(task)
        network, count = task.network, len(task.without_labels)
        steps = self.steps or task.steps
        interval = math.ceil(steps / (self.revisions + 1))
        accepted, average = Accepted(task, self.mu, interval), self.average(task)
        size = min(self.mu * task.recipe.batch_size, count)
        followed = average.copies[0]
        assert isinstance(followed, Network)
        means = EpochMeans(task.device, steps, math.ceil(count / size))
        given = PseudoLabelLog(count, task.device)

        def objective(ours: Batch, progress: float) -> Tensor:
            targets = task.targets[ours.positions]
            if len(accepted):
                theirs, labels = accepted.draw()
                output, logits, probs = forward(network, ours.images, theirs)
                weights = probs.amax(1) * self._factors(probs)
                unlabelled = (weights * F.cross_entropy(logits, labels, reduction="none")).mean()
            else:
                output = network(ours.images)
                unlabelled = output.logits.new_zeros(())
            own = output.logits.detach().float().softmax(1)
            labelled = task.labelled_loss(output, targets, progress, self._factors(own))
            means.add(labelled_loss=labelled, unlabelled_loss=unlabelled)
            return labelled + self.weight * unlabelled

        def after_step(done: int, log: TrainingLog) -> None:
            average.update(done)
            if means.after_step(done, log):
                average.keep()
            if done % interval == 0 and done < steps:
                confidence = self._revise(task, followed, accepted, given, done)
                log.trace(done, confidence=confidence)

        parts: dict[str, Stateful] = {"accepted": accepted, "average": average, "means": means, "given": given}
        log = minimise(task, objective, steps=steps, after_step=after_step, parts=parts)
        return averaged(average, log, given.epochs)

    def _solve(self, task: TrainingTask) -> TrainingResult:
        """Solve for the labelled images, and anew after each revision."""
        pool = Solved(task)
        for _ in range(self.revisions):
            own, probs = pool.probs()
            positions = capped(probs, self.threshold, self.balance)
            accepted = probs[positions]
            weights = self.weight * accepted.amax(1) * self._factors(accepted) if len(positions) else probs.new_zeros(0)
            pool.solve(self._factors(own), positions, probs.argmax(1), weights, confidence=probs.amax(1).mean().item())
        return pool.result()

    def _factors(self, probs: Tensor) -> Tensor:
        """1 + ω u, (B,), of ``probs`` (B, C)."""
        entropy = torch.special.entr(probs).sum(1)
        return 1 + self.uncertainty * entropy / entropy.max().clamp(min=torch.finfo(entropy.dtype).tiny)

    def _revise(
        self, task: TrainingTask, network: Network, accepted: Accepted, given: PseudoLabelLog, done: int
    ) -> float:
        """Replace the accepted pseudo-labels by those of ``network``; returns its mean confidence on the pool."""
        logits = Predictor(network, None, task.recipe.precision).predict(task.images, task.without_labels).logits
        probs = logits.softmax(1)
        confidence, labels = probs.max(1)
        positions = capped(probs, self.threshold, self.balance)
        accepted.revise(positions, labels[positions])
        chosen = torch.zeros(len(probs), device=probs.device).index_fill_(0, positions, 1)
        given.add(torch.arange(len(probs), device=probs.device), labels, chosen)
        given.end_epoch(done)
        return confidence.mean().item()
