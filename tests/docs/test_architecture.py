"""The documentation leads somewhere: paths and links exist, and README.md stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".md", ".toml", ".bib", ".cff", ".json", ".tex", ".csv", ".npz")
PATH = re.compile(r"`([\w.<>*/-]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, *(ROOT / name for name in ("docs", "examples", "tests", "tools", "benchmark", "strategies")))
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)


def paths(text: str) -> list[str]:
    """The paths in backticks, such as ``docs/results.md``, ``benchmark/`` or ``strategies/<method>.py``."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    named = PATH.findall(outside)
    return [path for path in named if "/" in path or (path.endswith(SUFFIXES) and path not in SUFFIXES)]


def exists(path: str) -> bool:
    """Whether ``path`` is in the repository, or in the folder of every published experiment; <…> stands for a name."""
    if path.startswith("results/own/"):  # ignored by git: there once something ran
        return True
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    experiments = [found.parent for found in (ROOT / "results").glob("*/experiment.json")]
    return any(ROOT.glob(pattern)) or all(any(folder.glob(pattern)) for folder in experiments)


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_path_exists(page: str) -> None:
    named = paths((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    assert not [path for path in named if not exists(path)]


def test_a_path_that_leads_nowhere_is_found() -> None:
    text = "`benchmark/nothing.py`, `docs/<page>.md`, `tables/summary.tex` and `all`\n```\n`no/path`\n```\n"
    assert [path for path in paths(text) if not exists(path)] == ["benchmark/nothing.py"]


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    broken = []
    for link in LINK.findall(text):
        target, _, anchor = link.partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        if target and not (ROOT / page).parent.joinpath(target).exists():
            broken.append(link)
        if not target and anchor not in anchors:
            broken.append(link)
    assert not broken


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_every_package_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [*(ROOT / "benchmark").glob("*/__init__.py"), *(ROOT / "strategies").glob("*/__init__.py")]
    assert not [room for room in rooms if f"\n| `{room.parent.relative_to(ROOT).as_posix()}/`" not in text]
