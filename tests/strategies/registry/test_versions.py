"""Every strategy of the suite states the version of its method."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import strategies
from strategies.api import ScoreStrategy, register, registration
from strategies.registry import resolve
from strategies.registry.catalogue import CATALOGUE


def test_every_registered_strategy_states_its_version() -> None:
    silent, stated = [], 0
    for path in Path(strategies.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register":
                stated += 1
                if "version" not in [keyword.arg for keyword in node.keywords]:
                    silent.append(path.name)
    assert not silent
    assert stated == sum(not isinstance(entry, str) for entry in CATALOGUE)
    for name in (entry if isinstance(entry, str) else entry.name for entry in CATALOGUE):
        assert resolve(name).version >= 1


def test_a_wrapped_strategys_version_rises_with_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve("softrank:entropy").version == 1
    monkeypatch.setattr(resolve("entropy").cls, "version", 4)
    assert resolve("softrank:entropy").version == 4
    assert resolve("softrank:margin").version == 1


@pytest.mark.parametrize("version", [0, -1, True, 1.5, "2", None])
def test_a_version_counts_from_1(version: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "REGISTERED", dict(registration.REGISTERED))
    with pytest.raises(ValueError, match="version is a whole number from 1 on"):
        register("own", group="own", version=version)(ScoreStrategy)  # type: ignore[arg-type]
