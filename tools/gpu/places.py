"""What the parts of the kit have in common: where things lie, and what campaigns compute."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import run_benchmark
from benchmark.campaign.request import requested
from benchmark.experiment.library import experiment_name

ROOT = Path(__file__).resolve().parents[2]
REHEARSAL = "rehearsal"  # the results folder of a rehearsal
MADE_UP = "data/rehearsal.npz"
MEASURED = "docs/performance/gpu.jsonl"  # what ``first`` appends to
MEASURED_IN_REHEARSAL = f"{REHEARSAL}/gpu.jsonl"
FAILURES = "failures.jsonl"
_REQUESTS = Path(__file__).with_name("requests.toml")


def requests(rehearsal: bool, path: Path = _REQUESTS) -> list[list[str]]:
    """The arguments of each request in the list, in its order."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))
    return [shlex.split(entry["arguments"]) for entry in listed["rehearsal" if rehearsal else "request"]]


def experiments_asked_for(rehearsal: bool) -> list[str]:
    """The names of the experiments that the requests are for."""
    asked = [run_benchmark.parser().parse_args(words) for words in requests(rehearsal)]
    return list(dict.fromkeys(one.name or experiment_name(requested(one)) for one in asked))


def kept(experiment: Path) -> Iterator[Path]:
    """The records of an experiment, in the order of their paths: what cannot be derived from other files."""
    found = [experiment / "experiment.json", experiment / FAILURES, *(experiment / "runs").glob("*/*")]
    return (path for path in sorted(found) if path.is_file() and not path.name.startswith("."))
