"""ResNet-18 for 32×32 images: the 3×3 stem with stride 1 and no max-pool, as the active-learning literature uses."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.network import Dropout, Network, StochasticDepth, survival


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm and a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int, depth: StochasticDepth) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.depth = depth

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.depth(self.bn2(self.conv2(y))) + self.shortcut(x))


class ResNet18(Network):
    """Four stages of two basic blocks, ``width``·(1, 2, 4, 8) channels; 11.17 M parameters at width 64.

    ``stochastic_depth`` is the probability that the last block is dropped in training.
    """

    last_map_is_embedding = True

    def __init__(
        self,
        channels: int,
        image_size: tuple[int, int],
        class_count: int,
        *,
        width: int = 64,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        self.stage_channels = (width, 2 * width, 4 * width, 8 * width)
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        inputs = (width, *self.stage_channels[:-1])
        depths = survival(stochastic_depth, 8)
        self.stages = nn.ModuleList(
            nn.Sequential(BasicBlock(i, o, 1 if s == 0 else 2, next(depths)), BasicBlock(o, o, 1, next(depths)))
            for s, (i, o) in enumerate(zip(inputs, self.stage_channels, strict=True))
        )
        self.dropout = Dropout(dropout, 8 * width)
        self.head = nn.Linear(8 * width, class_count)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        x = F.relu(self.bn(self.conv(x)))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return x.mean((2, 3)), tuple(outputs)
