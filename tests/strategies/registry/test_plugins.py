"""Strategies from elsewhere: classes in files, modules and installed packages."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmark.campaign import preflight as checks
from benchmark.experiment import Protocol, ProtocolError, load
from strategies import registry
from strategies.api import ScoreStrategy, registration
from strategies.registry import SpecError, resolve
from strategies.testing import SyntheticPool

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = """\
from strategies import ScoreStrategy

class Mine(ScoreStrategy):
    '''Mine, in one line.

    And more.
    '''
    def __init__(self, power: float = 1.0, kind: str = "a"):
        if power <= 0:
            raise ValueError("power must be positive")
        self.power, self.kind = power, kind

    def score(self, pool):
        return pool.probs[:, 0] ** self.power

class Needy(ScoreStrategy):
    def __init__(self, required):
        self.required = required

Other = 3
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registration, "REGISTERED", dict(registration.REGISTERED))


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def message(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_class_in_a_file(plugin: Path) -> None:
    spec = resolve(f"{plugin}:Mine[power=2]")
    assert spec.canonical == "mine:Mine[power=2.0]"
    assert spec.cls.summary == "Mine, in one line."
    assert issubclass(spec.cls, ScoreStrategy)
    assert spec.build().power == 2  # type: ignore[attr-defined]
    assert resolve(spec.reference) == spec
    assert resolve(f"{plugin}:Mine[kind=a,power=1.0]").canonical == "mine:Mine"


def test_a_class_in_a_file_inside_a_wrapper(plugin: Path) -> None:
    bare, spec = resolve(f"{plugin}:Mine[power=2]"), resolve(f"power[beta=3]:{plugin}:Mine[power=2]")
    assert spec.canonical == "power[beta=3.0]:mine:Mine[power=2.0]"
    assert spec.source_sha256 == bare.source_sha256
    assert spec.build().inner.power == 2  # type: ignore[attr-defined]
    assert spec.reference == f"power[beta=3.0]:{plugin}:Mine[power=2.0]"
    assert resolve(spec.reference) == spec


def test_a_relative_file_is_found_from_anywhere(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plugin.parent)
    spec = resolve("mine.py:Mine")
    monkeypatch.chdir("/")
    assert resolve(spec.reference) == spec


def test_another_source_is_another_hash_and_another_class(plugin: Path) -> None:
    before = resolve(f"{plugin}:Mine")
    assert resolve(f"{plugin}:Mine").source_sha256 == before.source_sha256
    plugin.write_text(PLUGIN.replace("[:, 0]", "[:, 1]"))
    after = resolve(f"{plugin}:Mine")
    assert after.canonical == before.canonical
    assert after.source_sha256 != before.source_sha256
    pool = SyntheticPool.draw()
    chosen = [spec.build().select(pool, 40, torch.Generator()).tolist() for spec in (before, after)]
    assert chosen[0] != chosen[1]


def registering(name: str) -> str:
    return PLUGIN.replace("ScoreStrategy", "ScoreStrategy, register", 1).replace(
        "class Mine", f'@register("{name}", group="mine")\nclass Mine'
    )


def test_a_registered_plugin_keeps_its_name(plugin: Path) -> None:
    plugin.write_text(registering("my-own"))
    spec = resolve(f"{plugin}:Mine[power=3]")
    assert spec.canonical == "my-own[power=3.0]"
    assert spec.source_sha256
    assert resolve(spec.reference) == spec
    assert resolve("my-own[power=3]") == spec  # once it is known


def test_a_plugin_does_not_take_the_place_of_another(plugin: Path) -> None:
    plugin.write_text(registering("margin"))
    assert "two strategies are named 'margin'" in message(f"{plugin}:Mine")


def test_a_class_in_a_package_with_relative_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acquisitions_of_a_friend"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text(PLUGIN)
    (package / "own.py").write_text("from .base import Mine as Base\nclass Own(Base):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = resolve("acquisitions_of_a_friend.own:Own[power=2]")
    assert spec.canonical == "acquisitions_of_a_friend.own:Own[power=2.0]"
    assert resolve(spec.reference) == spec


def install(folder: Path, module: str, source: str, entry: str) -> None:
    """What pip leaves of a package of one module with an entry point."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[acqbench.strategies]\n{entry}\n")


@pytest.mark.parametrize("decorated", [False, True])
def test_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decorated: bool) -> None:
    module = f"acquisitions_installed_{decorated}"
    install(tmp_path, module, registering("friendly") if decorated else PLUGIN, f"friendly = {module}:Mine")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.installed()["friendly"] == f"{module}:Mine"
    assert module not in sys.modules
    first = resolve("friendly[power=2]")
    assert first.canonical == "friendly[power=2.0]"
    assert first.source_sha256
    for again in (resolve("friendly[power=2]"), resolve(first.reference)):
        assert (again.canonical, again.source_sha256, again.cls) == (first.canonical, first.source_sha256, first.cls)
    wrapped = resolve("softrank:friendly[power=2]")
    assert wrapped.canonical == "softrank:friendly[power=2.0]"
    assert wrapped.source_sha256 == first.source_sha256
    assert resolve(wrapped.reference).cls is wrapped.cls


def test_an_entry_point_that_is_no_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acquisitions_misnamed", PLUGIN, "unfriendly = acquisitions_misnamed:Other")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert message("unfriendly") == (
        "strategy 'unfriendly': its entry point acquisitions_misnamed:Other is no Strategy class"
    )
    assert "did you mean unfriendly" in message("unfrendly")


def test_plugins_that_cannot_be_had(plugin: Path) -> None:
    assert "there is no file" in message(f"{plugin.parent}/absent.py:Mine")
    assert "has no Strategy class 'Mina': did you mean Mine" in message(f"{plugin}:Mina")
    assert "has no Strategy class 'Other'" in message(f"{plugin}:Other")
    assert "has no parameter 'pwr': did you mean power? (it has: power, kind)" in message(f"{plugin}:Mine[pwr=1]")
    assert "power must be positive" in message(f"{plugin}:Mine[power=-1]")
    assert "required" in message(f"{plugin}:Needy")
    assert "does not import: ModuleNotFoundError: No module named 'absent_package'" in message("absent_package:Mine")
    assert "sys is not a module with a source file" in message("sys:Mine")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import absent_package", "ModuleNotFoundError: No module named 'absent_package'"),
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit('no')", "SystemExit: no"),
    ],
)
def test_plugins_that_do_not_import(plugin: Path, source: str, reason: str) -> None:
    plugin.write_text(source)
    for _ in range(2):  # a failed import leaves nothing behind
        assert f"does not import: {reason}" in message(f"{plugin}:Mine")


# --- what a strategy says that it can choose


LIMITED = "from strategies import ScoreStrategy, register\n\n\n@register('limited', group='mine')\n" + (
    "class Limited(ScoreStrategy):\n    max_batch = 20\n    cold_start = True\n\n"
    "    def score(self, pool):\n        return pool.probs[:, 0]\n"
)


def left(protocol: Protocol, *strategies: str) -> tuple[list[str], str]:
    """What of the strategies runs, and what is said of the others."""
    console = Console(width=200)
    with console.capture() as said:
        specs = checks.runnable(protocol.override(strategies=strategies), console)
    return [spec.canonical for spec in specs], said.get()


@pytest.mark.parametrize("named", ["limited", "power:limited", "{}:Limited"])
def test_a_purchase_above_the_largest_one(plugin: Path, named: str) -> None:
    plugin.write_text(f"# {named}\n{LIMITED}")  # a source that was imported before is not imported again
    resolve(f"{plugin}:Limited")
    named = named.format(plugin)
    fits = load("digits").override(budgets=(100, 120, 130))
    assert left(fits, named)[1] == ""
    obstacle = "it queries at most 20 images at a time and the largest batch is 21 (take smaller steps in --budgets)"
    above = fits.override(budgets=(10, 20, 41))
    assert left(above, "mine", "random") == (["random"], f"left out: limited: {obstacle}\n")
    with pytest.raises(ProtocolError) as caught:
        left(above, named)
    assert str(caught.value).endswith(f"limited' cannot run here: {obstacle}")
    with pytest.raises(ProtocolError, match="the largest batch is 100"):
        left(fits.override(initial="strategy"), named)  # it then chooses the first labels as well


# --- the template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/acqbench-plugin, installed by pip from a copy; what pip made is in ``installed``."""
    if missing := [tool for tool in ("pip", "setuptools") if importlib.util.find_spec(tool) is None]:
        pytest.skip(f"installing a package needs {' and '.join(missing)}")
    folder = tmp_path_factory.mktemp("template") / "acqbench-plugin"
    shutil.copytree(ROOT / "examples" / "acqbench-plugin", folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(folder / "installed"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_template_installs_and_is_found_by_its_entry_point(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(template / "installed"))
    spec = resolve("power:information-density[beta=0.5]")
    assert spec.canonical == "power:information-density[beta=0.5]"
    assert spec.inner is not None
    assert spec.inner.cls.__module__.endswith(".information_density")
    assert spec.source_sha256


def test_the_template_passes_its_own_tests(template: Path) -> None:
    path = os.pathsep.join([str(template / "installed"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests"],
        cwd=template,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
