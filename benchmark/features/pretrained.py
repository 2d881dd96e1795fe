"""Embeddings by networks that were trained on other images, with weights from torchvision or timm.

The embedding is the input of the network's last linear layer. Images are resized and normalised as the weights
require; grey images get three equal channels.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK = 64
Prepare = Callable[[Tensor], Tensor]


def check(method: str) -> None:
    """Raise ValueError, in one line, for a source that is not installed or weights that it does not know."""
    source, _, name = method.partition(":")
    if source == "torchvision":
        _torchvision_weights(name)
    elif name not in _timm().list_pretrained():
        raise ValueError(f"features.method: timm has no pretrained model '{name}'")


@torch.no_grad()
def embeddings(method: str, pixels: Tensor) -> Tensor:
    """Embeddings (M, D), float32, of uint8 ``pixels`` (M, H, W, c) by ``torchvision:…`` or ``timm:…``.

    Raises ValueError, in one line, where the weights cannot be downloaded.
    """
    source, _, name = method.partition(":")
    try:
        network, prepare = _from_torchvision(name) if source == "torchvision" else _from_timm(name)
    except (OSError, RuntimeError) as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(f"features: the weights of '{method}' cannot be downloaded: {reason}") from error
    network = network.eval().to(pixels.device)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"features: the network of '{method}' has no linear layer to take the embedding from")
    found: list[Tensor] = []
    handle = linear[-1].register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].flatten(1).float()))
    try:
        for chunk in pixels.split(CHUNK):
            images = chunk.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
            network(prepare(images))
    finally:
        handle.remove()
    return torch.cat(found)


def _from_torchvision(name: str) -> tuple[nn.Module, Prepare]:
    library: Any = importlib.import_module("torchvision.models")
    weights = _torchvision_weights(name)
    (model,) = (known for known in library.list_models() if type(weights) is library.get_model_weights(known))
    return library.get_model(model, weights=weights), weights.transforms()


def _torchvision_weights(name: str) -> Any:
    library: Any = importlib.import_module("torchvision.models")
    try:
        return library.get_weight(name)
    except (ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            f"features.method: torchvision has no weights '{name}' (such as ResNet18_Weights.IMAGENET1K_V1)"
        ) from error


def _from_timm(name: str) -> tuple[nn.Module, Prepare]:
    library = _timm()
    network = library.create_model(name, pretrained=True)
    wanted = library.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(wanted[key]).view(3, 1, 1) for key in ("mean", "std"))

    def prepare(images: Tensor) -> Tensor:
        scaled = F.interpolate(images.float() / 255, wanted["input_size"][1:], mode="bicubic", antialias=True)
        return (scaled.clamp(0, 1) - mean.to(images.device)) / std.to(images.device)

    return network, prepare


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise ValueError("features.method timm:… needs timm: pip install timm") from error
