"""What is not installed on the machine is imported from the wheels that were carried along."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import util
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HIDDEN = "filelock"  # pure Python, which all the tools need
HIDE = f"""\
import sys
from importlib.machinery import PathFinder


class Hiding:  # finds the package in wheels alone
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != {HIDDEN!r}:
            return None
        spec = PathFinder.find_spec(name, [entry for entry in sys.path if entry.endswith(".whl")])
        if spec is None:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return spec


sys.meta_path.insert(0, Hiding)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kit in a checkout, for Pythons in which the package is not installed."""
    root = tmp_path_factory.mktemp("machine")
    (root / "work" / "wheels").mkdir(parents=True)
    shutil.copytree(CHECKOUT / "tools", root / "work" / "tools")
    for name in ("benchmark", "strategies", "run_benchmark.py"):
        (root / "work" / name).symlink_to(CHECKOUT / name)
    (root / "hiding").mkdir()
    (root / "hiding" / "sitecustomize.py").write_text(HIDE)
    return root


def run(machine: Path, tool: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(machine / "hiding"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(machine / "work" / "tools" / "gpu" / tool), "--help"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tool", ["first.py", "campaign.py", "collect.py"])
def test_the_tools_import_from_wheels(machine: Path, tool: str) -> None:
    wheel = machine / "work" / "wheels" / f"{HIDDEN}-3.12-py3-none-any.whl"
    wheel.unlink(missing_ok=True)
    assert f"No module named '{HIDDEN}'" in run(machine, tool).stderr
    found = util.find_spec(HIDDEN)
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in package.rglob("*.py"):
            archive.write(path, path.relative_to(package.parent))
    done = run(machine, tool)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {tool}")
