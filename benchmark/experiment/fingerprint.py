"""The fingerprint of a protocol: a hash of everything that a round's numbers depend on.

It covers every field that is not declared an axis, so a field added later is covered without a change here. Fields at
their defaults are left out at every level, so that adding a field does not change the fingerprints of published runs.
The identity of the data is not part of it: the header of a run records it beside the fingerprint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from benchmark.experiment.dataset_name import canonical_name

# Fields of the protocol along which an experiment's runs differ, and words; everything else is covered.
AXES = {
    "name": "the folder's name",
    "strategies": "an axis of the grid",
    "learners": "an axis of the grid",
    "seeds": "an axis of the grid",
    "budgets": "where the budget schedule ends; its beginning is covered by `ladder`",
    "looks": "how often the results may be looked at before the seeds are final",
    "description": "words",
    "papers": "words",
    "notes": "words",
}
MODEL_VERSIONS = {"linear": 2}  # of models whose numbers have changed since the engine's last version; 1 for the rest
ALWAYS = ("dataset", "ladder", "model", "recipe", "features.parameters")  # covered at their defaults, too


def fingerprint(protocol: Any) -> str:
    """SHA-256, in hex, of the covered fields of a ``Protocol``."""
    covered = {
        field.name: _encoded(protocol, field.name)
        for field in dataclasses.fields(protocol)
        if field.name not in AXES and _is_covered(protocol, field, field.name)
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def default(field: dataclasses.Field[Any]) -> Any:
    """The default of a dataclass's field; ``dataclasses.MISSING`` where it has none."""
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _encoded(protocol: Any, name: str) -> Any:
    """How a field enters the hash."""
    value = getattr(protocol, name)
    if name == "dataset":
        return canonical_name(value)
    if name == "ladder":
        return beginning(value if continues(value, protocol.budgets) else protocol.budgets)
    if name == "model":
        version = MODEL_VERSIONS.get(value.name)
        return {"name": value.name, **value.parameters} | ({"version": version} if version else {})
    return _without_defaults(value, name)


def _is_covered(instance: Any, field: dataclasses.Field[Any], path: str) -> bool:
    return path in ALWAYS or getattr(instance, field.name) != default(field)


def _without_defaults(value: Any, path: str) -> Any:
    """A dataclass as a mapping of the fields that differ from their defaults; any other value as it is."""
    if not dataclasses.is_dataclass(value):
        return value
    return {
        field.name: _without_defaults(getattr(value, field.name), f"{path}.{field.name}")
        for field in dataclasses.fields(value)
        if _is_covered(value, field, f"{path}.{field.name}")
    }


def beginning(ladder: Sequence[int]) -> list[int]:
    """The shortest beginning that determines an evenly continued schedule: 20 40 60 … 300 becomes 20 40."""
    kept = list(ladder)
    while len(kept) > 2 and kept[-1] - kept[-2] == kept[-2] - kept[-3]:
        kept.pop()
    return kept


def continues(ladder: Sequence[int], budgets: Sequence[int]) -> bool:
    """Whether ``budgets`` is a beginning of ``ladder`` or extends it by its last step."""
    extended = list(ladder)
    while len(ladder) > 1 and len(extended) < len(budgets):
        extended.append(2 * extended[-1] - extended[-2])
    return list(budgets) == extended[: len(budgets)]
