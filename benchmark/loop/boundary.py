"""The boundary around calls into strategies and learners: what they touch beyond their result is an error by name.

What is compared around each call: the state of the process (``strategies.api.process_state``), the weights of the
round's model, and what a plugin's modules and classes hold. The state of the process is put back, whatever a call does,
so a run that fails moves no number of the next one.

What this cannot see: code that ends the process (``os._exit``), replaces functions of PyTorch or of the suite, leaves
threads behind, writes through private attributes into the data, or keeps state in closures and ``functools.cache``.
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
from strategies.api.process_state import unchanged
from strategies.registry.sources import PREFIX

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_DEPTH = 6  # of nested containers that are looked into


class BoundaryError(ValueError):
    """A strategy or learner touched what is not its own; the message is one line that names it."""


class Boundary:
    """Calls into the objects ``called``, in messages ``who``; what the modules of plugins hold is watched too."""

    def __init__(self, who: str, *called: object) -> None:
        self._who, self._called = who, called

    @contextmanager
    def __call__(self, where: str, fitted: Predictor | None = None, *, attachment: bool = True) -> Iterator[None]:
        """Raise BoundaryError if the call ``where``, such as ``in select``, touches more than it may.

        ``fitted`` is the model that it must leave alone, its attachment only if ``attachment`` says so.
        """
        model = {} if fitted is None else _copied(_model_state(fitted, attachment))
        modules = _modules_of(self._called)
        held = _held_by(modules)
        try:
            with unchanged(self._who, where):
                yield
        except SystemExit as error:
            raise BoundaryError(f"{self._who} called sys.exit {where}: raise an error instead") from error
        if fitted is not None and not _same_state(model, _model_state(fitted, attachment)):
            raise BoundaryError(f"{self._who} changed the fitted model {where}: work on a copy")
        if changed := [part for part, value in _held_by(modules).items() if held.get(part) != value]:
            raise BoundaryError(
                f"{self._who} changed {changed[0][1]} {where}, which the next run would see: keep it in an attribute "
                "of the instance, and in state_dict from round to round"
            )


# --- the model


def _model_state(fitted: Predictor, attachment: bool) -> dict[str, Any]:
    """All parameters and buffers, and the modes of the network's modules.

    Those of the attachment's do not matter: every prediction sets them.
    """
    modules: dict[str, nn.Module] = {"network": fitted.network}
    if attachment and fitted.attachment is not None:
        modules["attachment"] = fitted.attachment
    state: dict[str, Any] = {"modes": [module.training for module in fitted.network.modules()]}
    for owner, module in modules.items():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            state[f"{owner}.{name}"] = tensor.detach()
    return state


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}


def _same_state(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return before.keys() == now.keys() and all(_same(before[name], now[name]) for name in before)


def _same(before: Any, now: Any) -> bool:
    """Equality, of tensors bit by bit: NaN equals itself."""
    if not isinstance(before, Tensor):
        return bool(before == now)
    kind = _SAME_SIZE[before.element_size()]
    return before.dtype == now.dtype and before.shape == now.shape and before.view(kind).equal(now.view(kind))


# --- what a plugin's modules and classes hold


def _modules_of(called: tuple[object, ...]) -> list[ModuleType]:
    """All modules of the plugins among ``called``, also where a wrapper is around one."""
    inside = [getattr(each, "inner", each) for each in called]
    names = [cls.__module__ for each in inside for cls in type(each).__mro__ if cls.__module__.startswith(PREFIX)]
    packages = tuple(dict.fromkeys(f"{name.partition('.')[0]}." for name in names))
    if not packages:
        return []
    return [module for name, module in list(sys.modules.items()) if name.startswith(packages)]


def _held_by(modules: list[ModuleType]) -> dict[tuple[str, str], Any]:
    """What the globals of ``modules`` and the attributes of their classes hold, comparable, by module and name."""
    held: dict[tuple[str, str], Any] = {}
    for module in modules:
        for name, value in list(vars(module).items()):
            own_class = isinstance(value, type) and value.__module__ == module.__name__
            parts = {f"{name}.{key}": each for key, each in vars(value).items()} if own_class else {name: value}
            for part, each in parts.items():
                if not part.endswith("__") and not isinstance(each, ModuleType):
                    held[module.__name__, part] = _frozen(each)
    return held


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
