"""Which modules a plugin's source is, how they are loaded, and how two sources of one name are told apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from strategies import SpecError, resolve
from strategies.api import registration
from strategies.registry import expand
from strategies.registry.sources import PREFIX
from strategies.testing import SyntheticPool

MINE = (
    "from strategies import ScoreStrategy\n{}\n\nclass Mine(ScoreStrategy):\n    def score(self, pool):\n        {}\n"
)
HELPER = "def column(pool):\n    return pool.probs[:, {}]\n"
BESIDE = MINE.format("from helper import column", "return column(pool)")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registration, "REGISTERED", dict(registration.REGISTERED))


def write(folder: Path, **files: str) -> Path:
    """Modules in a folder, by their names; ``package__module`` lies in a package."""
    for name, source in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        if "__" in name:
            (path.parent / "__init__.py").touch()
    return folder


def chosen(text: str) -> list[int]:
    return resolve(text).build().select(SyntheticPool.draw(), 10, torch.Generator()).tolist()


def column(number: int) -> list[int]:
    return torch.sort(SyntheticPool.draw().probs[:, number], descending=True, stable=True).indices[:10].tolist()


IMPORTS = {
    "beside": {"mine": BESIDE, "helper": HELPER},
    "as a module": {"mine": MINE.format("import helper", "return helper.column(pool)"), "helper": HELPER},
    "in a function": {
        "mine": MINE.format("", "from helper import column\n        return column(pool)"),
        "helper": HELPER,
    },
    "through another": {"mine": BESIDE, "helper": "from deep import column\n", "deep": HELPER},
    "from a package beside": {
        "mine": MINE.format("import tools.columns", "return tools.columns.column(pool)"),
        "tools__columns": HELPER,
    },
    "for a name in a package beside": {
        "mine": MINE.format("from tools import columns as c", "return c.column(pool)"),
        "tools__columns": HELPER,
    },
    "relative without a package": {
        "mine": MINE.format("from .helper import column", "return column(pool)"),
        "helper": HELPER,
    },
    "under the name of one of Python's": {
        "mine": MINE.format("from random import column", "return column(pool)"),
        "random": HELPER,
    },
    "in a cycle": {"mine": BESIDE, "helper": "import mine\n" + HELPER},
}


@pytest.mark.parametrize("how", IMPORTS)
def test_what_a_plugin_imports_is_found_and_belongs_to_its_source(tmp_path: Path, how: str) -> None:
    *_, changed = IMPORTS[how]
    write(tmp_path, **{name: source.format(1) for name, source in IMPORTS[how].items()})
    before = resolve(f"{tmp_path}/mine.py:Mine")
    assert before.canonical == "mine:Mine"
    assert chosen(f"{tmp_path}/mine.py:Mine") == column(1)
    write(tmp_path, **{changed: IMPORTS[how][changed].format(2)})  # of the same length, in the same second
    after = resolve(f"{tmp_path}/mine.py:Mine")
    assert after.source_sha256 != before.source_sha256
    assert chosen(f"{tmp_path}/mine.py:Mine") == column(2)
    assert before.build().select(SyntheticPool.draw(), 10, torch.Generator()).tolist() == column(1)


@pytest.mark.parametrize("typed", ["{}/pkg_of_mine/deep/mine.py:Mine", "pkg_of_mine.deep.mine:Mine"])
def test_relative_imports_in_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    write(
        tmp_path,
        pkg_of_mine__base="SHIFT = 1\n",
        pkg_of_mine__deep__helper=HELPER.format("SHIFT").replace("def", "from ..base import SHIFT\ndef"),
        pkg_of_mine__deep__mine=MINE.format("from .helper import column", "return column(pool)"),
    )
    monkeypatch.chdir(tmp_path)
    spec = resolve(typed.format(tmp_path))
    assert spec.canonical == "pkg_of_mine.deep.mine:Mine"
    assert chosen(typed.format(tmp_path)) == column(1)
    write(tmp_path, pkg_of_mine__base="SHIFT = 2\n")
    assert resolve(typed.format(tmp_path)).source_sha256 != spec.source_sha256
    assert chosen(typed.format(tmp_path)) == column(2)
    (tmp_path / "pkg_of_mine" / "__init__.py").write_text("# read by every import of what is in it")
    assert len({spec.source_sha256, resolve(typed.format(tmp_path)).source_sha256}) == 2


def test_a_package_without_init_is_found_by_its_modules_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, mine=BESIDE, helper=HELPER.format(3))
    space = tmp_path / "space_of_mine"
    space.mkdir()
    (space / "own.py").write_text("from .base import Base\nclass Own(Base):\n    pass\n")
    (space / "base.py").write_text(BESIDE.replace("Mine", "Base"))
    monkeypatch.chdir(tmp_path)
    spec = resolve("space_of_mine.own:Own")
    assert chosen("space_of_mine.own:Own") == column(3)
    assert resolve(spec.reference) == spec


def test_the_checksum_knows_contents_and_names_but_no_folder(tmp_path: Path) -> None:
    write(tmp_path / "a", mine=BESIDE, helper=HELPER.format(1), unused="1 / 0")
    shutil.copytree(tmp_path / "a", tmp_path / "far" / "away")
    first, second = (resolve(f"{tmp_path / place}/mine.py:Mine") for place in ("a", "far/away"))
    assert first.source_sha256 == second.source_sha256
    write(tmp_path / "a", unused="")
    assert resolve(f"{tmp_path}/a/mine.py:Mine").source_sha256 == first.source_sha256
    (tmp_path / "a" / "helper.py").rename(tmp_path / "a" / "assist.py")
    write(tmp_path / "a", mine=BESIDE.replace("helper", "assist"))
    assert resolve(f"{tmp_path}/a/mine.py:Mine").source_sha256 != first.source_sha256


def test_a_helper_elsewhere_on_the_path_belongs_to_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", mine=BESIDE.replace("helper", "helper_on_the_path"))
    write(tmp_path / "lib", helper_on_the_path=HELPER.format(1))
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    before = resolve(f"{tmp_path}/a/mine.py:Mine").source_sha256
    write(tmp_path / "lib", helper_on_the_path=HELPER.format(2))
    assert resolve(f"{tmp_path}/a/mine.py:Mine").source_sha256 != before
    assert chosen(f"{tmp_path}/a/mine.py:Mine") == column(2)


def test_what_the_checksum_cannot_follow_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "lib", helper_of_nobody=HELPER.format(1))
    own = f"import sys\nsys.path.insert(0, {str(tmp_path / 'lib')!r})\nfrom helper_of_nobody import column"
    write(tmp_path, mine=MINE.format(own, "return column(pool)"), other="")
    with pytest.raises(SpecError, match="'helper_of_nobody' is imported in a way that its checksum cannot follow"):
        resolve(f"{tmp_path}/mine.py:Mine")
    sys.path.remove(str(tmp_path / "lib"))
    write(tmp_path, mine=MINE.format("column = __import__('oth' + 'er')", "return 0"))
    with pytest.raises(SpecError, match="write 'import other'"):
        resolve(f"{tmp_path}/mine.py:Mine")


def test_no_name_of_a_plugins_modules_is_left_where_others_find_it(tmp_path: Path) -> None:
    write(tmp_path, mine=BESIDE, helper=HELPER.format(1))
    before = set(sys.modules)
    resolve(f"{tmp_path}/mine.py:Mine")
    new = set(sys.modules) - before
    assert new
    assert all(name.startswith(PREFIX) for name in new)
    write(tmp_path, helper="import absent_package")
    with pytest.raises(SpecError) as caught:
        resolve(f"{tmp_path}/mine.py:Mine")
    assert str(caught.value).endswith("does not import: ModuleNotFoundError: No module named 'absent_package'")
    assert set(sys.modules) - before == new


# --- two sources of one name


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two folders with a ``mine.py`` of the same text, whose helpers differ."""
    for folder, number in (("a", 1), ("b", 2)):
        write(tmp_path / folder, mine=BESIDE, helper=HELPER.format(number))
    return tmp_path


def canonical(*texts: str) -> list[str]:
    return [spec.canonical for spec, _ in expand(texts)]


def test_two_files_of_one_name_are_two_strategies(two: Path) -> None:
    a, b = f"{two}/a/mine.py:Mine", f"{two}/b/mine.py:Mine"
    assert canonical(a) == canonical(b) == ["mine:Mine"]
    assert canonical(a, b) == ["a/mine:Mine", "b/mine:Mine"]
    assert canonical(b, "margin", a) == ["b/mine:Mine", "margin", "a/mine:Mine"]
    assert canonical(a, a) == ["mine:Mine"]
    assert canonical(a, f"power[beta=2]:{b}") == ["a/mine:Mine", "power[beta=2.0]:b/mine:Mine"]
    assert chosen(a) == column(1)
    assert chosen(b) == column(2)
    for spec, _ in expand([a, f"softmax:{b}"]):
        assert resolve(spec.reference).source_sha256 == spec.source_sha256


def test_the_same_content_in_two_folders_is_one_strategy(two: Path) -> None:
    write(two / "b", helper=HELPER.format(1))
    assert canonical(f"{two}/a/mine.py:Mine", f"{two}/b/mine.py:Mine") == ["mine:Mine"]


def test_as_much_of_the_path_as_tells_folders_apart(two: Path) -> None:
    for outer in ("x", "y"):
        shutil.copytree(two / "a", two / outer / "same")
        write(two / outer / "same", helper=HELPER.format(len(outer) + ord(outer) % 5))
    texts = [f"{two}/{outer}/same/mine.py:Mine" for outer in ("x", "y")]
    assert canonical(*texts) == ["x/same/mine:Mine", "y/same/mine:Mine"]


def test_two_files_that_register_one_name(two: Path) -> None:
    for folder in ("a", "b"):
        source = BESIDE.replace("ScoreStrategy\n", "ScoreStrategy, register\n", 1)
        write(two / folder, mine=source.replace("class", "@register('own', group='mine', version=3)\nclass"))
    a, b = f"{two}/a/mine.py:Mine", f"{two}/b/mine.py:Mine"
    assert canonical(a, b) == ["a/own", "b/own"]
    assert (chosen(a), chosen(b), chosen(a)) == (column(1), column(2), column(1))
    assert resolve(a).version == 3
    assert resolve(f"power:{a}").version == 3


def test_two_classes_of_one_name_in_one_folder(tmp_path: Path) -> None:
    source = "from strategies import ScoreStrategy\nclass {}(ScoreStrategy):\n    name = 'own'\n"
    write(tmp_path, one=source.format("One"), two=source.format("Two"))
    with pytest.raises(SpecError, match=r"two classes in .* are named 'own': give one of them another name"):
        expand([f"{tmp_path}/one.py:One", f"{tmp_path}/two.py:Two"])


def test_another_process_finds_the_same_source(two: Path) -> None:
    """From another directory, without what this process has on its path."""
    spec = resolve(f"power:{two}/a/mine.py:Mine")
    code = f"from strategies import resolve; print(resolve({spec.reference!r}).source_sha256)"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        cwd=two,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == spec.source_sha256
