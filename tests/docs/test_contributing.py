"""The examples in CONTRIBUTING.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from support.tiny import bench, run_lines

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


def test_the_learner_and_the_network_run(tmp_path: Path) -> None:
    learner, network = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(f"{learner}\n\n{network}")
    own = f"{tmp_path}/mine.py"
    asked = ("--learner", "supervised", f"{own}:Patient", "--model", f"{own}:Tiny[width=8,dropout=0.1]", "--seeds", "0")
    assert bench(tmp_path, *asked, "--strategies", "bald") == 0
    headers = [lines[0] for lines in run_lines(tmp_path).values()]
    assert sorted(header["key"]["learner"] for header in headers) == ["mine:Patient", "supervised"]
    assert all(header["model_source_sha256"] for header in headers)
