"""The edition of a run: versions and sources of all code that decides its numbers.

Runs of two editions of a strategy are never paired, averaged, resumed or counted as one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from benchmark.results.records import RunHeader

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


def edition_of(header: RunHeader) -> Edition:
    """The edition that a run's header names."""
    return Edition(**{field.name: getattr(header, field.name) for field in fields(Edition)})
