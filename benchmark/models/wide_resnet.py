"""Wide residual networks for 32×32 images as FixMatch and its relatives use them: WRN-28-2 by default."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.network import Dropout, Network, StochasticDepth, survival

_SLOPE = 0.1  # of the leaky ReLU
_EPSILON = 1e-3  # of BatchNorm


class PreActivationBlock(nn.Module):
    """BN–leaky ReLU–3×3 convolution, twice, and a shortcut; with ``first`` the shortcut is activated as well."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool, depth: StochasticDepth) -> None:
        super().__init__()
        self.first = first
        self.bn1 = nn.BatchNorm2d(inputs, eps=_EPSILON)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.depth = depth

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.bn1(x), _SLOPE)
        shortcut = self.shortcut(y if self.first else x)
        y = F.leaky_relu(self.bn2(self.conv1(y)), _SLOPE)
        return self.depth(self.conv2(y)) + shortcut


class WideResNet(Network):
    """Three stages of (``depth`` − 4) / 6 blocks, 16·``width``·(1, 2, 4) channels (Zagoruyko & Komodakis, BMVC 2016).

    Activations, shortcuts, initial weights and BatchNorm's ε = 0.001 are those of google-research/fixmatch; 1.47 M
    parameters at depth 28 and width 2. (Its convolutions have biases, which BatchNorm takes out again.)
    ``bn_momentum`` is the weight of a step in BatchNorm's statistics: 0.001 there, here PyTorch's 0.1, so that short
    trainings have usable statistics too. ``stochastic_depth`` is the probability that the last block is dropped in
    training. The last stage's feature map is the one after BatchNorm and activation, whose
    mean is the embedding. Takes images of at least 8×8.
    """

    last_map_is_embedding = True

    def __init__(
        self,
        channels: int,
        image_size: tuple[int, int],
        class_count: int,
        *,
        depth: int = 28,
        width: int = 2,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"model 'wide-resnet': depth must be 10, 16, 22, 28, …, not {depth}")
        blocks = (depth - 4) // 6
        self.stage_channels = (16 * width, 32 * width, 64 * width)
        self.conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        depths = survival(stochastic_depth, 3 * blocks)
        self.stages = nn.ModuleList()
        inputs = 16
        for s, outputs in enumerate(self.stage_channels):
            stage = nn.Sequential()
            for b in range(blocks):
                stride = 2 if s > 0 and b == 0 else 1
                stage.append(PreActivationBlock(inputs, outputs, stride, s == b == 0, next(depths)))
                inputs = outputs
            self.stages.append(stage)
        self.bn = nn.BatchNorm2d(inputs, eps=_EPSILON)
        self.dropout = Dropout(dropout, inputs)
        self.head = nn.Linear(inputs, class_count)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = bn_momentum
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * math.prod(module.kernel_size)
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        x = self.conv(x)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        outputs[-1] = F.leaky_relu(self.bn(x), _SLOPE)
        return outputs[-1].mean((2, 3)), tuple(outputs)
