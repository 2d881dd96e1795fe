"""SimCLR: features without labels, learned by matching two views of an image among the views of all others.

Chen, Kornblith, Norouzi & Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML
2020, arXiv 2002.05709. For B images and their 2B views, z = g(f(view)) / ‖g(f(view))‖ with the backbone f and a
projection head g of one hidden layer, the loss (NT-Xent) is the mean over all views i, with j(i) the other view, of

    −log exp(z_i·z_j(i) / τ) / Σ_{k≠i} exp(z_i·z_k / τ).

The features are f(image), without g. A view is a random resized crop, mirrored if the protocol mirrors; colour
images have their colours jittered (strength 0.5, as in the paper for CIFAR-10) or removed; grey images are rotated a
little and scaled in brightness and contrast.

Ours: Adam with a warm-up and a cosine schedule instead of LARS; the jitters have a fixed order, which makes them one
linear map of a pixel, and the hue is rotated in the YIQ plane; dropout is off. All random numbers come from CPU
generators, one stream per block of ``BLOCK`` steps, so that the draws are the same on every device, and an
interrupted training resumes at the start of a block with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.experiment.recipe import Recipe
from benchmark.models.network import Network
from benchmark.training.batches import Images
from benchmark.training.engine import build_optimiser, decayed
from benchmark.training.predict import autocast

BLOCK = 200  # steps: less than a minute of training on a CPU's core
PROJECTION = 128
_DRAWS = 12
_AREA = {1: (0.35, 1.0), 3: (0.2, 1.0)}  # of a crop, by the number of channels
_TURN = {1: math.radians(25), 3: 0.0}
_GREY = (0.299, 0.587, 0.114)
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def train(
    network: Network,
    images: Images,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    temperature: float,
    flip: bool,
    precision: str,
    seed: int,
    resume: dict[str, Any],
    save: Callable[[dict[str, Any]], None],
) -> None:
    """Train the embedding of ``network`` in place; its head does not change.

    ``save`` is called with the state after every block but the last; ``resume`` is such a state, or empty.
    """
    device, size = images.device, min(batch_size, len(images.pixels))
    recipe = Recipe("adam", learning_rate, weight_decay=1e-6, schedule="cosine", warmup=0.1, min_steps=steps)
    width = network.head.in_features
    with seeds.scoped(seed, "features/projection", 0):
        projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTION)).to(device)
    modules = nn.ModuleDict({"network": network, "projection": projection})
    optimiser = build_optimiser(recipe, decayed(recipe, (p for m in modules.values() for p in m.parameters())))
    begin = 0
    if resume:
        begin = resume["block"]
        modules.load_state_dict(resume["modules"])
        optimiser.load_state_dict(resume["optimiser"])
    rates = recipe.learning_rates(steps)
    modules.train()
    for block in range(begin, -(-steps // BLOCK)):
        of_block = rates[block * BLOCK : (block + 1) * BLOCK]
        generator = seeds.generator(seed, "features", block)
        order = _order(len(images.pixels), len(of_block) * size, generator).view(-1, size).to(device)
        draws = torch.rand((len(of_block), 2 * size, _DRAWS), generator=generator).to(device)
        for step, rate in enumerate(of_block):
            optimiser.param_groups[0]["lr"] = rate
            batch = images.pixels[order[step]].permute(0, 3, 1, 2).float().div(255)
            views = view(torch.cat([batch, batch]), draws[step], flip=flip)
            normalised = (views - images.mean.view(-1, 1, 1)) / images.std.view(-1, 1, 1)
            with torch.enable_grad(), autocast(device, precision):
                features, _ = network.backbone(normalised.contiguous(memory_format=torch.channels_last))
                projected = projection(network.embed(features))
            with torch.enable_grad():
                loss = nt_xent(projected.float(), temperature)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if (block + 1) * BLOCK < steps:
            save({"block": block + 1, "modules": modules.state_dict(), "optimiser": optimiser.state_dict()})


def nt_xent(projected: Tensor, temperature: float) -> Tensor:
    """The scalar loss of ``projected`` (2B, P), not yet normalised; row i + B is the other view of row i."""
    unit = F.normalize(projected, dim=1)
    similarities = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    partners = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return F.cross_entropy(similarities, partners)


def view(images: Tensor, draws: Tensor, *, flip: bool) -> Tensor:
    """A view of each of ``images`` (B, c, H, W), floats in [0, 1], by its row of ``draws`` (B, 12) in [0, 1).

    Deterministic: a view depends on its image and its draws only.
    """
    where, colours = draws.split((6, 6), dim=1)
    return _jitter(_crop(images, where, flip), colours)


def _crop(images: Tensor, draws: Tensor, flip: bool) -> Tensor:
    """Crops of random area, aspect ratio (3/4 to 4/3), position and rotation, at the images' size; black outside."""
    channels = images.shape[1]
    area, ratio, x, y, turn, mirror = draws.unbind(1)
    low, high = _AREA[channels]
    area = low + (high - low) * area
    ratio = torch.exp((2 * ratio - 1) * math.log(4 / 3))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    angle = (2 * turn - 1) * _TURN[channels]
    sign = torch.where(mirror < 0.5, -1.0, 1.0) if flip else torch.ones_like(mirror)
    across = torch.stack([sign * width * angle.cos(), -width * angle.sin(), (1 - width) * (2 * x - 1)], 1)
    down = torch.stack([sign * height * angle.sin(), height * angle.cos(), (1 - height) * (2 * y - 1)], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def _jitter(images: Tensor, draws: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue with probability 0.8, then grey with 0.2; grey images: the first two."""
    batch, channels, height, width = images.shape
    jittered, greyed = draws[:, 4] < 0.8, draws[:, 5] < 0.2
    brightness, contrast, saturation = (torch.where(jittered, 0.6 + 0.8 * u, 1.0) for u in draws[:, :3].unbind(1))
    pixels = images.flatten(2)
    if channels == 1:
        bright = pixels * brightness.view(-1, 1, 1)
        mean = bright.mean((1, 2), keepdim=True)
        return (mean + (bright - mean) * contrast.view(-1, 1, 1)).clamp(0, 1).view(images.shape)
    hue = torch.where(jittered, 0.2 * math.pi * (2 * draws[:, 3] - 1), 0.0)
    identity = torch.eye(3, device=images.device)
    grey = torch.tensor(_GREY, device=images.device).expand(3, 3)
    share = torch.where(greyed, 0.0, saturation).view(-1, 1, 1)
    colour = (grey + share * (identity - grey)) @ _turned_hue(hue)
    scale = (brightness * contrast).view(-1, 1, 1)
    level = (brightness * (1 - contrast) * (grey[0] @ pixels.mean(2).T)).view(-1, 1, 1)
    return (scale * (colour @ pixels) + level).clamp(0, 1).view(batch, channels, height, width)


def _turned_hue(angle: Tensor) -> Tensor:
    """The maps (B, 3, 3) of RGB that rotate the chromatic plane of YIQ by ``angle`` (B,), in radians."""
    to = torch.tensor(_YIQ, device=angle.device)
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [one, zero, zero, zero, angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos()]
    return torch.linalg.inv(to) @ torch.stack(rows, 1).view(-1, 3, 3) @ to


def _order(images: int, needed: int, generator: torch.Generator) -> Tensor:
    """``needed`` random positions among ``images``; every one comes once before any comes again."""
    epochs = -(-needed // images)
    return torch.cat([torch.randperm(images, generator=generator) for _ in range(epochs)])[:needed]
