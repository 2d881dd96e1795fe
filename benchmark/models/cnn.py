"""A small convolutional network with dropout, for 8×8 and 28×28 images."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.network import Dropout, Network


class CNN(Network):
    """conv–ReLU–pool twice, dropout, dense–ReLU, dropout, dense, as in Gal et al. (ICML 2017).

    Two 3×3 convolutions of ``width`` and 2·``width`` channels, each halving the image; a dense layer of
    ``hidden`` units is the embedding. Dropout of p precedes the last layer, of p/2 the one before. Takes images
    of at least 8×8.
    """

    def __init__(
        self,
        channels: int,
        image_size: tuple[int, int],
        class_count: int,
        *,
        width: int = 32,
        hidden: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stage_channels = (width, 2 * width)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        flat = 2 * width * (image_size[0] // 4) * (image_size[1] // 4)
        self.inner_dropout = Dropout(dropout / 2, flat)
        self.dense = nn.Linear(flat, hidden)
        self.dropout = Dropout(dropout, hidden)
        self.head = nn.Linear(hidden, class_count)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        first = F.relu(F.max_pool2d(self.conv1(x), 2))  # pooling first: same result, fewer activations
        second = F.relu(F.max_pool2d(self.conv2(first), 2))
        return second.flatten(1), (first, second)

    def embed(self, features: Tensor) -> Tensor:
        return F.relu(self.dense(self.inner_dropout(features)))
