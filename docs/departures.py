"""The table of departures: where a strategy's bare name is not its paper's or its authors' code, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from strategies.api import Strategy
from strategies.registry import Spec, parameter_defaults, presets_of

ABOUT = """\
## Departures

A strategy's bare name is its authors' method, except where this table says what differs, and why. In the column
`authors` a value printed as code is what `name[preset=authors]` sets; what is said in words no parameter of ours
reproduces, and the preset departs there as the bare name does. The table compares what is selected, not how the network
is trained, which is the protocol's. Nothing is known to us in which these depart from their papers and their authors'
public code: {same}.
"""


class Row(NamedTuple):
    """One departure of a strategy, or of a wrapper as ``power:X``, all as Markdown."""

    name: str  # or several, separated by commas
    what: str
    theirs: str
    ours: str
    why: str


def section(specs: Iterable[Spec]) -> str:
    """The section of docs/strategies.md, for all strategies that the page lists. Raises ValueError as ``rows`` does."""
    by_name = {_shown(spec): rows(_shown(spec), spec.cls) for spec in specs if spec.cls.paper}
    same = ", ".join(name for name, found in by_name.items() if not found)
    names: dict[tuple[str, ...], list[str]] = {}  # of strategies that share a departure word for word
    for name, *told in (row for found in by_name.values() for row in found):
        names.setdefault(tuple(told), []).append(name)
    lines = ["| strategy | what | authors | ours | why |", "| :-- | :-- | :-- | :-- | :-- |"]
    lines += ["| " + " | ".join(Row(", ".join(those), *told)) + " |" for told, those in names.items()]
    return ABOUT.format(same=same) + "\n" + "\n".join(lines) + "\n"


def rows(name: str, cls: type[Strategy]) -> list[Row]:
    """The departures of a strategy with a paper, in the order of its declaration.

    Raises ValueError for a parameter whose default differs from the preset ``authors`` or that it does not set, unless
    one departure says why; for a departure of a parameter that does not differ; and for one without a reason or sides.
    """
    defaults, authors = parameter_defaults(cls), presets_of(cls).get("authors", {})
    differing = {key for key, value in defaults.items() if key not in authors or authors[key] != value}
    told = [departure.what for departure in cls.departures]
    for key in defaults:
        if told.count(key) != (key in differing):
            what = "departs without a reason" if key in differing else "does not depart"
            raise ValueError(f"{name}: {key} {what}, and has {told.count(key)} departures")
    found = []
    for what, why, theirs, ours in cls.departures:
        if what in authors:
            if theirs or ours:
                raise ValueError(f"{name}: both sides of {what} are known from the preset and the default")
            what, theirs, ours = f"`{what}`", f"`{authors[what]}`", f"`{defaults[what]}`"
        if not all((what, why, theirs, ours)):
            raise ValueError(f"{name}: the departure '{what}' lacks a side or a reason")
        found.append(Row(name, f"`{what}`" if what in defaults else what, theirs, ours, why))
    return found


def _shown(spec: Spec) -> str:
    return f"{spec.wrapper}:X" if spec.wrapper else spec.name
