"""What a dataset is once it is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_CHUNK = 500  # images at once for the patches


class DatasetError(ValueError):
    """A dataset that cannot be found, read or used; the message is one line that says what to change."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A classification dataset of N training and M test images, all on one device.

    Images are (N, H, W, C) and (M, H, W, C) uint8 with one channel or three, labels (N,) and (M,) int64 in
    0…class_count−1; every class has a training image. Embeddings of D dimensions are images of one pixel with D
    channels, (N, 1, 1, D) float32; where they have ``one_scale``, such as principal components, normalising must not
    change their proportions. ``sha256`` is that of, in this order, the training
    images, training labels, test images and test labels, each as its shape (as text, "(60000, 28, 28, 1)")
    followed by its elements, labels as little-endian int64. ``note`` says what a published table should.
    """

    name: str
    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    class_names: tuple[str, ...]
    sha256: str
    note: str = ""
    one_scale: bool = False

    @property
    def class_count(self) -> int:
        return len(self.class_names)

    @property
    def channels(self) -> int:
        return self.train_images.shape[3]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self.train_images.shape[1], self.train_images.shape[2]

    @property
    def are_embeddings(self) -> bool:
        """Whether these are embeddings, not images."""
        return self.train_images.is_floating_point()

    @cached_property
    def mean(self) -> Tensor:
        """Each channel's mean over all training images, of images in [0, 1]: (C,) float32, the same bits everywhere."""
        return self._moments[0]

    @cached_property
    def std(self) -> Tensor:
        """Each channel's standard deviation over all training images, in the units of ``mean``: (C,) float32.

        The same bits everywhere. A constant channel has 1, so that normalising it gives 0 and not NaN.
        """
        return self._moments[1]

    @cached_property
    def _moments(self) -> Tensor:
        """Mean and standard deviation, (2, C).

        Of images by exact integers: how often each of the 256 values occurs. Of embeddings in float64, rounded.
        """
        if self.are_embeddings:
            values = self.train_images.flatten(0, 2).cpu().numpy()
            mean, std = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
            if self.one_scale:
                std[:] = np.sqrt(np.square(std).mean())
            std[values.max(0) == values.min(0)] = 1.0
            both = torch.from_numpy(np.stack([mean, std]).astype(np.float32))
            return both.to(self.train_images.device)
        moments = []
        for channel in self.train_images.unbind(3):
            counts = torch.bincount(channel.flatten(), minlength=256).tolist()
            n = sum(counts)
            first = sum(count * value for value, count in enumerate(counts))
            second = sum(count * value**2 for value, count in enumerate(counts))
            moments.append([first / (255 * n), math.sqrt(n * second - first**2) / (255 * n) or 1.0])
        return torch.tensor(moments, dtype=torch.float32, device=self.train_images.device).T.contiguous()

    @cached_property
    def patch_covariance(self) -> Tensor:
        """Covariance of 2×2 patches of the normalised training images: (4 C, 4 C) float64, on the CPU.

        All patches that do not overlap, from all images; one is (C, 2, 2), as a convolution's weights are. Their
        mean is taken as 0, which it is but for the rims.
        """
        total = torch.zeros((4 * self.channels,) * 2, dtype=torch.float64)
        count = 0
        mean, std = self.mean.cpu(), self.std.cpu()
        for pixels in self.train_images.split(_CHUNK):
            images = ((pixels.cpu() / 255 - mean) / std).permute(0, 3, 1, 2)
            patches = F.unfold(images, 2, stride=2).transpose(0, 1).flatten(1)
            total += patches @ patches.T
            count += patches.shape[1]
        return total / count

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on another device; what was derived from it is not derived again."""
        wanted = torch.device(device)
        here = self.train_images.device
        if here.type == wanted.type and (wanted.index is None or here.index == wanted.index):
            return self
        moved = replace(
            self,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
        )
        if "patch_covariance" in self.__dict__:
            moved.__dict__["patch_covariance"] = self.patch_covariance
        return moved
