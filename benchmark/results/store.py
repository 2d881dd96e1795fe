"""Lines on disk: the only truth. A run is a file, a header line and then one line per round, each fsynced.

Knows files and locks; knows nothing of training. A later line of a round supersedes an earlier one; a torn last
line is dropped and its round computed again.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

FORMAT = 1
WORDS = ("description", "notes", "papers")  # what is said of a protocol: no number depends on it


class StoreError(ValueError):
    """Files that cannot be used as they are; the message is one line that says what to change."""


@dataclass
class RunRecord:
    """One run's lines: its header and its rounds, in order, each once."""

    header: dict[str, Any]
    rounds: list[dict[str, Any]]
    path: Path
    attempt: int

    @property
    def labels(self) -> list[int]:
        """Label counts of the rounds that are there."""
        return [r["labels"] for r in self.rounds]

    def covers(self, budgets: tuple[int, ...]) -> bool:
        """Whether all of ``budgets`` have been computed."""
        return self.labels[: len(budgets)] == list(budgets)


@dataclass
class Experiment:
    """A folder under ``results/``."""

    name: str
    fingerprint: str
    protocol: dict[str, Any]
    root: Path
    runs: list[RunRecord] = field(default_factory=list)


def read_experiment(root: Path) -> Experiment:
    """Read an experiment's description and all its runs. Raises StoreError where there is none."""
    description = read_description(root)
    if description is None:
        raise StoreError(f"{root} holds no experiment: there is no experiment.json in it")
    fingerprint = description["fingerprint"]
    return Experiment(root.resolve().name, fingerprint, description["protocol"], root, read_runs(root, fingerprint))


def read_runs(root: Path, fingerprint: str) -> list[RunRecord]:
    """All runs at ``root``, in the order of their paths. Raises StoreError for lines of another fingerprint."""
    paths = (p for p in sorted((root / "runs").glob("*/*.jsonl")) if not p.name.endswith(".epochs.jsonl"))
    records = [record for record in map(read_run, paths) if record is not None]
    for record in records:
        check_header(record, fingerprint=fingerprint)
    return records


def read_description(root: Path) -> dict[str, Any] | None:
    """experiment.json, or None where there is none."""
    path = root / "experiment.json"
    if not path.is_file():
        return None
    try:
        description = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}); delete it and run again") from error
    if not isinstance(description, dict) or not {"fingerprint", "protocol"} <= description.keys():
        raise StoreError(f"{path} describes no experiment; delete it and run again")
    return description


def write_description(root: Path, fingerprint: str, protocol: dict[str, Any]) -> None:
    """Write experiment.json, or check that the one there has the same fingerprint and bring it up to date.

    It takes in a longer ladder, and what is said of the protocol in words.
    """
    present = read_description(root)
    if present is not None:
        if present["fingerprint"] != fingerprint:
            raise StoreError(
                f"{root} holds lines of another fingerprint ({present['fingerprint'][:8]}, not {fingerprint[:8]}): "
                "choose another --name"
            )
        known = present["protocol"]
        words = {key: protocol[key] for key in WORDS if key in protocol}
        protocol = {**known, **words, "budgets": max(known["budgets"], protocol["budgets"], key=len)}
        if protocol == known:
            return
    root.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": root.resolve().name, "fingerprint": fingerprint, "protocol": protocol}, indent=2) + "\n"
    write_atomically(root / "experiment.json", text.encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    os.replace(partial, path)


def run_path(root: Path, strategy: str, learner: str, seed: int, attempt: int = 1) -> Path:
    """Where a run's lines lie; ``strategy`` and ``learner`` in canonical form."""
    suffix = "" if attempt == 1 else f".{attempt}"
    return root / "runs" / slug(strategy) / f"{slug(learner)}-seed{seed}{suffix}.jsonl"


def slug(canonical: str) -> str:
    """A canonical name as a path component: ``typiclust[neighbours=5]`` becomes ``typiclust-neighbours=5``."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", canonical).strip("-")


def attempts(root: Path, strategy: str, learner: str, seed: int) -> list[RunRecord]:
    """All recorded attempts at a run, oldest first."""
    first = run_path(root, strategy, learner, seed)
    found = []
    for path in first.parent.glob(f"{first.stem}*.jsonl"):
        match = re.fullmatch(re.escape(first.stem) + r"(?:\.(\d+))?\.jsonl", path.name)
        record = read_run(path) if match else None
        if record is not None:
            found.append(record)
    return sorted(found, key=lambda record: record.attempt)


def read_run(path: Path) -> RunRecord | None:
    """A run's lines; None for a file without a whole header. Raises StoreError for a damaged line in the middle."""
    lines = [line for line, _ in _whole_lines(path)]
    if not lines:
        return None
    if lines[0].get("kind") != "header" or lines[0].get("format") != FORMAT:
        raise StoreError(f"{path}: the first line is not a header of format {FORMAT}; move the file away")
    by_round = {line["round"]: line for line in lines[1:]}
    match = re.search(r"\.(\d+)\.jsonl$", path.name)
    rounds = [by_round[i] for i in sorted(by_round)]
    if [r["round"] for r in rounds] != list(range(len(rounds))):
        raise StoreError(f"{path}: a round is missing; move the file away and run again")
    return RunRecord(lines[0], rounds, path, int(match.group(1)) if match else 1)


def read_traces(path: Path) -> list[dict[str, Any]]:
    """The traces beside the run at ``path``, a line per epoch; none where it left none."""
    beside = _epochs(path)
    return [line for line, _ in _whole_lines(beside)] if beside.exists() else []


def read_examples(path: Path) -> dict[str, np.ndarray]:
    """The examples beside the run at ``path`` (see ``benchmark.loop.examples``); empty where it left none."""
    beside = _examples(path)
    if not beside.exists():
        return {}
    with np.load(beside, allow_pickle=False) as file:
        return dict(file)


def _epochs(path: Path) -> Path:
    return path.with_suffix(".epochs.jsonl")


def _examples(path: Path) -> Path:
    return path.with_suffix(".examples.npz")


def check_header(record: RunRecord, **expected: Any) -> None:
    """Raise StoreError where a header says otherwise than expected: lines of two experiments are never mixed."""
    for key, value in expected.items():
        if record.header.get(key) != value:
            raise StoreError(
                f"{record.path}: its {key} is {_short(record.header.get(key))}, not {_short(value)}; "
                "move the file away or choose another --name"
            )


class RunFile:
    """A run's file, open for appending by one process. Use as a context manager; holds the run's lock."""

    def __init__(self, path: Path, *, wait: bool) -> None:
        """Raises Busy at once when another process is at this run, unless ``wait``."""
        self.path = path
        self._wait = wait
        locks = path.parents[2] / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(locks / f"{path.parent.name}-{path.stem}.lock")

    def __enter__(self) -> RunFile:
        try:
            self._lock.acquire(timeout=-1 if self._wait else 0)
        except Timeout as error:
            raise Busy(str(self.path)) from error
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            end = max((end for _, end in _whole_lines(self.path)), default=0)
            if end < self.path.stat().st_size:
                os.truncate(self.path, end)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def append(self, line: dict[str, Any]) -> None:
        """Write one line and wait until it is on the disk."""
        data = (json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n").encode()
        with self.path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def append_traces(self, lines: list[dict[str, Any]]) -> None:
        """Write a training's traces beside the run, in ``…-seed<k>.epochs.jsonl``: a line per epoch, no truth."""
        if lines:
            text = "".join(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n" for line in lines)
            with self._traces.open("a") as file:
                file.write(text)

    def keep_traces(self, rounds: int) -> None:
        """Drop the traces of all but the first ``rounds`` rounds: the others are trained again."""
        if self._traces.exists():
            lines = [line for line, _ in _whole_lines(self._traces) if line["round"] < rounds]
            self._traces.unlink()
            self.append_traces(lines)

    def write_examples(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a few test images and what was predicted of them beside the run, in ``…-seed<k>.examples.npz``."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomically(_examples(self.path), buffer.getvalue())

    @property
    def _traces(self) -> Path:
        return _epochs(self.path)


class Busy(Exception):
    """Another process is computing this run."""


def _whole_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The file's whole lines with the offset behind each; a torn last one is left out."""
    data = path.read_bytes()
    start = 0
    while (newline := data.find(b"\n", start)) >= 0:
        try:
            line = json.loads(data[start:newline])
        except ValueError as error:
            if newline + 1 == len(data):
                return
            raise StoreError(f"{path}: damaged at byte {start}; move the file away and run again") from error
        start = newline + 1
        yield line, start


def _short(value: Any) -> str:
    text = str(value)
    return text[:8] if re.fullmatch("[0-9a-f]{64}", text) else f"'{text}'"
