"""The performance measurements still run, and end in a table: their smoke mode, on the cheap ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_smoke_mode_prints_a_row_for_each_measurement() -> None:
    command = [
        sys.executable,
        str(CHECKOUT / "tests" / "performance"),
        "--smoke",
        "training",
        "store",
        "queries",
        "augmentation",
    ]
    command += ["-k", "not resnet18 and not scaling"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    cells = {row[1].strip(): [cell.strip() for cell in row[2:-1]] for row in rows}
    assert cells.keys() >= {
        "training[mnist-cnn-0]",
        "training[compact-0]",
        "append_a_run",
        "badge[badge_materialised-40]",
        "flip_crop",
    }
    ours, baseline, ratio, goal = cells["training[mnist-cnn-0]"]
    assert "images/s" in ours
    assert "images/s" in baseline
    assert float(ratio.rstrip("×")) > 0
    assert goal.startswith("≥ 2.9×")
    assert cells["read_a_run"][1] == "–"
