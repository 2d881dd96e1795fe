"""Semi-supervised loss prediction: learning loss, trained on what the network has not memorised."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Labelled, Passes, Pool, Query, Strategy, Tuning, TuningBatch, register
from strategies.components.loss_prediction import LossPrediction, Ranking, RankingLoss, check_joint
from strategies.kernels.batchers import Batcher, check_batcher, take_batch


@register("semi-supervised-learning-loss", group=("core", "learned"), paper="hwang2024", version=2)
class SemiSupervisedLearningLoss(Strategy):
    """Predicted loss from a module tuned on pseudo-labels, selected by cluster (Hwang et al., IEEE Access 2024).

    *Joint training.* As learning loss, with RankNet's ranking loss, a 3×3 stride-2 convolution before the pooling
    of all stages but the last, and half the learning rate (``learning_rate_scale``). The network does not see the
    held-out images: from 40 labels on max(2, ``hold_out`` · |L|), an even number, half of them the old labelled
    images of the lowest loss, half the newly labelled ones of the lowest loss (at first: the last drawn).

    *Tuning.* The network is frozen; max(100, min(S/4, I/128)) steps of SGD on the module, after a training of S steps
    and I images in all, each on 128 labelled images (held-out ones included) and 384 unlabelled ones. With q the
    softmax on an image's weak view and ĉ = max q, the images with ĉ ≥ ``threshold`` have the pseudo-loss CE(f(strong
    view), q) (soft) or CE(f(strong view), argmax q) (hard); the module ranks them from the strong view's features.
    ``tuning = "labelled"`` leaves out the unlabelled term (SCAL), ``"none"`` the stage.

    *Selection.* The ``oversample`` · n images of the highest predicted loss are clustered by their embeddings into n
    clusters; the highest of each is selected (``batcher = "agglomerative"``, or ``"kmeans"``). ``"subset"`` selects
    the n highest of a random 10 n, ``"topk"`` the n highest of all.

    ``official = True`` is the authors' schedule instead of the suite's: 1 % held out, 30 epochs of tuning with up to
    1,536 unlabelled images a step, and a last round of the budget schedule that trains on all labels. The preset
    ``authors`` is that and a joint training in which the whole gradient of the ranking loss reaches the network
    (``gradient_factor`` 1). Ours is 0, for the reason that ``LearningLoss`` gives.
    """

    cost = "O(n² D) to cluster the oversample · n highest, and a tuning of the module before"
    remarks = (
        "Its authors' setting is CIFAR-100 from 2,500 labels on. Clusters spread the batch; below 40 labels there "
        "is no hold-out."
    )

    hooks = frozenset({"attach", "after_training", "hold_out"})
    presets: ClassVar = {
        "authors": {
            "ranking": "ranknet",
            "weight": 1.0,
            "gradient_factor": 1.0,
            "detach_after": 0.6,
            "learning_rate_scale": 0.5,
            "pairs": "fold",
            "convolutions": True,
            "hold_out": 0.01,
            "tuning": "semi-supervised",
            "threshold": 0.9,
            "pseudo_target": "soft",
            "batcher": "agglomerative",
            "oversample": 10,
            "official": True,
        }
    }

    departures: ClassVar = (
        Departure(
            "gradient_factor",
            "in a short training the joint loss costs the network more accuracy than the labels gain",
        ),
        Departure("hold_out", "1 % of the first labels are none while labels are few"),
        Departure(
            "official",
            "their tuning costs up to 128 % of the training; their last round holds nothing out, unlike the others",
        ),
    )

    def __init__(
        self,
        ranking: Ranking = "ranknet",
        weight: float = 1.0,
        gradient_factor: float = 0.0,
        detach_after: float = 0.6,
        learning_rate_scale: float = 0.5,
        pairs: Literal["fold", "all"] = "fold",
        convolutions: bool = True,
        hold_out: float = 0.05,
        tuning: Literal["semi-supervised", "labelled", "none"] = "semi-supervised",
        threshold: float = 0.9,
        pseudo_target: Literal["soft", "hard"] = "soft",
        batcher: Batcher = "agglomerative",
        oversample: int = 10,
        official: bool = False,
    ) -> None:
        for name, value, known in (
            ("tuning", tuning, ("semi-supervised", "labelled", "none")),
            ("pseudo_target", pseudo_target, ("soft", "hard")),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not '{value}'")
        check_batcher(batcher)
        check_joint(weight, gradient_factor, detach_after, learning_rate_scale)
        if not 0 <= hold_out < 0.5:
            raise ValueError(f"hold_out is a share, at least 0 and below 0.5, not {hold_out}")
        if oversample < 1:
            raise ValueError(f"oversample must be at least 1, not {oversample}")
        self.ranking_loss = RankingLoss(ranking, margin=1.0, pairs=pairs)
        self.weight, self.gradient_factor, self.detach_after = weight, gradient_factor, detach_after
        self.learning_rate_scale, self.convolutions = learning_rate_scale, convolutions
        self.held_out_share, self.tuning = hold_out, tuning
        self.threshold, self.pseudo_target = threshold, pseudo_target
        self.batcher, self.oversample = batcher, oversample
        self.official = self.spares_last_round = official

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> LossPrediction:
        return LossPrediction(
            stage_channels,
            self.ranking_loss,
            weight=self.weight,
            gradient_factor=self.gradient_factor,
            detach_after=self.detach_after,
            learning_rate_scale=self.learning_rate_scale,
            convolutions=self.convolutions,
        )

    @property
    def draws_subset(self) -> bool:
        return self.batcher == "subset"

    def hold_out(self, old: Labelled, new: Labelled) -> Tensor:
        if self.official:
            count = even(len(new.indices) // 100)  # batches are as large as the initial set
        else:
            labelled = len(old.indices) + len(new.indices)
            share = self.held_out_share
            count = max(2, even(int(share * labelled))) if labelled >= 40 and share > 0 else 0
        if old.losses is None or new.losses is None:
            return new.indices[len(new.indices) - count :]
        easiest = [group.indices[group.losses.argsort(stable=True)[: count // 2]] for group in (old, new)]  # type: ignore[union-attr]
        return torch.cat(easiest)

    def passes_in(self, query: Query) -> Passes:
        training = query.training_steps, query.training_images
        steps, labelled, unlabelled = self.lengths(query.labelled, query.unlabelled, *training)
        return Passes(pool=1, images=steps * (labelled + 2 * unlabelled))

    def lengths(self, labelled_count: int, unlabelled_count: int, steps: int, images: int) -> tuple[int, int, int]:
        """The tuning's steps, and the labelled and unlabelled images of each, after training ``images`` in ``steps``.

        No steps where there is nothing to tune on.
        """
        labelled = 128
        if self.official:
            steps = 30 * -(-labelled_count // labelled)
            unlabelled = min(1536, even(unlabelled_count // (labelled_count // labelled + 1)))
        else:
            steps = max(100, min(steps // 4, images // labelled))
            unlabelled = min(384, even(unlabelled_count))
        if self.tuning == "none" or unlabelled == 0:
            return 0, labelled, 0
        return steps, labelled, unlabelled if self.tuning == "semi-supervised" else 0

    def after_training(self, tuning: Tuning) -> None:
        counts = tuning.labelled_count, tuning.unlabelled_count
        steps, labelled, unlabelled = self.lengths(*counts, tuning.training_steps, tuning.training_images)
        module: LossPrediction = tuning.attachment

        def loss(batch: TuningBatch) -> Tensor:
            value = self.ranking_loss(module.predict(batch.labelled.stages), batch.labelled.losses)
            if self.tuning == "semi-supervised":
                value = value + self.pseudo_loss(module, batch)
            return value

        if steps > 0:
            tuning.run(loss, steps=steps, labelled=labelled, unlabelled=unlabelled, learning_rate=0.01)

    def pseudo_loss(self, module: LossPrediction, batch: TuningBatch) -> Tensor:
        """The ranking loss on confident unlabelled images; 0 where fewer than two are confident."""
        q = batch.weak.logits.softmax(1)
        confidence, hard = q.max(1)
        losses = F.cross_entropy(batch.strong.logits, q if self.pseudo_target == "soft" else hard, reduction="none")
        return self.ranking_loss(module.predict(batch.strong.stages), losses, confidence >= self.threshold)

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return take_batch(pool.attachment_output, pool.embeddings, n, generator, self.batcher, self.oversample)


def even(count: int) -> int:
    """``count``, or the even number below."""
    return count - count % 2
