"""The decorator that gives a strategy class its name, and the classes that have one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TypeVar

from strategies.api.strategy import Strategy

REGISTERED: dict[str, type[Strategy]] = {}  # by name, in the order of registration
S = TypeVar("S", bound=type[Strategy])


def register(name: str, *, group: str | tuple[str, ...], paper: str = "", version: int = 1) -> Callable[[S], S]:
    """Register a strategy class as ``name``, in one or more groups; ``paper`` is a key of strategies.bib.

    ``version`` counts from 1. Raise it with every change after which the strategy may choose other images, a changed
    default included: runs of another version are never mixed with its own.

    Raises ValueError where one of the suite's own has the name, and for a version that is no whole number from 1 on.
    """
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"strategy '{name}': version is a whole number from 1 on, not {version!r}")

    def enter(cls: S) -> S:
        holder = REGISTERED.get(name, cls)
        if holder.__module__.startswith("strategies.") and source_file(holder) != source_file(cls):
            raise ValueError(f"two strategies are named '{name}'")
        cls.name = name
        cls.groups = (group,) if isinstance(group, str) else tuple(group)
        cls.paper = paper
        cls.version = version
        cls.summary = first_line(cls)
        REGISTERED[name] = cls
        return cls

    return enter


def first_line(cls: type) -> str:
    """The first line of a class's docstring."""
    return (inspect.getdoc(cls) or "").split("\n")[0]


def source_file(cls: type) -> str | None:
    """The file that defines a class; None in an interactive session."""
    return getattr(sys.modules.get(cls.__module__), "__file__", None)
