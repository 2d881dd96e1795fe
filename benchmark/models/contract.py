"""What must hold of a network of a user's own, as one call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.models.masks import Masks
from benchmark.models.network import Dropout, Network, StochasticDepth

_DRAWING = (nn.modules.dropout._DropoutNd, nn.RReLU, nn.FractionalMaxPool2d)  # from the global generator


def contract_error(build: Callable[[], Network], channels: int, image_size: tuple[int, int], class_count: int) -> str:
    """What is wrong with the network that ``build`` makes for such images, on one line; empty if nothing is.

    It is built twice on the CPU and sees three random images. What must hold: weights come from PyTorch's global
    generator alone; ``head`` is an ``nn.Linear`` from the embedding to the classes; ``forward`` gives logits (B, C),
    float32, embedding (B, D) and stages (B, c_s, h_s, w_s) with the channels of ``stage_channels``, the last of which
    has the embedding for its mean where ``last_map_is_embedding`` says so; in evaluation mode the logits are
    ``head(embedding)``, finite, the same each time, and no image's depend on the others; gradients reach all weights
    that have any; random draws in training come from the suite's ``Dropout`` and ``StochasticDepth``.
    """
    try:
        return _error(build, channels, image_size, class_count)
    except Exception as error:  # whatever a user's own code raises
        return f"{type(error).__name__}: {error}".replace("\n", " ")


def _error(build: Callable[[], Network], channels: int, image_size: tuple[int, int], class_count: int) -> str:
    with seeds.scoped(0, "weights", 0):
        network = build()
    with seeds.scoped(0, "weights", 0):
        again = build()
    first, second = network.state_dict(), again.state_dict()
    if first.keys() != second.keys() or any(not torch.equal(first[key], second[key]) for key in first):
        return "two networks of one seed differ: draw initial weights from PyTorch's global generator alone"
    for name in ("stage_channels", "head", "dropout"):
        if not hasattr(network, name):
            return f"it does not set self.{name}"
    dropout: object = network.dropout
    if not isinstance(dropout, Dropout):
        return "self.dropout must be a benchmark.models.network.Dropout, of probability 0 for none"
    if drawing := [type(module).__name__ for module in network.modules() if isinstance(module, _DRAWING)]:
        return f"{drawing[0]} draws from the global generator: use benchmark.models.network.{Dropout.__name__}"
    head: object = network.head  # as declared, which nobody has checked yet
    if not isinstance(head, nn.Linear) or head.out_features != class_count:
        return f"self.head must be an nn.Linear to the {class_count} classes"
    images = torch.randn(3, channels, *image_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, repeated, alone = network.eval()(images), network(images), network(images[:1])
    shapes = {"logits": (3, class_count), "embedding": (3, head.in_features)}
    for name, shape in shapes.items():
        if tuple(getattr(output, name).shape) != shape:
            return f"{name} of 3 images have the shape {tuple(getattr(output, name).shape)}, expected {shape}"
    if output.logits.dtype != torch.float32:
        return f"logits are {output.logits.dtype}, expected torch.float32"
    stages = [tuple(stage.shape) for stage in output.stages]
    own = stages if network.last_map_is_embedding else stages[:-1]
    if [(len(shape), *shape[:2]) for shape in stages] != [(4, 3, count) for count in network.attachment_channels]:
        return f"stages of 3 images have the shapes {own}, expected (3, c, h, w) with c in {network.stage_channels}"
    pooled = output.stages[-1].mean((2, 3))
    if not torch.allclose(pooled, output.embedding, rtol=1e-3, atol=1e-5, equal_nan=True):
        return "the mean of its last stage is not the embedding: take out last_map_is_embedding = True"
    if not torch.isfinite(output.logits).all():
        return "its first logits are not finite"
    if not torch.equal(output.logits, repeated.logits):
        return "in evaluation mode the same images have other logits the second time"
    if not torch.allclose(output.logits[:1], alone.logits, rtol=1e-3, atol=1e-5):
        return "in evaluation mode an image's logits depend on the others of its batch"
    if not torch.allclose(
        output.logits, F.linear(output.embedding.float(), head.weight, head.bias), rtol=1e-3, atol=1e-5
    ):
        return "in evaluation mode its logits are not self.head of the embedding"
    network.train().draw_dropout_from(Masks(0))
    before = torch.get_rng_state()
    network(images).logits.sum().backward()
    if not torch.equal(before, torch.get_rng_state()):
        return (
            "a training step draws from the global generator: use Dropout and "
            f"{StochasticDepth.__name__} of benchmark.models.network"
        )
    if head.weight.grad is None:
        return "no gradient reaches self.head"
    return ""
