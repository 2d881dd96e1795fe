"""DenseNet-121 (Huang et al., CVPR 2017) as in torchvision, and with a stem that keeps small images' resolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.network import Dropout, Network

_BLOCKS = (6, 12, 24, 16)


class DenseNet121(Network):
    """torchvision's layers and random initial weights, not pretrained; 6.96 M parameters at width 64.

    ``width`` channels leave the stem and each layer adds ``width`` / 2 more. The stem halves the image twice, by a 7×7
    convolution and a max-pool. The stages are the transitions' outputs and the last block's. Takes images of at
    least 32×32.
    """

    smallest = 32
    last_map_is_embedding = True

    def __init__(
        self,
        channels: int,
        image_size: tuple[int, int],
        class_count: int,
        *,
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        from torchvision.models import DenseNet  # here: importing it takes a second

        super().__init__()
        if width % 2:
            raise ValueError(f"a DenseNet's width must be even, not {width}")
        made = DenseNet(width // 2, _BLOCKS, width, num_classes=class_count)
        self.features = made.features
        self.reshape_stem(channels, width)
        self.head = made.classifier
        self.stage_channels = (
            *(self.features.get_submodule(f"transition{i}.conv").out_channels for i in (1, 2, 3)),
            self.head.in_features,
        )
        self.dropout = Dropout(dropout, self.head.in_features)

    def reshape_stem(self, channels: int, width: int) -> None:
        """Adapt torchvision's stem, made for three channels, to the images' number of channels."""
        if channels != 3:
            self.features.conv0 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
            nn.init.kaiming_normal_(self.features.conv0.weight)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        outputs = []
        for name, layer in self.features.named_children():
            x = layer(x)
            if name.startswith("transition"):
                outputs.append(x)
        x = F.relu(x)
        return x.mean((2, 3)), (*outputs, x)


class DenseNet121Cifar(DenseNet121):
    """The same with a 3×3 stem of stride 1 and no max-pool, so that 32×32 images keep their resolution.

    Takes images of at least 8×8.
    """

    smallest = 8

    def reshape_stem(self, channels: int, width: int) -> None:
        self.features.conv0 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.features.conv0.weight)
        self.features.pool0 = nn.Identity()
