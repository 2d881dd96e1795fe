"""The multiply-adds of networks, trainings and queries, counted from their description alone; loads no engine.

Convolutions and dense layers count, one multiply-add for each weight at each position; normalisation, activations,
pooling and the optimiser do not. A backward pass costs a layer twice its forward pass, once for the gradient of its
weights and once for that of its input; the first layer that is learned needs none of its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from benchmark.experiment.protocol import Model
from benchmark.experiment.recipe import Recipe

if TYPE_CHECKING:  # it takes PyTorch
    from strategies.api import Passes


class Images(NamedTuple):
    """A data set's images: channels, side in pixels, classes, and how many there are, labelled or not."""

    channels: int
    side: int
    classes: int
    total: int


IMAGES = {  # of the data sets that are known by name
    "digits": Images(1, 8, 10, 1258),
    "mnist": Images(1, 28, 10, 60_000),
    "fashion-mnist": Images(1, 28, 10, 60_000),
    "kmnist": Images(1, 28, 10, 60_000),
    "svhn": Images(3, 32, 10, 73_257),
    "cifar10": Images(3, 32, 10, 50_000),
    "cifar100": Images(3, 32, 100, 50_000),
}


class Operations(NamedTuple):
    """Multiply-adds of a network per image: forward, forward and backward, and what a dropout mask repeats of it."""

    forward: int
    training: int
    repeated: int


def of_model(model: Model, images: Images) -> Operations:
    """The operations of a network of the suite's on ``images``.

    Raises ValueError for any other, and for one that is solved, whose steps no protocol tells.
    """
    if model.name not in _COUNTS:
        raise ValueError(f"the operations of {model.name} are not counted")
    return _COUNTS[model.name](images, **model.parameters)


def of_training(model: Model, images: Images, recipe: Recipe, labels: int) -> int:
    """The multiply-adds of a supervised training on ``labels`` images. Raises ValueError as ``of_model`` does."""
    steps = recipe.steps(labels)
    halved = recipe.half_size_steps(steps)
    whole, half = (of_model(model, images._replace(side=side)).training for side in (images.side, images.side // 2))
    return recipe.batch_size * ((steps - halved) * whole + halved * half)


def of_query(
    model: Model, images: Images, recipe: Recipe, passes: Passes, *, scored: int, labelled: int, trained: int
) -> int:
    """The multiply-adds of the ``passes`` of a query that scores so many images.

    There are ``labelled`` labelled images, ``trained`` of which the network was trained on. Raises ValueError as
    ``of_model`` does.
    """
    network = of_model(model, images)
    found = network.forward * (passes.pool * scored + passes.labelled * labelled + passes.images)
    if passes.masks:
        found += scored * (network.forward + (passes.masks - 1) * network.repeated)
    if passes.cross_fit and trained >= 2 * images.classes:
        held = min(max(round(passes.cross_fit * trained), 1), trained - 1)
        found += network.forward * held + of_training(model, images, recipe, trained - held)
    return found


def _summed(layers: Sequence[int], repeated: int, frozen: int = 0) -> Operations:
    """Of ``layers`` that are learned, in their order, behind ``frozen`` operations that are not."""
    learned = sum(layers)
    return Operations(frozen + learned, frozen + 3 * learned - layers[0], repeated)


def _convolution(inputs: int, outputs: int, kernel: int, side: int) -> int:
    """The multiply-adds of a convolution whose output has ``side`` × ``side`` positions."""
    return inputs * outputs * kernel**2 * side**2


def _strided(side: int) -> int:
    """The side that a stride of 2 leaves, of convolutions and pooling that are padded."""
    return (side + 1) // 2


def _cnn(images: Images, *, width: int = 32, hidden: int = 128, dropout: float = 0.5) -> Operations:
    dense, head = 2 * width * (images.side // 4) ** 2 * hidden, hidden * images.classes
    convolutions = [
        _convolution(images.channels, width, 3, images.side),
        _convolution(width, 2 * width, 3, images.side // 2),
    ]
    return _summed([*convolutions, dense, head], repeated=dense + head)


def _compact(images: Images, *, width: int = 64, dropout: float = 0.0) -> Operations:
    stem, side = 8 * images.channels, images.side - 1
    frozen = _convolution(images.channels, stem, 2, side)
    layers = []
    for inputs, outputs in pairwise((stem, width, 4 * width, 4 * width)):
        layers += [_convolution(inputs, outputs, 3, side), _convolution(outputs, outputs, 3, side // 2)]
        side //= 2
    head = 4 * width * images.classes
    return _summed([*layers, head], head, frozen)


def _resnet18(images: Images, *, width: int = 64, dropout: float = 0.0, stochastic_depth: float = 0.0) -> Operations:
    layers = [_convolution(images.channels, width, 3, images.side)]
    head = _residual(layers, [width, *(width * 2**stage for stage in range(4))], 2, images)
    return _summed([*layers, head], head)


def _wide_resnet(
    images: Images,
    *,
    depth: int = 28,
    width: int = 2,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    bn_momentum: float = 0.1,
) -> Operations:
    layers = [_convolution(images.channels, 16, 3, images.side)]
    head = _residual(layers, [16, *(16 * width * 2**stage for stage in range(3))], (depth - 4) // 6, images)
    return _summed([*layers, head], head)


def _residual(layers: list[int], channels: Sequence[int], blocks: int, images: Images) -> int:
    """Append the convolutions of residual stages of ``channels``, each of so many ``blocks``; returns the head's."""
    side = images.side
    for stage, (before, outputs) in enumerate(pairwise(channels)):
        side, inputs = (_strided(side) if stage else side), before
        for block in range(blocks):
            layers += [_convolution(inputs, outputs, 3, side), _convolution(outputs, outputs, 3, side)]
            if inputs != outputs or (stage and not block):
                layers.append(_convolution(inputs, outputs, 1, side))
            inputs = outputs
    return channels[-1] * images.classes


def _densenet121(images: Images, *, width: int = 64, dropout: float = 0.0) -> Operations:
    side = _strided(images.side)
    return _dense_blocks(_convolution(images.channels, width, 7, side), width, _strided(side), images.classes)


def _densenet121_cifar(images: Images, *, width: int = 64, dropout: float = 0.0) -> Operations:
    return _dense_blocks(_convolution(images.channels, width, 3, images.side), width, images.side, images.classes)


def _dense_blocks(stem: int, width: int, side: int, classes: int) -> Operations:
    growth, channels, layers = width // 2, width, [stem]
    for block, count in enumerate((6, 12, 24, 16)):
        if block:
            layers.append(_convolution(channels, channels // 2, 1, side))
            channels, side = channels // 2, side // 2
        for _ in range(count):
            layers += [_convolution(channels, 4 * growth, 1, side), _convolution(4 * growth, growth, 3, side)]
            channels += growth
    head = channels * classes
    return _summed([*layers, head], head)


_COUNTS: dict[str, Callable[..., Operations]] = {
    "cnn": _cnn,
    "compact": _compact,
    "resnet18": _resnet18,
    "wide-resnet": _wide_resnet,
    "densenet121": _densenet121,
    "densenet121-cifar": _densenet121_cifar,
}
