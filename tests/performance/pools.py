"""A synthetic pool of any size, made to look like a trained network's.

Rectified features of 10 classes of 50 modes each, and logits linear in them (mean confidence 0.72).
"""

from __future__ import annotations

import os
from functools import cached_property

import torch
from comparison import clock, size
from torch import Tensor, nn

POOL = int(os.environ.get("PERF_POOL", str(size(50_000, 600))))
PICKS = int(os.environ.get("PERF_PICKS", str(size(1000, 20))))
WIDTH, CLASSES, MODES = 512, 10, 50


class MadeUpPool:
    """A ``strategies.api.OraclePool`` of ``count`` unlabelled and ``labelled`` labelled images.

    ``mc_seconds`` is the time that making those took since it
    was last set to 0: they are the model's outputs, and no part of a query's time.
    """

    has_model = True
    class_count = CLASSES

    def __init__(self, count: int, labelled: int = 1000) -> None:
        generator = torch.Generator().manual_seed(0)
        classes = torch.randn(CLASSES, WIDTH, generator=generator)
        modes = classes.repeat_interleave(MODES, 0) + 0.5 * torch.randn(CLASSES * MODES, WIDTH, generator=generator)
        self.head = nn.utils.skip_init(nn.Linear, WIDTH, CLASSES)
        weight = classes.relu()
        self.head.weight.data.copy_(20 / WIDTH * (weight - weight.mean(dim=0)))
        self.head.bias.data.zero_()
        self.embeddings, self.true_labels = _images(count, modes, generator)
        self.labelled_embeddings, self.labels = _images(labelled, modes, generator)
        self.test_embeddings, self.test_labels = _images(labelled, modes, generator)
        order = torch.randperm(count + labelled, generator=generator)
        self.indices, self.labelled_indices = order[:count], order[count:]
        with torch.no_grad():
            self.logits: Tensor = self.head(self.embeddings)
        self.probs = self.logits.softmax(1)
        self.attachment_output = -self.probs.amax(1).log()
        self.mc_seconds = 0.0
        self._mc: dict[int, Tensor] = {}

    def note(self, **premises: float | Tensor) -> None:
        pass

    @cached_property
    def features(self) -> Tensor:
        """Those of a self-supervised network: the embeddings, in another basis."""
        return self.embeddings @ _basis()

    @cached_property
    def labelled_features(self) -> Tensor:
        return self.labelled_embeddings @ _basis()

    @cached_property
    def previous_probs(self) -> Tensor:
        noise = torch.randn(self.logits.shape, generator=torch.Generator().manual_seed(3))
        return (self.logits + noise).softmax(1)

    @torch.no_grad()
    def mc_probs(self, samples: int) -> Tensor:
        if samples not in self._mc:
            began = clock()
            kept = torch.rand((samples, WIDTH), generator=torch.Generator().manual_seed(4)) < 0.8
            probs = torch.empty(len(self.indices), samples, CLASSES)
            for k, mask in enumerate(kept):
                weight = self.head.weight * mask / 0.8
                probs[:, k] = (self.embeddings @ weight.T + self.head.bias).softmax(1)
            self._mc[samples] = probs
            self.mc_seconds += clock() - began
        return self._mc[samples]

    @torch.no_grad()
    def noisy_logits(self, samples: int, scale: float, positions: Tensor | None = None) -> Tensor:
        began = clock()
        embeddings = self.embeddings if positions is None else self.embeddings[positions]
        logits = torch.empty(len(embeddings), samples, CLASSES)
        for k in range(samples):
            noise = torch.randn(self.head.weight.shape, generator=torch.Generator().manual_seed(6 + k))
            weight = self.head.weight + scale * self.head.weight.norm() * noise / noise.norm()
            logits[:, k] = embeddings @ weight.T + self.head.bias
        self.mc_seconds += clock() - began
        return logits

    @torch.no_grad()
    def cross_fit(self, share: float) -> tuple[Tensor, Tensor]:
        count = round(share * len(self.labels))
        noise = torch.randn(count, CLASSES, generator=torch.Generator().manual_seed(5))
        return self.head(self.labelled_embeddings[:count]) + noise, self.labels[:count]


def _images(count: int, modes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Embeddings (count, 512) and classes (count,); in chunks, so that nothing much larger is ever in memory."""
    embeddings, labels = torch.empty(count, WIDTH), torch.empty(count, dtype=torch.int64)
    for chunk, of_chunk in zip(embeddings.split(16_384), labels.split(16_384), strict=True):
        mode = torch.randint(len(modes), (len(chunk),), generator=generator)
        torch.randn(chunk.shape, generator=generator, out=chunk)
        chunk.add_(modes[mode], alpha=2).relu_().mul_(0.25)
        torch.div(mode, MODES, rounding_mode="floor", out=of_chunk)
    return embeddings, labels


def _basis() -> Tensor:
    return torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(2)) / WIDTH**0.5
