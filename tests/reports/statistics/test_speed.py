"""What a table says of timings does not depend on the process that writes it."""

from __future__ import annotations

import subprocess
import sys

from benchmark.reports.statistics.speed import told

SAID = """
from benchmark.reports.statistics.speed import told
print(told([f"reason {i % 7}" for i in range(14)]))
"""


def test_the_most_frequent_reasons_come_first_and_ties_are_alphabetical() -> None:
    assert told(["b", "a", "b"]) == "b; a"
    assert told(["b", "a"]) == told(["a", "b"]) == "a; b"
    assert told([]) == ""


def test_reasons_come_in_the_same_order_in_every_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", SAID],
            env={"PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in (1, 2, 3)
    }
    assert found == {"; ".join(f"reason {i}" for i in range(7)) + "\n"}
