"""What must hold of a strategy's declarations and of its choices, each mistake in one line."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from strategies.api.strategy import ScoreStrategy, Strategy

HOOKS = {  # what may stand in Strategy.hooks, and the methods that it stands for
    "attach": ("attach",),
    "after_training": ("after_training",),
    "hold_out": ("hold_out",),
    "state": ("state_dict", "load_state_dict"),
}


def declaration_error(strategy: Strategy) -> str:
    """What a class declares wrongly about itself, and what to change; empty where nothing is wrong."""
    cls = type(strategy)
    declared = frozenset(cls.hooks) | frozenset(strategy.hooks)
    if unknown := sorted(declared - HOOKS.keys()):
        return f"class {cls.__name__}: there is no hook '{unknown[0]}' (hooks are {', '.join(HOOKS)})"
    for hook, methods in HOOKS.items():
        overridden = [method for method in methods if getattr(cls, method) is not getattr(Strategy, method)]
        if overridden and hook not in declared:
            return f"class {cls.__name__} overrides {overridden[0]}: add '{hook}' to its hooks"
        if hook in declared and not overridden:
            return f"class {cls.__name__} has '{hook}' in its hooks: define {methods[0]}, or take '{hook}' out"
    accepted = inspect.signature(cls).parameters
    for preset, values in cls.presets.items():
        if unknown := sorted(values.keys() - accepted.keys()):
            return f"class {cls.__name__}: preset '{preset}' sets '{unknown[0]}', which its constructor does not take"
    if cls.presets and "preset" in accepted:
        return f"class {cls.__name__} has presets and a parameter 'preset': rename the parameter"
    if isinstance(strategy, ScoreStrategy) and _defines(cls, "select") < _defines(cls, "takes_top_scores"):
        return f"class {cls.__name__} overrides select: add takes_top_scores = False (or True, if it takes the highest)"
    return ""


def _defines(cls: type, name: str) -> int:
    """How far up ``cls`` inherits an attribute from: 0 for its own."""
    return next(level for level, base in enumerate(cls.__mro__) if name in base.__dict__)


def selection_error(positions: Any, n: int, size: int) -> str:
    """What is wrong with ``positions`` as ``select``'s choice of ``n`` images of ``size``; empty for a valid choice."""
    if not isinstance(positions, Tensor) or positions.dtype != torch.int64 or positions.shape != (n,):
        got = f"{positions.dtype} {tuple(positions.shape)}" if isinstance(positions, Tensor) else str(type(positions))
        return f"select must return an int64 tensor of shape ({n},), not {got}"
    if n and (positions.min() < 0 or positions.max() >= size):
        return (
            f"select returned {int(positions.min())}…{int(positions.max())}, but positions are 0…{size - 1}: "
            "return positions in the pool, not dataset indices"
        )
    if len(positions.unique()) < n:
        return f"select returned an image twice (n = {n} of {size})"
    return ""


def checked_notes(premises: Mapping[str, Any]) -> dict[str, float]:
    """What ``Pool.note`` takes, as numbers. Raises ValueError, in one line, for names or values that it refuses."""
    checked: dict[str, float] = {}
    for name, value in premises.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            raise ValueError(f"pool.note: name '{name}' is not lower-case letters, digits and underscores")
        try:
            checked[name] = float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"pool.note: {name} is not one number but {type(value).__name__}") from error
        if not math.isfinite(checked[name]):
            raise ValueError(f"pool.note: {name} is {checked[name]}: leave out what is not defined")
    return checked
