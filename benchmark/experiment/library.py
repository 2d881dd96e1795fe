"""The protocols that come with the suite, and those read from a user's TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from benchmark.experiment.errors import ProtocolError
from benchmark.experiment.kinds import mistaken
from benchmark.experiment.protocol import Protocol, from_dict
from benchmark.experiment.suggestions import nearest


def names() -> tuple[str, ...]:
    """The protocols that come with the suite."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml")))


def load(name_or_path: str) -> Protocol:
    """A protocol by name, or from a TOML file. Raises ProtocolError for one that is unknown or malformed."""
    if name_or_path in names():
        data, name = (_folder() / f"{name_or_path}.toml").read_bytes(), name_or_path
    elif name_or_path.endswith(".toml") and Path(name_or_path).is_file():
        data, name = Path(name_or_path).read_bytes(), Path(name_or_path).stem
    else:
        if wrong := mistaken(name_or_path, "a protocol"):
            raise ProtocolError(wrong)
        if name_or_path.endswith(".toml"):
            raise ProtocolError(f"--protocol: there is no file {name_or_path}")
        near = nearest(name_or_path, names())
        raise ProtocolError(f"unknown protocol '{name_or_path}'{near} (--list shows all; or a .toml file)")
    try:
        return from_dict({"name": name, **_parsed(data)})
    except ProtocolError as error:
        raise ProtocolError(f"protocol {name_or_path}: {error}") from error


def experiment_name(protocol: Protocol) -> str:
    """The folder of a protocol's runs: its name if the fingerprint is the library's, else with eight digits of it."""
    return protocol.name if _original(protocol) is not None else f"{protocol.name}-{protocol.fingerprint[:8]}"


def as_published(protocol: Protocol) -> Protocol:
    """What experiment.json records: the library's protocol itself where ``protocol`` is a part or extension of it."""
    original = _original(protocol)
    if original is None:
        return protocol
    longer = len(protocol.budgets) > len(original.budgets)
    original = original.override(budgets=protocol.budgets) if longer else original
    return original.override(looks=protocol.looks) if protocol.looks > original.looks else original


def _original(protocol: Protocol) -> Protocol | None:
    """The library's protocol of that name, if it has the same fingerprint."""
    if protocol.name not in names():
        return None
    original = load(protocol.name)
    return original if original.fingerprint == protocol.fingerprint else None


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # a number of over 4,300 digits is a ValueError of Python's own
        raise ProtocolError(f"not TOML: {error}") from error


def _folder() -> Traversable:
    return resources.files("benchmark.experiment.protocols")
