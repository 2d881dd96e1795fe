"""Made-up pools, batches and tunings: what a strategy sees in a run, without a network or data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.api import Attachment, Output, Step, TuningBatch, checked_notes

CLASSES, WIDTH = 4, 6


@dataclass(frozen=True, eq=False)
class SyntheticPool:
    """A ``strategies.api.Pool`` whose outputs all follow from ``points``, as those of a real one do.

    ``points`` (N, D) and ``labelled_points`` (L, D) are the embeddings and ``classifier`` is the head;
    ``dataclasses.replace`` makes a pool with other ones. The attachment's output is −log max p, the k-th dropout mask
    drops half of the embedding, and noise is in the head's weights. Reading an output while ``has_model`` is False
    raises ValueError. It is an ``OraclePool`` as well: an image's true label follows from its index, the test images
    are standard normal.
    """

    points: Tensor
    labelled_points: Tensor
    indices: Tensor
    labelled_indices: Tensor
    labels: Tensor
    classifier: nn.Linear
    features: Tensor
    labelled_features: Tensor
    previous_probs: Tensor | None = None
    has_model: bool = True
    notes: dict[str, float] = field(default_factory=dict, init=False)  # what the strategy noted
    _mc: dict[int, Tensor] = field(default_factory=dict, init=False)
    _noisy: dict[tuple[int, float], Tensor] = field(default_factory=dict, init=False)

    @classmethod
    def draw(
        cls,
        size: int = 40,
        labelled: int = 12,
        *,
        class_count: int = CLASSES,
        width: int = WIDTH,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> SyntheticPool:
        """``size`` unlabelled and ``labelled`` labelled images, embeddings and weights standard normal."""
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(dtype)

        classifier = nn.utils.skip_init(nn.Linear, width, class_count, dtype=dtype)
        classifier.weight.data.copy_(normal(class_count, width))
        classifier.bias.data.copy_(normal(class_count))
        order = torch.randperm(size + labelled, generator=generator)
        points, labelled_points = normal(size, width), normal(labelled, width)
        labels = torch.randint(class_count, (labelled,), generator=generator)
        features = normal(size + labelled, width)[order]
        return cls(
            points=points,
            labelled_points=labelled_points,
            indices=order[:size],
            labelled_indices=order[size:],
            labels=labels,
            classifier=classifier,
            features=features[:size],
            labelled_features=features[size:],
            previous_probs=normal(size, class_count).softmax(1),
        )

    def permuted(self, order: Tensor) -> SyntheticPool:
        """The same images, row i of the new pool being row ``order[i]`` of this one."""
        previous = None if self.previous_probs is None else self.previous_probs[order]
        return replace(
            self,
            points=self.points[order],
            indices=self.indices[order],
            features=self.features[order],
            previous_probs=previous,
        )

    @property
    def class_count(self) -> int:
        return self.classifier.out_features

    @property
    def head(self) -> nn.Linear:
        return self._fitted.classifier

    @property
    def embeddings(self) -> Tensor:
        return self._fitted.points

    @property
    def labelled_embeddings(self) -> Tensor:
        return self._fitted.labelled_points

    @cached_property
    def logits(self) -> Tensor:
        return self.head(self.embeddings).detach()

    @cached_property
    def probs(self) -> Tensor:
        return self.logits.softmax(1)

    @cached_property
    def attachment_output(self) -> Tensor:
        return -self.logits.log_softmax(1).amax(1)

    @property
    def true_labels(self) -> Tensor:
        return self.indices % self.class_count

    @cached_property
    def test_embeddings(self) -> Tensor:
        shape = (20, self._fitted.points.shape[1])
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.points)

    @property
    def test_labels(self) -> Tensor:
        return torch.arange(20, device=self.points.device) % self.class_count

    def mc_probs(self, samples: int) -> Tensor:
        if samples not in self._mc:
            shape = (samples, 1, self.points.shape[1])
            kept = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5).to(self.points.device)
            self._mc[samples] = self.head(2 * kept * self.embeddings).detach().softmax(2).transpose(0, 1).contiguous()
        return self._mc[samples]

    def note(self, **premises: float | Tensor) -> None:
        self.notes.update(checked_notes(premises))

    def noisy_logits(self, samples: int, scale: float, positions: Tensor | None = None) -> Tensor:
        if (samples, scale) not in self._noisy:
            weight, bias = self.head.weight.detach(), self.head.bias.detach()
            noise = torch.randn((samples, *weight.shape), generator=torch.Generator().manual_seed(0)).to(weight)
            lengths = noise.flatten(1).norm(dim=1)[:, None, None]
            noisy = weight + scale * weight.norm() * noise / lengths
            self._noisy[samples, scale] = (self.embeddings @ noisy.mT + bias).transpose(0, 1).contiguous()
        return self._noisy[samples, scale] if positions is None else self._noisy[samples, scale][positions]

    def refitted(self, rows: Tensor) -> Tensor:
        """Least squares on one-hot labels with a ridge of 1: quick, and it follows from the data alone."""
        return self._heads(self.labelled_embeddings[rows], self.labels[rows])

    def refitted_with(self, batches: Tensor) -> Tensor:
        count = len(batches)
        inputs = torch.cat([self.labelled_embeddings.expand(count, -1, -1), self.embeddings[batches]], 1)
        return self._heads(inputs, torch.cat([self.labels.expand(count, -1), self.true_labels[batches]], 1))

    def _heads(self, inputs: Tensor, targets: Tensor) -> Tensor:
        extended = F.pad(inputs.double(), (0, 1), value=1.0)
        gram = extended.mT @ extended + torch.eye(extended.shape[2], dtype=extended.dtype, device=extended.device)
        hot = F.one_hot(targets, self.class_count).double()
        return torch.linalg.solve(gram, extended.mT @ hot).mT.to(inputs.dtype)

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        """The head's logits on the first ``share`` of the labelled images, and their labels."""
        if len(self.labels) < 2 * self.class_count:
            return None
        held_out = round(share * len(self.labels))
        return self.head(self.labelled_embeddings[:held_out]).detach(), self.labels[:held_out]

    @property
    def _fitted(self) -> SyntheticPool:
        if not self.has_model:
            raise ValueError("there is no model yet: a strategy that chooses the initial labels reads no model outputs")
        return self


def synthetic_output(
    stage_channels: tuple[int, ...],
    count: int,
    *,
    scale: float = 1.0,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Output:
    """A forward pass for ``count`` images: stages of 8×8, 4×4, … pixels, and logits of 4 classes times ``scale``.

    Embedding and stages are of ``dtype``, logits always float32.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    sides = [max(1, 8 >> s) for s in range(len(stage_channels))]
    stages = tuple(normal(count, c, side, side).to(dtype) for c, side in zip(stage_channels, sides, strict=True))
    return Output(scale * normal(count, CLASSES), normal(count, WIDTH).to(dtype), stages)


def synthetic_step(
    stage_channels: tuple[int, ...],
    count: int,
    *,
    progress: float = 0.0,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Step:
    """A labelled mini-batch of ``count`` images; logits, embedding and stages are leaves that take gradients."""
    output = synthetic_output(stage_channels, count, dtype=dtype, seed=seed)
    for tensor in (output.logits, output.embedding, *output.stages):
        tensor.requires_grad_()
    targets = torch.randint(CLASSES, (count,), generator=torch.Generator().manual_seed(seed))
    losses = F.cross_entropy(output.logits, targets, reduction="none")
    return Step(*output, targets, losses, progress)


class SyntheticTuning:
    """A ``strategies.api.Tuning`` that takes a few real steps on made-up batches and records what was asked for.

    The confidence on the weak views goes from certain over mixed to none. ``asked`` holds the keyword arguments of
    every call of ``run``, ``losses`` the values of the strategy's loss.
    """

    def __init__(
        self,
        attachment: Attachment,
        stage_channels: tuple[int, ...],
        *,
        labelled_count: int = 30,
        unlabelled_count: int = 100,
        training_steps: int = 200,
        training_images: int = 6400,
    ) -> None:
        self.attachment = attachment
        self.labelled_count, self.unlabelled_count = labelled_count, unlabelled_count
        self.training_steps, self.training_images = training_steps, training_images
        self.asked: list[dict[str, float]] = []
        self.losses: list[Tensor] = []
        self._stage_channels = stage_channels

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
        self.asked.append(
            {
                "steps": steps,
                "labelled": labelled,
                "unlabelled": unlabelled,
                "learning_rate": learning_rate,
                "momentum": momentum,
                "weight_decay": weight_decay,
            }
        )
        optimiser = torch.optim.SGD(self.attachment.parameters(), learning_rate, momentum, weight_decay=weight_decay)
        self.attachment.train()
        for seed, scale in enumerate((100.0, 3.0, 0.0)[:steps]):
            known = synthetic_step(self._stage_channels, labelled, seed=seed)
            frozen = known._replace(
                logits=known.logits.detach(),
                embedding=known.embedding.detach(),
                stages=tuple(f.detach() for f in known.stages),
                losses=known.losses.detach(),
            )
            weak, strong = (
                synthetic_output(self._stage_channels, unlabelled, scale=scale, seed=s) for s in (seed, seed + 100)
            )
            value = loss(TuningBatch(frozen, weak, strong))
            self.losses.append(value.detach())
            if value.requires_grad:
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
