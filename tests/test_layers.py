"""Imports point down: what the packages must not know of one another, read from every import in their source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPORTS = "benchmark.reports"
WRITERS = tuple(f"{REPORTS}.{module}" for module in ("report", "findings", "compare", "console"))
TRAINING = ("benchmark.training", "benchmark.models", "benchmark.active_learning", "benchmark.fitting")
INTERFACE = "strategies.base"  # what a network gives, and what a strategy brings into its training
UNKNOWN = {  # package or module: what it must not import
    "strategies": ("benchmark", "run_benchmark"),
    "benchmark": ("run_benchmark",),
    "benchmark.training": ("strategies", "benchmark.learners", "benchmark.grid", "benchmark.store", REPORTS),
    "benchmark.models": ("strategies", "benchmark.training", "benchmark.grid", "benchmark.store", REPORTS),
    "benchmark.learners": ("benchmark.grid", "benchmark.store", REPORTS),
    "benchmark.store": (*TRAINING, "benchmark.grid", REPORTS),
    REPORTS: (*TRAINING, "benchmark.executors", "benchmark.run"),
    f"{REPORTS}.statistics": (f"{REPORTS}.tables", f"{REPORTS}.figures", f"{REPORTS}.web", *WRITERS),
    f"{REPORTS}.tables": (f"{REPORTS}.figures", f"{REPORTS}.web", *WRITERS),
    f"{REPORTS}.figures": (f"{REPORTS}.tables", f"{REPORTS}.web", *WRITERS),
    f"{REPORTS}.web": WRITERS,
}


def imports(source: str) -> set[str]:
    """The modules that a source imports, wherever it does; but not for its type checker alone."""
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files(package: str) -> list[Path]:
    path = ROOT / package.replace(".", "/")
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@pytest.mark.parametrize("package", UNKNOWN)
def test_imports_point_down(package: str) -> None:
    sources = files(package)
    assert sources
    upwards = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources
        for module in sorted(imports(path.read_text(encoding="utf-8")))
        for above in UNKNOWN[package]
        if f"{module}.".startswith(f"{above}.") and not f"{module}.".startswith(f"{INTERFACE}.")
    ]
    assert not upwards


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "from typing import TYPE_CHECKING\nimport a.b as c\nif TYPE_CHECKING:\n    import unseen\n"
        "def f():\n    from d import e\n"
    )
    assert imports(source) == {"typing", "typing.TYPE_CHECKING", "a.b", "d", "d.e"}
