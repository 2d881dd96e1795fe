"""What a header says of the checkout."""

import subprocess
from pathlib import Path

from benchmark.results import environment


def test_code_makes_a_commit_dirty_and_results_do_not(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) is None
    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/curves.csv"):
        (tmp_path / name).write_text("1")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    clean = environment.commit(tmp_path)
    assert clean is not None
    assert len(clean) >= 7
    (tmp_path / "results" / "curves.csv").write_text("2")
    (tmp_path / "untracked.py").write_text("3")
    assert environment.commit(tmp_path) == clean
    (tmp_path / "code.py").write_text("2")
    assert environment.commit(tmp_path) == f"{clean}-dirty"
