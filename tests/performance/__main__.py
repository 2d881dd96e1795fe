"""All measurements in one table: ``python tests/performance``.

    python tests/performance                        # everything but the scaling to 1.28 M images
    python tests/performance training store         # test_training.py and test_store.py
    python tests/performance --write                # and the table into docs/performance/measurements.md
    PERF_SCALING=1280000 python tests/performance queries

Sizes and clock are set by the environment: see ``comparison.py`` and the head of each file. A goal that is missed is
marked in the table. The exit status is pytest's: not 0 where a measurement failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

from comparison import cells

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
TABLE = CHECKOUT / "docs" / "performance" / "measurements.md"
NAMES = sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python tests/performance", description="Measure, and print one table.", allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure, of {', '.join(NAMES)}; default all")
    parser.add_argument("-k", metavar="EXPRESSION", default="", help="only tests that match, as pytest's -k")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, which only show that everything runs")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(CHECKOUT)}")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in NAMES:
            parser.error(f"unknown measurement '{name}' (known: {', '.join(NAMES)})")
    if given.smoke and given.write:
        parser.error("--smoke measures nothing: leave out --write")
    # Started by a worker of pytest-xdist, pytest would take itself for one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
    environment |= {"PERF_SMOKE": "1"} if given.smoke else {}
    files = [str(HERE / f"test_{name}.py") for name in given.names or NAMES]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        options = ["-o", "addopts=", "-q", "-rs", "--benchmark-disable-gc", "--benchmark-columns=median"]
        command = [sys.executable, "-m", "pytest", *options, f"--benchmark-json={record}", "-k", given.k, *files]
        status = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode
        if not record.exists() or not record.stat().st_size:
            return status or 1  # nothing was measured, and pytest has said why
        measured = json.loads(record.read_text())
    conditions = "\n".join(f"- {line}" for line in measured["machine_info"]["conditions"])
    text = conditions + "\n\n" + table(measured["benchmarks"])
    print("\n" + text)
    if given.write and status == 0:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(HEAD + text + "\n", encoding="utf-8")
    return status


HEAD = """\
# Measurements

Written by `python tests/performance --write`; nothing here is typed by hand. Ours and the baseline took turns in one
run: the ratios are what to read, the absolute numbers are this machine's. Medians, ± half the range over the rounds.
What was measured, and against what, stands at the head of each test file in `tests/performance/`.

"""


def table(measured: list[dict[str, Any]]) -> str:
    """pytest-benchmark's records as a Markdown table for each file."""
    parts = []
    for file, records in groupby(measured, key=lambda record: record["fullname"].split("::")[0]):
        rows = [("measurement", "ours", "baseline", "ratio", "goal")]
        rows += [(record["name"].removeprefix("test_"), *cells(record["extra_info"])) for record in records]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        lines = [
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
        ]
        parts.append(f"## {Path(file).name}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
