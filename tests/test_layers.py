"""Imports point down, read from every import in the source, those for the type checker included."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPORTS = "benchmark.reports"
ABOVE_RENDERING = (f"{REPORTS}.sections", f"{REPORTS}.report", f"{REPORTS}.comparison", f"{REPORTS}.across")
ABOVE_STATISTICS = (f"{REPORTS}.data", f"{REPORTS}.settings", f"{REPORTS}.rendering", *ABOVE_RENDERING)
FRONT_DOOR = ("run_benchmark", "benchmark.cli")
ENTRY = (*FRONT_DOOR, "benchmark.commands")
EXECUTION = ("benchmark.campaign", "benchmark.verification")
RUNS = (*EXECUTION, "benchmark.loop")
TRAINING = ("benchmark.learners", "benchmark.features", "benchmark.training")
DATA = ("benchmark.models", "benchmark.data")

# Package: what it must not import. What a package may import is what is left.
FORBIDDEN = {
    "strategies": ("benchmark", "run_benchmark", "tests"),
    "strategies.api": ("strategies.registry", "strategies.kernels", "strategies.components", "strategies.testing"),
    "strategies.kernels": ("strategies.registry", "strategies.components", "strategies.testing"),
    "strategies.components": ("strategies.registry", "strategies.testing"),
    "strategies.registry": ("strategies.testing",),
    "benchmark": ("run_benchmark", "tests"),
    "benchmark.experiment": (*ENTRY, *RUNS, *TRAINING, *DATA, REPORTS, "benchmark.results"),
    "benchmark.data": (*ENTRY, *RUNS, *TRAINING, "benchmark.models", REPORTS, "benchmark.results", "strategies"),
    "benchmark.models": (*ENTRY, *RUNS, *TRAINING, REPORTS, "benchmark.results"),
    "benchmark.training": (*ENTRY, *RUNS, "benchmark.learners", "benchmark.features", REPORTS, "benchmark.results"),
    "benchmark.features": (*ENTRY, *RUNS, "benchmark.learners", REPORTS),
    "benchmark.learners": (*ENTRY, *RUNS, "benchmark.features", REPORTS, "benchmark.results"),
    "benchmark.text": (
        *ENTRY,
        *RUNS,
        *TRAINING,
        *DATA,
        REPORTS,
        "benchmark.results",
        "benchmark.experiment",
        "strategies",
    ),
    "benchmark.results": (*ENTRY, *RUNS, *TRAINING, *DATA, REPORTS),
    "benchmark.loop": (*ENTRY, *EXECUTION, REPORTS),
    "benchmark.campaign": (*ENTRY, "benchmark.verification", REPORTS),
    "benchmark.verification": ENTRY,
    "benchmark.commands": FRONT_DOOR,
    REPORTS: (*ENTRY, *RUNS, *TRAINING, *DATA),
    # Within reports: words → statistics, provenance → data → settings → rendering → sections → report; comparison and
    # across stand beside.
    f"{REPORTS}.words": (f"{REPORTS}.statistics", f"{REPORTS}.provenance", *ABOVE_STATISTICS),
    f"{REPORTS}.statistics": (f"{REPORTS}.provenance", *ABOVE_STATISTICS),
    f"{REPORTS}.bibliography": (f"{REPORTS}.statistics", *ABOVE_STATISTICS),
    f"{REPORTS}.provenance": (f"{REPORTS}.statistics", *ABOVE_STATISTICS),
    f"{REPORTS}.data": (f"{REPORTS}.rendering", f"{REPORTS}.settings", *ABOVE_RENDERING),
    f"{REPORTS}.settings": (f"{REPORTS}.rendering", *ABOVE_RENDERING),
    f"{REPORTS}.rendering": ABOVE_RENDERING,
    f"{REPORTS}.rendering.tables": (f"{REPORTS}.data", f"{REPORTS}.rendering.figures", f"{REPORTS}.rendering.web"),
    f"{REPORTS}.rendering.figures": (f"{REPORTS}.data", f"{REPORTS}.rendering.tables", f"{REPORTS}.rendering.web"),
    f"{REPORTS}.sections": (f"{REPORTS}.report", f"{REPORTS}.comparison", f"{REPORTS}.across"),
    f"{REPORTS}.across": (f"{REPORTS}.sections", f"{REPORTS}.report", f"{REPORTS}.comparison"),
    f"{REPORTS}.comparison": (f"{REPORTS}.data", f"{REPORTS}.sections", f"{REPORTS}.report"),
}


def imports(source: str) -> set[str]:
    """The modules that a source imports, wherever it does, for its type checker alone included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
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


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_down(package: str) -> None:
    sources = files(package)
    assert sources
    upwards = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources
        for module in sorted(imports(path.read_text(encoding="utf-8")))
        for above in FORBIDDEN[package]
        if f"{module}.".startswith(f"{above}.")
    ]
    assert not upwards


def test_sections_know_nothing_of_one_another() -> None:
    sections = f"{REPORTS}.sections"
    for path in files(sections):
        if path.stem not in ("__init__", "section", "catalogue"):
            known = {module for module in imports(path.read_text(encoding="utf-8")) if module.startswith(sections)}
            assert all(module.startswith(f"{sections}.section") for module in known), (
                f"{path.name} imports {sorted(known)}"
            )


def test_every_package_has_its_place() -> None:
    packages = {f"benchmark.{path.parent.name}" for path in (ROOT / "benchmark").glob("*/__init__.py")}
    assert packages <= FORBIDDEN.keys()


def test_nothing_lies_loose_in_benchmark() -> None:
    assert {path.name for path in (ROOT / "benchmark").glob("*.py")} == {"__init__.py", "cli.py"}


def test_the_description_of_experiments_loads_no_engine() -> None:
    code = "import sys, benchmark.experiment; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    modules = loaded.stdout.split()
    assert not [
        module
        for module in modules
        if module.startswith(("torchvision", *(f"{package}." for package in (*RUNS, *TRAINING, *DATA))))
    ]


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "from typing import TYPE_CHECKING\nimport a.b as c\nif TYPE_CHECKING:\n    import typed\n"
        "def f():\n    from d import e\n"
    )
    assert imports(source) == {"typing", "typing.TYPE_CHECKING", "a.b", "typed", "d", "d.e"}
