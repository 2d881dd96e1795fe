"""Where a report of a selection may be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.reports.rendering.web.markup import OURS
from benchmark.results.errors import StoreError
from benchmark.results.layers import is_experiment

SELECTED = ("README.md", "index.html", "curves.csv")  # beside the folders of a report of one experiment
ACROSS = SELECTED[:2]  # and of several


def check_target(folder: Path, names: Sequence[str] = ()) -> None:
    """Raise StoreError unless ``folder`` can take a selection; it need not exist.

    Not an experiment's folder or one in it; and for files of these ``names`` no folder of experiments, which has an
    overview, nor one where they are not a report's.
    """
    path = Path(os.path.abspath(folder))
    if root := next((above for above in (path, *path.parents) if is_experiment(above)), None):
        what = "holds an experiment" if root == path else f"lies in the experiment {root.name}"
        raise StoreError(f"{folder} {what}: give the selection a folder of its own")
    if names and (inside := next((found for found in sorted(path.glob("*")) if is_experiment(found)), None)):
        raise StoreError(f"{folder} holds experiments, such as {inside.name}: give the selection a folder of its own")
    page = folder / "index.html"
    ours = page.is_file() and OURS in page.read_text(encoding="utf-8", errors="replace")
    foreign = [name for name in names if (folder / name).exists() and not ours]
    if foreign:
        raise StoreError(f"{folder / foreign[0]} is not from a report and would be overwritten: name another folder")
