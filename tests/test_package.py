"""The built wheel, installed and used away from the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmark.experiment import library

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmark", "strategies")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy so that the checkout stays as it is."""
    missing = [tool for tool in ("pip", "setuptools") if importlib.util.find_spec(tool) is None]
    if missing:
        pytest.skip(f"building a wheel needs {' and '.join(missing)}")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    everywhere = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")

    def left_out(folder: str, names: list[str]) -> set[str]:
        top = {"data", "cache", "results"} if Path(folder) == ROOT else set()
        return set(everywhere(folder, names)) | (top & set(names))

    shutil.copytree(ROOT, source, ignore=left_out)
    (source / "results" / "digits").mkdir(parents=True)
    (source / "results" / "digits" / "__init__.py").touch()  # would tempt a search for packages
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    command = build if importlib.util.find_spec("build") else [*pip, "--wheel-dir", str(folder), str(source)]
    call(command, folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    target = wheel.parent / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    call([*pip, "--target", str(target), str(wheel)], wheel.parent)
    return target


def call(command: list[str], folder: Path, **environment: str) -> str:
    """What the command printed; run in ``folder`` without the checkout on the path."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=variables | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        described = archive.read(metadata).decode()
    expected = {"run_benchmark.py"}
    for package in PACKAGES:
        files = (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        expected |= {path.relative_to(ROOT).as_posix() for path in files}
    assert names == expected
    assert f"benchmark/experiment/protocols/{library.names()[0]}.toml" in names
    assert "Name: acqbench\n" in described
    assert "License-File: LICENSE\n" in described


def test_the_console_command_lists_everything(installed: Path, tmp_path: Path) -> None:
    listed = call([str(installed / "bin" / "acqbench"), "--list"], tmp_path, PYTHONPATH=str(installed))
    named = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert set(library.names()) | {"random", "badge", "supervised", "mnist", "resnet18"} <= named


def test_it_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from strategies import ScoreStrategy\n\n\nclass Mine(ScoreStrategy):\n"
        "    def score(self, pool):\n        return pool.probs[:, 0]\n"
    )
    command = [sys.executable, "-m", "run_benchmark", "--strategies", "random", "mine:Mine", "--budgets", "20", "40"]
    command += ["--seeds", "0", "--workers", "1", "--device", "cpu", "--set", "recipe.min_steps=2"]
    call(command, tmp_path, PYTHONPATH=str(installed))
    (root,) = (path for path in (tmp_path / "results").iterdir() if path.is_dir())
    (path,) = root.glob("runs/mine-Mine*/supervised-seed0.jsonl")
    lines = path.read_text().splitlines()
    header = json.loads(lines[0])
    assert len(lines) == 3
    assert header["commit"] is None
    assert len(header["strategy_source_sha256"]) == 64
    assert {"README.md", "curves.csv", "figures", "tables"} <= {path.name for path in root.iterdir()}


def test_no_two_test_files_have_the_same_name() -> None:
    """Pytest imports them by their names, without their folders."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py") if "performance" not in path.parts]
    assert len(names) == len(set(names))
