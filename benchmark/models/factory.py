"""Networks by name: which there are, their parameters, and how one is built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from benchmark.models.cnn import CNN
from benchmark.models.compact import Compact
from benchmark.models.densenet import DenseNet121, DenseNet121Cifar
from benchmark.models.network import Network
from benchmark.models.resnet import ResNet18
from benchmark.models.wide_resnet import WideResNet

MODELS: dict[str, type[Network]] = {
    "cnn": CNN,
    "compact": Compact,
    "resnet18": ResNet18,
    "wide-resnet": WideResNet,
    "densenet121": DenseNet121,
    "densenet121-cifar": DenseNet121Cifar,
}
_PROBABILITIES = ("dropout", "stochastic_depth")


def check(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise ValueError, in one line, for a model or a parameter that does not exist or has the wrong type."""
    if name not in MODELS:
        raise ValueError(f"unknown model '{name}' (known: {', '.join(MODELS)})")
    accepted = inspect.signature(MODELS[name]).parameters
    for key, value in parameters.items():
        if key not in accepted or accepted[key].kind is not inspect.Parameter.KEYWORD_ONLY:
            known = [k for k, p in accepted.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]
            raise ValueError(f"model '{name}' has no parameter '{key}' (it has: {', '.join(known)})")
        default = accepted[key].default
        if isinstance(value, bool) or not isinstance(value, (int, float) if isinstance(default, float) else int):
            raise ValueError(f"model '{name}': {key} must be a number like {default}, not {value!r}")
        if key in _PROBABILITIES and not 0 <= value < 1:
            raise ValueError(f"model '{name}': {key} must be at least 0 and below 1, not {value}")
        if key not in _PROBABILITIES and value < 1:
            raise ValueError(f"model '{name}': {key} must be at least 1, not {value}")


def build(
    name: str, parameters: Mapping[str, Any], channels: int, image_size: tuple[int, int], class_count: int
) -> Network:
    """Build the named network for (channels, H, W) images, with weights from PyTorch's global generator.

    Raises ValueError, in one line, as ``check`` does and for images that are too small.
    """
    check(name, parameters)
    (height, width), least = image_size, MODELS[name].smallest
    if min(height, width) < least:
        raise ValueError(f"model '{name}' takes images of at least {least}×{least}, not {height}×{width}")
    return MODELS[name](channels, image_size, class_count, **parameters)


def dropout_of(name: str, parameters: Mapping[str, Any]) -> float:
    """The dropout probability that the named network has with these parameters."""
    return float(parameters.get("dropout", default_of(name, "dropout")))


def default_of(name: str, parameter: str) -> Any:
    """The default of a parameter of the named network; every network has ``width`` and ``dropout``."""
    return inspect.signature(MODELS[name]).parameters[parameter].default
