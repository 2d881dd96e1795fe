"""Networks by name: which there are, their parameters, and how one is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

import torch

from benchmark.experiment.kinds import mistaken
from benchmark.models.cnn import CNN
from benchmark.models.compact import Compact
from benchmark.models.densenet import DenseNet121, DenseNet121Cifar
from benchmark.models.heads import MLP, Linear
from benchmark.models.network import Network
from benchmark.models.resnet import ResNet18
from benchmark.models.wide_resnet import WideResNet
from strategies.registry import CodeSource, Loaded, nearest

MODELS: dict[str, type[Network]] = {
    "cnn": CNN,
    "compact": Compact,
    "resnet18": ResNet18,
    "wide-resnet": WideResNet,
    "densenet121": DenseNet121,
    "densenet121-cifar": DenseNet121Cifar,
    "linear": Linear,
    "mlp": MLP,
}
PLUGINS = Loaded(Network, "model")
_PROBABILITIES = ("dropout", "stochastic_depth")
_POSITIVE = ("penalty",)
_SHARES = ("bn_momentum",)
_MOST = {"depth": 10_000}  # layers; of other whole numbers:
_MOST_OTHERWISE = 1_000_000


def named(texts: Iterable[str]) -> list[str]:
    """The names of the networks that a user asks for, those from ``module:Class`` and ``file.py:Class`` loaded.

    Raises ValueError, in one line, where one cannot be loaded.
    """
    asked = list(texts)
    elsewhere = [text for text in asked if text not in MODELS and ":" in text]
    names = dict(zip(elsewhere, PLUGINS.load(elsewhere), strict=True))
    return [names.get(text, text) for text in asked]


def class_of(name: str) -> type[Network]:
    """The class of a network that is known; a user's own is, once ``named`` has loaded it. Raises ValueError."""
    if name in PLUGINS:
        return PLUGINS[name].cls
    if name in MODELS:
        return MODELS[name]
    if ":" in name:
        raise ValueError(f"model '{name}' is a user's own: name it with --model file.py:Class")
    if wrong := mistaken(name, "a model"):
        raise ValueError(wrong)
    raise ValueError(f"unknown model '{name}'{nearest(name, MODELS)} (known: {', '.join(MODELS)}, or file.py:Class)")


def source_of(name: str) -> CodeSource | None:
    """Where the named network comes from; None for the suite's own."""
    return PLUGINS[name].source(name) if name in PLUGINS else None


def check(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise ValueError, in one line, for a model or a parameter that does not exist or has the wrong type."""
    accepted = _parameters(name)
    for key, value in parameters.items():
        if key not in accepted:
            known = f"(it has: {', '.join(accepted) or 'none'})"
            raise ValueError(f"model '{name}' has no parameter '{key}'{nearest(key, accepted)} {known}")
        default = accepted[key]
        kinds = (int, float) if isinstance(default, float) else (type(default),)
        if isinstance(value, bool) is not isinstance(default, bool) or not isinstance(value, kinds):
            a_number = "a number" if isinstance(default, (int, float)) and not isinstance(default, bool) else "a value"
            raise ValueError(f"model '{name}': {key} must be {a_number} like {default}, not {value!r}")
        if key in _PROBABILITIES and not 0 <= value < 1:
            raise ValueError(f"model '{name}': {key} must be at least 0 and below 1, not {value}")
        if key in _SHARES and not 0 < value <= 1:
            raise ValueError(f"model '{name}': {key} must be above 0 and at most 1, not {value}")
        if key in _POSITIVE and not value > 0:
            raise ValueError(f"model '{name}': {key} must be positive, not {value}")
        if key not in _PROBABILITIES + _SHARES + _POSITIVE and name in MODELS and value < 1:
            raise ValueError(f"model '{name}': {key} must be at least 1, not {value}")
        if key not in _PROBABILITIES and value > (most := _MOST.get(key, _MOST_OTHERWISE)):
            raise ValueError(f"model '{name}': {key} goes up to {most:,}, not {value}")


def settled(name: str, parameters: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in their defaults' types and without those at their defaults, so that one network is written once.

    Where ``written`` make the same network, these. Raises ValueError, in one line, as ``check`` does.
    """
    check(name, parameters)
    defaults = _parameters(name)
    typed = {key: float(x) if isinstance(defaults[key], float) else x for key, x in parameters.items()}
    if {**defaults, **typed} == {**defaults, **written}:
        return dict(written)
    return {key: value for key, value in typed.items() if value != defaults[key]}


def build(
    name: str, parameters: Mapping[str, Any], channels: int, image_size: tuple[int, int], class_count: int
) -> Network:
    """Build the named network for (channels, H, W) images, with weights from PyTorch's global generator.

    Raises ValueError, in one line, as ``check`` does and for images that are too small.
    """
    check(name, parameters)
    cls = class_of(name)
    (height, width), least = image_size, cls.smallest
    if min(height, width) < least:
        raise ValueError(f"model '{name}' takes images of at least {least}×{least}, not {height}×{width}")
    return cls(channels, image_size, class_count, **parameters)


def check_size(
    name: str,
    parameters: Mapping[str, Any],
    channels: int,
    image_size: tuple[int, int],
    class_count: int,
    memory: int,
) -> None:
    """Raise ValueError, in one line, where ``build`` would, and for a network that ``memory`` (bytes) cannot train.

    A training holds each parameter, its gradient and its momentum as float32. Nothing is allocated.
    """
    try:
        with torch.device("meta"):
            network = build(name, parameters, channels, image_size, class_count)
    except (RuntimeError, OverflowError) as error:  # a tensor of more than 2^63 bytes, mostly
        if "negative" in str(error):
            raise ValueError(f"model '{name}': {str(error).splitlines()[0]}") from error
        why = f": {error}" if name in PLUGINS else " is too large for any memory: choose a smaller width"
        raise ValueError(f"model '{name}'{why}") from error
    count = sum(parameter.numel() for parameter in network.parameters())
    if (needed := 12 * count) > memory:
        raise ValueError(
            f"model '{name}' has {count:,} parameters, whose training takes {needed / 2**30:,.1f} GiB, and there are "
            f"{memory / 2**30:,.1f} GiB of memory: choose a smaller width"
        )


def dropout_of(name: str, parameters: Mapping[str, Any]) -> float:
    """The dropout probability that the named network has with these parameters; 0 where it has no such parameter."""
    return float(parameters.get("dropout", _parameters(name).get("dropout", 0.0)))


def with_parameter(name: str, parameters: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The parameters with one of them set, where the named network has it."""
    return {**parameters, key: value} if key in _parameters(name) else dict(parameters)


def default_of(name: str, parameter: str) -> Any:
    """The default of a parameter of the named network; each of the suite's has ``width`` and ``dropout``.

    Raises ValueError, in one line, where there is no such parameter.
    """
    accepted = _parameters(name)
    if parameter not in accepted:
        raise ValueError(f"model '{name}' has no parameter '{parameter}', which this learner sets")
    return accepted[parameter]


def _parameters(name: str) -> Mapping[str, Any]:
    """The keyword-only parameters of the named network with their defaults."""
    return _keywords(cast(Any, class_of(name)))  # to mypy a module has no hash


@cache
def _keywords(cls: type) -> Mapping[str, Any]:
    accepted = inspect.signature(cls).parameters.items()
    return {key: p.default for key, p in accepted if p.kind is inspect.Parameter.KEYWORD_ONLY}
