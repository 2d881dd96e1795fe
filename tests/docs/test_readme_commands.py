"""The commands in README.md, run in a copy of the repository: they work and change no file that git tracks."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REAL_DATA = pytest.mark.skipif(
    not any((ROOT / "data" / name).exists() for name in ("MNIST/raw", "mnist.npz")), reason="MNIST is not there"
)


def command(*beginning: str) -> list[str]:
    """The README's command that begins so, in a block or a line of code, without its remark."""
    found = [
        words(line) for line in re.findall(r"(?:^|`|&& )\S*python (run_benchmark\.py[^`\n]*)", README, re.MULTILINE)
    ]
    (only,) = (line for line in found if (line[1 : len(beginning) + 1] if beginning else line[1:]) == [*beginning])
    return only


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working tree's files, and the real data outside of git's sight where there are any."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    folder = tmp_path_factory.mktemp("repository")
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", ":!data").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "All")
    if (ROOT / "data").exists():
        (folder / "data").mkdir()
        for path in (ROOT / "data").resolve().iterdir():
            (folder / "data" / path.name).symlink_to(path)
    return folder


def run(repository: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output; whatever the command does, git sees no change."""
    done = subprocess.run([sys.executable, *arguments], cwd=repository, check=False, capture_output=True, text=True)
    assert git(repository, "status", "--porcelain") == "", arguments
    return done.returncode, done.stderr + done.stdout


def test_the_first_command_writes_beside_the_published_results(repository: Path) -> None:
    """On fewer strategies, seeds and labels: .ci/run has the whole of it."""
    shorter = ["--strategies", "random", "margin", "--seeds", "0", "--budgets", "20", "40", "--workers", "1"]
    status, said = run(repository, *command(), *shorter)
    assert status == 0, said
    assert said.rstrip().endswith("runs, tables and figures are in results/own/digits")
    assert "results/own/digits/" in README
    assert (repository / "results" / "own" / "digits" / "tables" / "accuracy.tex").exists()
    assert (repository / "results" / "own" / "digits" / "runs" / "margin" / "supervised-seed0.jsonl").exists()


def test_a_published_report_is_written_again_elsewhere(repository: Path) -> None:
    status, said = run(repository, *command("--report"))
    assert status == 0, said
    own, published = (repository / "results" / name for name in ("own/mnist", "mnist"))
    tables = [path.name for path in (published / "tables").iterdir()]
    assert len(tables) > 10
    for name in tables:
        assert (own / "tables" / name).read_bytes() == (published / "tables" / name).read_bytes()
    assert not (own / "runs").exists()


@REAL_DATA
def test_a_strategy_of_ones_own_stands_beside_published_runs(repository: Path) -> None:
    """Stopped before the first training: the published runs are shown, the user's have begun nowhere."""
    (source,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    (repository / "mine.py").write_text(source)
    (repository / ".git" / "info" / "exclude").write_text("/mine.py\n")
    status, said = run(repository, *command("--strategies", "random"), "--time-limit", "0", "--workers", "1")
    assert status == 3, said
    assert "\n9 of 12 runs are published; computing the other 3\n" in f"\n{said}"  # behind what it was doing
    assert "badge" in said
    assert "repeat the command to go on" in said


@REAL_DATA
def test_verifying_published_runs_writes_nothing_here(repository: Path) -> None:
    status, said = run(repository, *command("--verify"), "--time-limit", "0", "--workers", "1")
    assert status == 3, said
    assert "runs in results/mnist again" in said
