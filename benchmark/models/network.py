"""The base class of networks, with the dropout and stochastic depth that draw from the run's own streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.masks import Masks
from strategies.api import Output


class Dropout(nn.Module):
    """Dropout of (B, size) features that draws from the run's own stream, never from a global generator.

    In training every image has its own mask. While ``mask`` is set (Monte-Carlo dropout), it applies to all images of
    all batches, so that a sample is one function of the input.
    """

    def __init__(self, probability: float, size: int) -> None:
        super().__init__()
        self.probability = probability
        self.size = size
        self.masks: Masks | None = None
        self.layer = 0
        self.mask: Tensor | None = None

    def draw_mask(self, generator: torch.Generator) -> Tensor:
        """A mask (size,), float32, of 0 and 1 / (1 − p), from a CPU generator."""
        keep = 1 - self.probability
        return (torch.rand(self.size, generator=generator) < keep) / keep

    def forward(self, x: Tensor) -> Tensor:
        if self.mask is not None:
            return x * self.mask.to(x.dtype)
        if not self.training or self.probability == 0:
            return x
        if self.masks is None:
            raise RuntimeError("dropout in training has no masks: set them with Network.draw_dropout_from")
        keep = 1 - self.probability
        kept = self.masks.kept(self.layer, x.shape, keep, x.device)
        return x * (kept / keep).to(x.dtype)


class StochasticDepth(nn.Module):
    """Drops a residual branch (B, …) in training, for each image with ``probability`` p (Huang et al., ECCV 2016).

    A branch that is kept is divided by 1 − p. Draws from the run's own stream. The last ``spared`` images of a
    batch keep their branches unchanged: learners set it for images whose outputs must have no noise.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.masks: Masks | None = None
        self.layer = 0
        self.spared = 0

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return branch
        if self.masks is None:
            raise RuntimeError("stochastic depth in training has no masks: set them with Network.draw_dropout_from")
        keep = 1 - self.probability
        factors = self.masks.kept(self.layer, (len(branch),), keep, branch.device) / keep
        if self.spared:
            factors[-self.spared :] = 1
        return branch * factors.to(branch.dtype).view(-1, *[1] * (branch.dim() - 1))


class Network(nn.Module):
    """A classifier of (B, c, H, W) images: ``backbone``, then ``embed``, then ``classify``.

    The backbone has no dropout, so Monte-Carlo samples repeat only what follows it; residual networks may have
    ``StochasticDepth`` there, which is on in training only. Subclasses set ``stage_channels``, ``dropout`` and ``head``
    (the last linear layer) and implement ``backbone``; ``smallest`` is the least height and width, in pixels, of the
    images that they take. While ``halves_images``, a network in training sees the mean of each square of 2 × 2 pixels.

    The stages that an attachment sees end with the embedding that the classifier sees: a module that predicts from
    them what the classifier will do must not be blind to what it does it with. Where the mean of the backbone's last
    feature map is the embedding, a subclass says so by ``last_map_is_embedding``; elsewhere the embedding follows the
    maps as a 1×1 map. ``stage_channels`` are those of the backbone's maps, ``attachment_channels`` those of all that an
    attachment sees.

    A network that is ``solved`` has no training in steps: ``solve`` finds its weights. One ``of_embeddings`` classifies
    embeddings, images of one pixel, which are then the features that strategies read, too.
    """

    smallest: ClassVar[int] = 8
    last_map_is_embedding: ClassVar[bool] = False
    halves_images = False
    solved: ClassVar[bool] = False
    of_embeddings: ClassVar[bool] = False
    stage_channels: tuple[int, ...]
    head: nn.Linear
    dropout: Dropout

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Features (B, F) and the feature maps of the stages, each (B, c_s, h_s, w_s)."""
        raise NotImplementedError

    def embed(self, features: Tensor) -> Tensor:
        """The embedding (B, D) from the backbone's features."""
        return features

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits (B, C) from the embedding, through dropout and head, in float32 because strategies rank by them."""
        with torch.autocast(embedding.device.type, enabled=False):
            return self.head(self.dropout(embedding.float()))

    def as_seen(self, x: Tensor) -> Tensor:
        """The images as the backbone gets them: while they are halved, the means of squares of 2 × 2 pixels."""
        return F.avg_pool2d(x, 2) if self.training and self.halves_images else x

    def forward(self, x: Tensor) -> Output:
        features, maps = self.backbone(self.as_seen(x))
        embedding = self.embed(features)
        return Output(self.classify(embedding), embedding, self.with_embedding(maps, embedding))

    @property
    def attachment_channels(self) -> tuple[int, ...]:
        """The channels of the stages that an attachment sees, the last of which has the embedding."""
        return self.stage_channels if self.last_map_is_embedding else (*self.stage_channels, self.head.in_features)

    def with_embedding(self, maps: tuple[Tensor, ...], embedding: Tensor) -> tuple[Tensor, ...]:
        """The stages that attachments see: the backbone's ``maps``, ending with the ``embedding`` (B, D)."""
        return maps if self.last_map_is_embedding else (*maps, embedding[:, :, None, None])

    @property
    def dropouts(self) -> list[Dropout]:
        """The dropout modules with a probability above 0."""
        return [m for m in self.modules() if isinstance(m, Dropout) and m.probability > 0]

    def solve(self, x: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        """Fit in one go to the images ``x`` (L, c, H, W) and their ``targets`` (L,); for ``solved`` ones.

        The loss is the mean cross-entropy of the images, or their sum by ``weights`` (L,), and the penalty.
        """
        raise NotImplementedError

    def solved_heads(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Heads (P, C, D + 1), the biases last, as ``solve`` finds them on embeddings ``inputs`` (P, n, D).

        ``targets`` (P, n) are their labels. The network itself is left as it is; for ``solved`` ones.
        """
        raise NotImplementedError

    def whiten(self, patch_covariance: Tensor) -> None:
        """Compute a first layer that is not learned from ``ImageData.patch_covariance``; most networks have none."""

    @property
    def stochastic_depths(self) -> list[StochasticDepth]:
        """The stochastic-depth modules with a probability above 0."""
        return [m for m in self.modules() if isinstance(m, StochasticDepth) and m.probability > 0]

    def draw_dropout_from(self, masks: Masks) -> None:
        """Take all training masks from ``masks``; layers are numbered dropouts first, then stochastic depths."""
        layers: list[Dropout | StochasticDepth] = [*self.dropouts, *self.stochastic_depths]
        for number, layer in enumerate(layers):
            layer.masks, layer.layer = masks, number

    def initialise(self) -> None:
        """Draw new weights, in place, from PyTorch's global generator (see ``seeds.scoped``)."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()


def survival(probability: float, blocks: int) -> Iterator[StochasticDepth]:
    """Stochastic depth for each of ``blocks`` residual blocks, rising linearly to ``probability`` at the last one."""
    return iter([StochasticDepth(probability * (i + 1) / blocks) for i in range(blocks)])
