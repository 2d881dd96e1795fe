"""The boundary around calls into strategies and learners: what they touch beyond their result is an error by name.

What is compared around each call: the state of the process (``strategies.api.process_state``), the weights of the
round's model, and what a plugin's module and classes hold. The state of the process is put back, whatever a call does,
so a run that fails moves no number of the next one.

What this cannot see: code that ends the process (``os._exit``), replaces functions of PyTorch or of the suite, leaves
threads behind, writes through private attributes into the data, or hides state in closures, ``functools.cache`` and
modules other than its own.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.training.predict import Predictor
from strategies.api import Strategy
from strategies.api.process_state import unchanged

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_DEPTH = 6  # of nested containers that are looked into


class BoundaryError(ValueError):
    """A strategy or learner touched what is not its own; the message is one line that names it."""


class Boundary:
    """Calls into what messages call ``who``; of a ``plugin`` the module's and the classes' own state is watched too."""

    def __init__(self, who: str, plugin: Strategy | None = None) -> None:
        self._who = who
        self._modules = [] if plugin is None else _modules_of(plugin)

    @contextmanager
    def __call__(self, where: str, fitted: Predictor | None = None, *, attachment: bool = True) -> Iterator[None]:
        """Raise BoundaryError if the call ``where``, such as ``in select``, touches more than it may.

        ``fitted`` is the model that it must leave alone, its attachment only if ``attachment`` says so.
        """
        model = {} if fitted is None else _model_state(fitted, attachment)
        held = _held_by(self._modules)
        try:
            with unchanged(self._who, where):
                yield
        except SystemExit as error:
            raise BoundaryError(f"{self._who} called sys.exit {where}: raise an error instead") from error
        if fitted is not None and not _same_state(model, _model_state(fitted, attachment)):
            raise BoundaryError(f"{self._who} changed the fitted model {where}: work on a copy")
        if changed := [name for name, value in _held_by(self._modules).items() if held.get(name) != value]:
            raise BoundaryError(
                f"{self._who} changed {changed[0]} {where}, which the next run would see: keep it in an attribute of "
                "the instance, and in state_dict from round to round"
            )


def of_strategy(name: str, strategy: Strategy, source_sha256: str | None) -> Boundary:
    """The boundary around the strategy ``name``; ``source_sha256`` is None for the suite's own."""
    return Boundary(f"strategy '{name}'", None if source_sha256 is None else strategy)


# --- the model


def _model_state(fitted: Predictor, attachment: bool) -> dict[str, Any]:
    """Copies of all parameters and buffers, and the modes of the network's modules.

    Those of the attachment's do not matter: every prediction sets them.
    """
    modules: dict[str, nn.Module] = {"network": fitted.network}
    if attachment and fitted.attachment is not None:
        modules["attachment"] = fitted.attachment
    state: dict[str, Any] = {"modes": [module.training for module in fitted.network.modules()]}
    for owner, module in modules.items():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            state[f"{owner}.{name}"] = tensor.detach().clone()
    return state


def _same_state(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return before.keys() == now.keys() and all(_same(before[name], now[name]) for name in before)


def _same(before: Any, now: Any) -> bool:
    """Equality, of tensors bit by bit: NaN equals itself."""
    if not isinstance(before, Tensor):
        return bool(before == now)
    kind = _SAME_SIZE[before.element_size()]
    return before.dtype == now.dtype and before.shape == now.shape and before.view(kind).equal(now.view(kind))


# --- what a plugin's module and classes hold


def _modules_of(strategy: Strategy) -> list[ModuleType]:
    """The modules of a plugin's classes, also where a wrapper is around it."""
    inner = getattr(strategy, "inner", strategy)
    classes = [cls for cls in type(inner).__mro__ if issubclass(cls, Strategy) and not _is_own(cls)]
    names = dict.fromkeys(cls.__module__ for cls in classes)
    return [sys.modules[name] for name in names if name in sys.modules]


def _is_own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "strategies"


def _held_by(modules: list[ModuleType]) -> dict[str, Any]:
    """The data in the globals of ``modules`` and in the attributes of the classes that they define, comparable."""
    held: dict[str, Any] = {}
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                held |= {f"{name}.{key}": _frozen(each) for key, each in list(vars(value).items()) if not _dunder(key)}
            elif not _dunder(name):
                held[name] = _frozen(value)
    return held


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _frozen(value: Any, depth: int = 0) -> Any:
    """Something that equals itself as long as ``value`` holds the same; opaque objects are known by identity."""
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        return repr(value)
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), _digest(_bytes(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return str(value.dtype), value.shape, _digest(value.tobytes())
    if isinstance(value, torch.Generator):
        return _digest(_bytes(value.get_state()))
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if depth < _DEPTH and isinstance(value, dict):
        return [(_frozen(key, depth + 1), _frozen(each, depth + 1)) for key, each in list(value.items())]
    if depth < _DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        return [_frozen(each, depth + 1) for each in list(value)]
    return id(value)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
