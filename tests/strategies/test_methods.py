"""A method is one file that knows tensors, the pool and the parts it is built from."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from strategies.registry.catalogue import CATALOGUE

FOLDER = Path(__file__).parents[2] / "strategies"
METHODS = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")
_MEMBERS = ("alfa_mix", "badge", "bait", "dropquery", "margin", "maxherding", "random", "typiclust")
COMPOSED = {  # methods made of others
    "tcm.py": {"strategies.margin", "strategies.typiclust"},
    "boss.py": {"strategies.coreset", *(f"strategies.{member}" for member in _MEMBERS)},
    "refine.py": {"strategies.uherding", *(f"strategies.{member}" for member in _MEMBERS)},
}


def imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_method_imports_the_api_and_shared_parts_alone(path: Path) -> None:
    own = {module for module in imported(path) if module.split(".")[0] in ("strategies", "benchmark")}
    shared = {module for module in own if module.startswith(("strategies.kernels.", "strategies.components."))}
    assert own - shared - {"strategies.api"} == COMPOSED.get(path.name, set())


def test_one_method_a_file() -> None:
    files = [cls.__module__.rpartition(".")[2] for cls in CATALOGUE if not isinstance(cls, str)]
    assert sorted(files) == [path.stem for path in METHODS]
