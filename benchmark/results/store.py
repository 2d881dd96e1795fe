"""Finding and reading experiments and runs. Knows files; knows nothing of training.

A run is a file of lines (see ``lines``). A later line of a round supersedes an earlier one; a torn last line is left
out, and its round computed again.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.experiment.keys import RunKey
from benchmark.results import lines
from benchmark.results.atomic import write_atomically
from benchmark.results.errors import StoreError
from benchmark.results.paths import attempt_of, attempt_paths, examples_path, run_paths, traces_path
from benchmark.results.records import (
    ExamplesRecord,
    Experiment,
    ExperimentDescription,
    RoundRecord,
    RunHeader,
    RunRecord,
    TraceRecord,
)

WORDS = ("description", "notes", "papers")  # fields of a protocol that no number depends on


def read_experiment(root: Path) -> Experiment:
    """Read an experiment's description and all its runs. Raises StoreError where there is none."""
    description = read_description(root)
    if description is None:
        raise StoreError(f"{root} holds no experiment: there is no experiment.json in it")
    runs = read_runs(root, description.fingerprint)
    return Experiment(
        name=root.resolve().name,
        results_version=description.results_version,
        fingerprint=description.fingerprint,
        protocol=description.protocol,
        root=root,
        runs=tuple(runs),
    )


def read_runs(root: Path, fingerprint: str) -> list[RunRecord]:
    """All runs at ``root``, in the order of their paths. Raises StoreError for lines of another fingerprint."""
    records = [record for record in map(read_run, run_paths(root)) if record is not None]
    for record in records:
        check_fingerprint(record, fingerprint)
    return records


def attempts(root: Path, key: RunKey) -> list[RunRecord]:
    """All recorded attempts at a run, oldest first. Raises StoreError where a file holds another run's lines."""
    records = [record for record in map(read_run, attempt_paths(root, key)) if record is not None]
    for record in records:
        if record.key != key:
            raise StoreError(
                f"{record.path}: it holds '{record.key}', not '{key}'; move the file away or choose another --name"
            )
    return records


def check_fingerprint(record: RunRecord, fingerprint: str) -> None:
    """Raise StoreError for a run of another fingerprint: lines of two experiments are never mixed."""
    found = record.header.fingerprint
    if found != fingerprint:
        raise StoreError(
            f"{record.path}: its fingerprint is {found[:8]}, not {fingerprint[:8]}; "
            "move the file away or choose another --name"
        )


def read_run(path: Path) -> RunRecord | None:
    """A run's lines; None for a file without a whole header. Raises StoreError where a line is damaged or missing."""
    whole = lines.whole_lines(path)
    if not whole:
        return None
    header = lines.read_header(path, whole[0])
    by_round = {record.round: record for record in (lines.read_round(path, line) for line in whole[1:])}
    rounds = tuple(by_round[number] for number in sorted(by_round))
    _check_rounds(path, header, rounds)
    return RunRecord(header, rounds, path, attempt_of(path))


def _check_rounds(path: Path, header: RunHeader, rounds: tuple[RoundRecord, ...]) -> None:
    """Raise StoreError unless every round is there and trains on what was acquired before it."""
    count = len(header.initial.acquired_indices)
    for number, record in enumerate(rounds):
        if record.round != number:
            raise StoreError(f"{path}: round {number} is missing; move the file away and run again")
        if record.num_labelled != count:
            raise StoreError(
                f"{path}: round {number} has num_labelled {record.num_labelled}, but {count} labels were acquired "
                "before it; move the file away and run again"
            )
        count += len(record.acquired_indices)


def read_traces(path: Path) -> list[TraceRecord]:
    """The traces beside the run at ``path``, in the order of the trainings; none where it left none."""
    beside = traces_path(path)
    if not beside.exists():
        return []
    return [lines.read_trace(beside, line) for line in lines.whole_lines(beside)]


def read_examples(path: Path) -> ExamplesRecord | None:
    """The examples beside the run at ``path``; None where it left none. Raises StoreError for a damaged file."""
    beside = examples_path(path)
    if not beside.exists():
        return None
    try:
        with np.load(beside, allow_pickle=False) as file:
            return ExamplesRecord(**file)
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{beside}: {error}; delete it".replace("\n", " ")) from error


def read_description(root: Path) -> ExperimentDescription | None:
    """experiment.json, or None where there is none. Raises StoreError for a damaged one."""
    path = root / "experiment.json"
    return lines.read_description_bytes(path, path.read_bytes()) if path.is_file() else None


def check_description(root: Path, fingerprint: str) -> ExperimentDescription | None:
    """experiment.json, or None where there is none. Raises StoreError if it has another fingerprint."""
    present = read_description(root)
    if present is not None and present.fingerprint != fingerprint:
        raise StoreError(
            f"{root} holds lines of another fingerprint ({present.fingerprint[:8]}, not {fingerprint[:8]}): "
            "choose another --name"
        )
    return present


def write_description(root: Path, fingerprint: str, protocol: Mapping[str, Any]) -> None:
    """Write experiment.json, or check that the one there has the same fingerprint and bring it up to date.

    It takes in a longer budget schedule and the protocol's description, notes and papers.
    """
    present = check_description(root, fingerprint)
    if present is None:
        new = ExperimentDescription(root.resolve().name, None, fingerprint, protocol)
    else:
        known = present.protocol
        words = {key: protocol[key] for key in WORDS if key in protocol}
        longest = max(known["budgets"], protocol["budgets"], key=len)
        new = replace(present, protocol={**known, **words, "budgets": longest})
        if new == present:
            return
    root.mkdir(parents=True, exist_ok=True)
    write_atomically(root / "experiment.json", lines.description_bytes(new))
