"""Differences between the settings of two experiments: protocol, versions, devices, data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from benchmark.experiment.plain_data import with_defaults
from benchmark.experiment.protocol import Protocol
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.results.records import Experiment, RunHeader


def headers_say(headers: Iterable[RunHeader]) -> dict[str, str]:
    """Engine, versions, device, commit, data, sources of a user's own code; all values where the headers differ."""
    found: dict[str, dict[str, None]] = {}
    for header in headers:
        facts: dict[str, object] = {
            "engine": header.engine_version,
            **{f"version of {library}": version for library, version in header.environment.libraries.items()},
            "device": header.environment.device,
            "CPU capability": header.environment.cpu_capability,
            "threads": header.environment.num_threads,
            **{f"setting {name}": value for name, value in header.environment.switches.items()},
            "commit": header.commit or "unknown",
            "data": f"{header.dataset.name}, SHA-256 {header.dataset.sha256[:12]}",
        }
        sources = {
            f"source of {header.key.strategy}": header.strategy_source_sha256,
            f"source of the learner {header.key.learner}": header.learner_source_sha256,
            "source of the network": header.model_source_sha256,
        }
        facts |= {name: sha256[:12] for name, sha256 in sources.items() if sha256}
        for key, value in facts.items():
            found.setdefault(key, {})[str(value)] = None
    return {key: " / ".join(sorted(values)) for key, values in found.items()}


def versions_say(headers: Iterable[RunHeader]) -> dict[str, str]:
    """The versions of strategies and learners by name; of a name that reports show there is one."""
    found: dict[str, str] = {}
    for header in headers:
        found[f"version of {header.key.strategy}"] = str(header.strategy_version)
        found[f"version of the learner {header.key.learner}"] = str(header.learner_version)
    return found


def differing(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The fields whose values differ, with both values; – where one side does not have the field."""
    return [
        (key, first.get(key, MISSING.text), second.get(key, MISSING.text))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]


def settings_table(settings: list[tuple[str, str, str]], first: str, second: str) -> Table:
    """A table of the differences, a row per field."""
    return Table(
        data=pd.DataFrame(settings, columns=["field", "first", "second"]),
        header=["what differs", first, second],
        rows=[[Cell(text) for text in row] for row in settings],
        caption=f"{MISSING.text}: no such field, or not recorded there."
        if any(MISSING.text in row for row in settings)
        else "",
        text_columns=3,
    )


def protocol_fields(experiment: Experiment, left_out: Collection[str]) -> dict[str, str]:
    """The fields of an experiment's protocol by dotted name, those that its description lacks at their defaults."""
    protocol = with_defaults(Protocol, experiment.protocol)
    return _flat({key: value for key, value in protocol.items() if key not in left_out})


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: in_words(value)}
    return found


def in_words(value: Any) -> str:
    """A field's value as text; of a long list the first three items, the last and the number."""
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, list):
        texts = [str(item) for item in value]
        return " ".join(texts if len(texts) <= 6 else [*texts[:3], "…", texts[-1], f"({len(texts)})"])
    return str(value)
