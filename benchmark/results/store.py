"""Finding and reading experiments and runs. Knows files; knows nothing of training.

A run is a file of lines (see ``lines`` and ``run_lines``). A torn last line is left out, and its round computed again;
a file that is damaged is left out, and its run computed again in another file.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.experiment.keys import RunKey
from benchmark.results import failures, index, lines, seal
from benchmark.results.atomic import write_atomically
from benchmark.results.compact import PackedRuns
from benchmark.results.errors import Damaged, StoreError
from benchmark.results.foreign import LARGEST, content
from benchmark.results.paths import (
    attempt_of,
    attempt_paths,
    belongs_to,
    examples_path,
    last_attempts,
    one_run,
    run_names,
    run_paths,
    traces_path,
)
from benchmark.results.records import (
    DatasetRecord,
    ExamplesRecord,
    Experiment,
    ExperimentDescription,
    RunRecord,
    RunSummary,
    TraceRecord,
)
from benchmark.results.run_lines import read_run_lines, take_run_lines

WORDS = ("description", "notes", "papers")  # fields of a protocol that no number depends on


def read_experiment(root: Path) -> Experiment:
    """Read an experiment's description and all its runs. Raises StoreError where there is none.

    What is damaged is left out, with a line each in ``left_out``.
    """
    description = read_description(root)
    if description is None:
        raise StoreError(f"{root} holds no experiment: there is no experiment.json in it")
    runs, notes = find_runs(root, description.fingerprint)
    if broken := seal.broken(root):
        count = "1 file that was sealed is" if len(broken) == 1 else f"{len(broken)} files that were sealed are"
        notes.append(f"{root.resolve().name}: {count} missing or changed; --doctor {root} shows all problems")
    recorded, problems = failures.read(root)
    notes += [f"left out: {failures.NAME}: {problem}" for problem in problems]
    return Experiment(
        name=root.resolve().name,
        results_version=description.results_version,
        fingerprint=description.fingerprint,
        protocol=description.protocol,
        root=root,
        runs=runs,
        left_out=tuple(notes),
        failures=tuple(failures.open_failures(recorded, runs)),
    )


def summaries(root: Path, fingerprint: str | None = None) -> Iterator[RunSummary]:
    """The runs at ``root`` that can be used, in the order of their paths, without their measures.

    Those of the experiment with this fingerprint; None for all whose lines are not damaged.
    """
    for path in run_paths(root):
        with contextlib.suppress(Damaged):
            run = read_summary(path)
            if run is not None:
                if fingerprint is not None:
                    check_place(run, root, fingerprint)
                yield run


def datasets(root: Path, fingerprint: str) -> Iterator[DatasetRecord]:
    """The data of each run of the experiment with this fingerprint at ``root``, of those that can be used."""
    kept = index.kept()
    for path in run_paths(root):
        if kept is not None and (dataset := kept.dataset_of(path, fingerprint)) is not None:
            yield dataset
            continue
        with contextlib.suppress(Damaged):
            run = read_summary(path)
            if run is not None:
                check_place(run, root, fingerprint)
                yield run.header.dataset


def some_runs(root: Path, fingerprint: str, most: int = 8) -> Iterator[RunRecord]:
    """At most so many runs of each strategy and learner among those at ``root`` that can be used."""
    for folder, names in run_names(root):
        counts: Counter[str] = Counter()
        for name in names:
            kind = name.rpartition("-seed")[0]
            if counts[kind] == most:
                continue
            with contextlib.suppress(Damaged):
                record = read_run(folder / name)
                if record is not None:
                    check_place(record, root, fingerprint)
                    counts[kind] += 1
                    yield record


def find_runs(root: Path, fingerprint: str) -> tuple[PackedRuns, list[str]]:
    """All runs at ``root``, in the order of their paths, and one line for each file that is left out.

    Left out are damaged files, those with another run than their name says, and those of another fingerprint. For how
    the runs are kept in little memory, see ``compact``.
    """
    found = PackedRuns()
    damages: list[tuple[Damaged, Path | None]] = []  # with the run that is lost, if one is
    usable: list[Path] = []
    for path in run_paths(root):
        try:
            record = read_run(path)
            if record is not None:
                check_place(record, root, fingerprint)
                found.add(record)
                usable.append(path)
        except Damaged as damage:
            damages.append((damage, path))
            continue
        for read_beside in (read_traces, read_examples):
            try:
                read_beside(path)
            except Damaged as damage:
                damages.append((damage, None))
    last = last_attempts(usable) if damages else {}
    return found, [left_out(root, damage, last.get(one_run(run), 0) if run else 0) for damage, run in damages]


def attempts(root: Path, key: RunKey, fingerprint: str) -> tuple[list[RunSummary], dict[int, str]]:
    """All recorded attempts at a run, oldest first; and what is wrong with those left out, by their numbers."""
    found, notes = [], {}
    for path in attempt_paths(root, key):
        try:
            record = read_summary(path)
            if record is not None:
                check_place(record, root, fingerprint, key)
                found.append(record)
        except Damaged as damage:
            notes[attempt_of(path)] = left_out(root, damage)
    return found, notes


def check_place(record: RunRecord | RunSummary, root: Path, fingerprint: str, key: RunKey | None = None) -> None:
    """Raise Damaged for a run that its file does not belong to: another's, by its name, or another experiment's.

    ``key`` is that of the name where it is known.
    """
    if key not in (None, record.key):
        raise Damaged(record.path, f"it holds '{record.key}', not '{key}'")
    if not belongs_to(record.path, root, record.key, record.attempt):
        raise Damaged(record.path, f"it holds '{record.key}', which belongs in another file")
    if record.header.fingerprint != fingerprint:
        raise Damaged(record.path, f"its fingerprint is {record.header.fingerprint[:8]}, not {fingerprint[:8]}")
    if (kept := index.kept()) is not None:
        kept.set_usable(record.path, record.header)


def left_out(root: Path, damage: Damaged, last: int = 0) -> str:
    """What reports and campaigns say of a file of the experiment at ``root`` that they leave out.

    ``last`` is the last attempt at its run that can be used, 0 for none.
    """
    replaced = last > attempt_of(damage.path)
    advice = f"attempt {last} replaces it: delete the file" if replaced else f"--doctor {root} shows all problems"
    return f"left out: {damage.path.relative_to(root)}: {damage.problem}; {advice}"


def read_run(path: Path) -> RunRecord | None:
    """A run's lines; None for a file without a whole header. Raises Damaged where a line is damaged or missing."""
    taken = read_run_lines(path)
    if taken.header is None:
        return None
    return RunRecord(taken.header, tuple(taken.rounds), path, attempt_of(path))


def read_summary(path: Path) -> RunSummary | None:
    """As ``read_run``, without the measures, from the index of the cache where the file has not changed since."""
    kept = index.kept()
    if kept is None:
        record = read_run(path)
        return None if record is None else RunSummary(record.extent, path, record.attempt)
    digest = kept.digest_of(path)
    if digest is not None and (extent := kept.get(digest)) is not None:
        return RunSummary(extent, path, attempt_of(path))
    data, digest = kept.content_of(path)
    extent = kept.get(digest)
    if extent is None:
        taken = take_run_lines(path, data)
        if taken.header is None:
            return None
        extent = RunRecord(taken.header, tuple(taken.rounds), path).extent
        kept.put(digest, extent)
    return RunSummary(extent, path, attempt_of(path))


def read_traces(path: Path) -> list[TraceRecord]:
    """The traces beside the run at ``path``, in the order of the trainings; none where it left none.

    Raises Damaged for a damaged file.
    """
    beside = traces_path(path)
    if not os.path.lexists(beside):
        return []
    return [lines.read_record(beside, line, TraceRecord) for line in lines.whole_lines(beside)]


def read_examples(path: Path) -> ExamplesRecord | None:
    """The examples beside the run at ``path``; None where it left none. Raises Damaged for a damaged file.

    Every array is read to its end, where its CRC is compared: what a flipped byte leaves unnoticed is none of them.
    """
    beside = examples_path(path)
    if not os.path.lexists(beside):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content(beside))) as archive:
            if (size := sum(member.file_size for member in archive.infolist())) > LARGEST:
                raise ValueError(f"it would take {size / 2**20:,.0f} MiB")
            arrays = {name.removesuffix(".npy"): io.BytesIO(archive.read(name)) for name in archive.namelist()}
        return ExamplesRecord(**{name: np.load(data, allow_pickle=False) for name, data in arrays.items()})
    except Exception as error:  # zipfile, zlib and NumPy raise anything for bytes that make no sense
        raise Damaged(beside, f"it is no archive of examples ({' '.join(str(error).split())})") from error


def undamaged_traces(path: Path) -> list[TraceRecord]:
    """Those of ``read_traces``; none of a damaged file, which ``find_runs`` names."""
    try:
        return read_traces(path)
    except Damaged:
        return []


def undamaged_examples(path: Path) -> ExamplesRecord | None:
    """Those of ``read_examples``; None of a damaged file, which ``find_runs`` names."""
    try:
        return read_examples(path)
    except Damaged:
        return None


def read_description(root: Path) -> ExperimentDescription | None:
    """experiment.json, or None where there is none. Raises StoreError for a damaged one."""
    path = root / "experiment.json"
    return lines.read_description_bytes(path, content(path)) if path.is_file() else None


def check_description(root: Path, fingerprint: str) -> ExperimentDescription | None:
    """experiment.json, or None where there is none. Raises StoreError where it, or a run without it, is another's."""
    present = read_description(root)
    known = [run.header.fingerprint for run in summaries(root)] if present is None else [present.fingerprint]
    for found in known:
        if found != fingerprint:
            raise StoreError(
                f"{root} holds lines of another fingerprint ({found[:8]}, not {fingerprint[:8]}): choose another --name"
            )
    return present


def write_description(root: Path, fingerprint: str, protocol: Mapping[str, Any]) -> None:
    """Write experiment.json, or check that the one there has the same fingerprint and bring it up to date.

    It takes in a longer budget schedule, a larger number of looks and the protocol's description, notes and papers.
    """
    present = check_description(root, fingerprint)
    if present is None:
        new = ExperimentDescription(root.resolve().name, None, fingerprint, protocol)
    else:
        known = present.protocol
        words = {key: protocol[key] for key in WORDS if key in protocol}
        longest = max(known["budgets"], protocol["budgets"], key=len)
        looks = max(known.get("looks", 1), protocol.get("looks", 1))
        once_more = {"looks": looks} if looks > 1 else {}
        new = replace(present, protocol={**known, **words, **once_more, "budgets": longest})
        if new == present:
            return
    root.mkdir(parents=True, exist_ok=True)
    write_atomically(root / "experiment.json", lines.description_bytes(new))
