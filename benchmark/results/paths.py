"""Where a run's files lie."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.experiment.keys import RunKey

TRACES = ".epochs.jsonl"
EXAMPLES = ".examples.npz"


def run_path(root: Path, key: RunKey, attempt: int = 1) -> Path:
    """The file of a run's lines in the experiment's folder ``root``."""
    suffix = "" if attempt == 1 else f".{attempt}"
    return root / "runs" / slug(key.strategy) / f"{slug(key.learner)}-seed{key.seed}{suffix}.jsonl"


def slug(canonical: str) -> str:
    """A canonical name as a path component: ``typiclust[neighbours=5]`` becomes ``typiclust-neighbours=5``."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", canonical).strip("-") or "_"


def run_paths(root: Path) -> list[Path]:
    """The files of all runs in the experiment's folder ``root``, sorted."""
    return [path for path in sorted((root / "runs").glob("*/*.jsonl")) if not path.name.endswith(TRACES)]


def attempt_paths(root: Path, key: RunKey) -> list[Path]:
    """The files of all attempts at a run, in the order of their numbers."""
    first = run_path(root, key)
    pattern = re.escape(first.stem) + r"(?:\.\d+)?\.jsonl"
    found = [path for path in first.parent.glob(f"{first.stem}*.jsonl") if re.fullmatch(pattern, path.name)]
    return sorted(found, key=attempt_of)


def attempt_of(path: Path) -> int:
    """The attempt's number that stands in the name of a run's file."""
    match = re.search(r"\.(\d+)\.jsonl$", path.name)
    return int(match.group(1)) if match else 1


def traces_path(run: Path) -> Path:
    """The traces of a run's trainings, beside its lines."""
    return run.with_suffix(TRACES)


def examples_path(run: Path) -> Path:
    """The test images with predictions, beside a run's lines."""
    return run.with_suffix(EXAMPLES)
