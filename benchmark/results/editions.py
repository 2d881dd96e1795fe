"""The edition of a run: versions and sources of all code that decides its numbers.

Runs of two editions of a strategy are never paired, averaged, resumed or counted as one. A report shows one edition of
each; an older one is a row of its own where it is named: ``margin@1`` is version 1 of margin, ``mine:Mine@1a2b3c4d``
the source whose checksum begins so, ``margin@engine1`` what version 1 of the engine computed. Learners likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

from benchmark.results.records import RunHeader

_NAMED = re.compile(r"(.+)@(?:engine(\d{1,9})|(\d{1,7})|([0-9a-f]{8,64}))")
_LABELLED = re.compile(r"(.+) \((?:engine version (\d+)|version (\d+)|source ([0-9a-f]{8}))\)", re.DOTALL)
_OWNERS = {"strategy": "plugin", "learner": "learner", "model": "network"}


@dataclass(frozen=True)
class Edition:
    """Versions count from 1; sources are checksums, None for what is the suite's own. The fields are a header's."""

    engine_version: int
    strategy_version: int
    learner_version: int
    strategy_source_sha256: str | None
    learner_source_sha256: str | None
    model_source_sha256: str | None

    def change_since(self, other: Edition) -> str:
        """What of ``other`` is not of this edition, for a note; empty where both are the same."""
        for field in fields(self):
            if getattr(self, field.name) != getattr(other, field.name):
                what, kind = field.name.split("_")[:2]
                if kind == "source":
                    return f"the {_OWNERS[what]}'s source has changed"
                old, new = getattr(other, field.name), getattr(self, field.name)
                return f"computed by version {old} of the {what}, which is at {new}"
        return ""


_parts_of = attrgetter(*(field.name for field in fields(Edition)))


def edition_of(header: RunHeader) -> Edition:
    """The edition that a run's header names."""
    return Edition(*_parts_of(header))


class Named(NamedTuple):
    """A strategy or learner as a user asks for it: with one of ``engine``, ``version`` and ``source``, or none."""

    name: str
    engine: int | None = None
    version: int | None = None
    source: str | None = None

    @property
    def label(self) -> str:
        """What its row is called."""
        if self.engine is not None:
            return f"{self.name} (engine version {self.engine})"
        if self.version is not None:
            return f"{self.name} (version {self.version})"
        return self.name if self.source is None else f"{self.name} (source {self.source[:8]})"

    @property
    def text(self) -> str:
        """As a command takes it: what ``named`` reads."""
        edition = self.source if self.version is None else self.version
        edition = edition if self.engine is None else f"engine{self.engine}"
        return self.name if edition is None else f"{self.name}@{edition}"

    def fits(self, version: int, source: str | None) -> bool:
        """Whether it names this version and source."""
        return version == self.version or (self.source is not None and (source or "").startswith(self.source))


def named(text: str) -> Named:
    """What ``name``, ``name@version``, ``name@source`` or ``name@engineN`` asks for."""
    match = _NAMED.fullmatch(text)
    if match is None:
        return Named(text)
    return _of(match)


def labelled(label: str) -> Named:
    """What the row that is called ``label`` shows: see ``Named.label``."""
    match = _LABELLED.fullmatch(label)
    return Named(label) if match is None else _of(match)


def base_name(label: str) -> str:
    """The name of the strategy or learner, of whichever edition, whose row is called ``label``."""
    return labelled(label).name


def _of(match: re.Match[str]) -> Named:
    name, engine, version, source = match.groups()
    return Named(name, int(engine) if engine else None, int(version) if version else None, source)


def older(texts: Iterable[str] | None) -> tuple[list[str], list[str]]:
    """The texts that name the present edition, and those that name an older one."""
    found: tuple[list[str], list[str]] = ([], [])
    for text in texts or ():
        found[named(text) != Named(text)].append(text)
    return found
