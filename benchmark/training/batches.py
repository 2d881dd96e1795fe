"""Mini-batches from images on the device: one gather, then augmentation and normalisation, all on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.training.augmentation import MAX_STEPS, Augmentation, Draws, augmentation, normalise


@dataclass(frozen=True)
class Images:
    """Images without labels: ``pixels`` (M, H, W, c) uint8, and ``mean`` and ``std`` (c,) to normalise them by."""

    pixels: Tensor
    mean: Tensor
    std: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def normalised(self, indices: Tensor) -> Tensor:
        """The images ``indices`` (B,) as network input: float32 (B, c, H, W)."""
        return normalise(self.pixels[indices], self.mean, self.std)


class Batch(NamedTuple):
    """Normalised images (B, c, H, W), one tensor per view, and their positions (B,) in the list of indices."""

    views: tuple[Tensor, ...]
    positions: Tensor

    @property
    def images(self) -> Tensor:
        """The first view."""
        return self.views[0]


@dataclass(frozen=True)
class Batches:
    """An endless supply of mini-batches of the images ``indices`` (M,), in one or more views.

    Every image comes once before any comes again; ``size`` images a batch, across the ends of epochs. All draws
    come from ``generator``, on the CPU, in blocks: the same on every device.
    """

    images: Images
    indices: Tensor
    size: int
    views: tuple[str, ...]
    generator: torch.Generator

    def take(self, steps: int, begin: int = 0) -> Iterator[Batch]:
        """The batches of ``steps`` steps from step ``begin`` on; those before it are drawn but not computed.

        Raises ValueError if there is no image to draw from.
        """
        if len(self.indices) == 0:
            raise ValueError("there are no images to draw batches from")
        views = [augmentation(name) for name in self.views]
        rest = torch.empty(0, dtype=torch.int64)
        for first in range(0, steps, MAX_STEPS):
            count = min(MAX_STEPS, steps - first)
            needed = count * self.size
            epochs = -(-(needed - len(rest)) // len(self.indices))
            order = [torch.randperm(len(self.indices), generator=self.generator) for _ in range(epochs)]
            drawn = torch.cat([rest, *order])
            block, rest = drawn[:needed].view(count, self.size), drawn[needed:]
            device = self.images.device
            drawn_views = [v.draw(count, self.size, self.images.size, self.generator) for v in views]
            if first + count <= begin:
                continue
            draws = [d.to(device) for d in drawn_views]
            block = block.to(device)
            for step in range(max(begin - first, 0), count):
                yield self._batch(block[step], views, [d.step(step) for d in draws])

    def _batch(self, positions: Tensor, views: list[Augmentation], draws: list[Draws]) -> Batch:
        pixels = self.images.pixels[self.indices[positions]]
        return Batch(
            tuple(
                normalise(view.apply(pixels, draw), self.images.mean, self.images.std)
                for view, draw in zip(views, draws, strict=True)
            ),
            positions,
        )
