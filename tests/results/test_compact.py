"""Runs in little memory: the same records as those on disk, in a part of the space."""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from support.report_lines import header_of, round_of, write_experiment, write_lines

from benchmark.experiment.keys import RunKey
from benchmark.results import compact, store
from benchmark.results.compact import PackedRounds, PackedRuns, Spool
from benchmark.results.paths import run_path, run_paths
from benchmark.results.records import LabelsRecord, RoundRecord, RunHeader, RunRecord, Seconds


def drawn_round(number: int, rng: np.random.Generator) -> RoundRecord:
    """A round with all that a line can have, of odd values."""
    counts = rng.multinomial(1000, rng.dirichlet(np.ones(15)))
    correct, confidence = rng.binomial(counts, 0.6), rng.random(15)
    bins = tuple((int(n), float(c), int(k)) for n, c, k in zip(counts, confidence, correct, strict=True))
    accuracy = sum(k for _, _, k in bins) / 1000
    return round_of(
        number,
        20 + 20 * number,
        20,
        accuracy=accuracy,
        nll=float(rng.exponential()),
        ece=sum(abs(n * c - k) for n, c, k in bins) / 1000,
        bins=bins,
        class_accuracy=(accuracy - 0.1, None, *(accuracy + 0.1 * rng.random(8) - 0.05).tolist(), accuracy + 0.1),
        checkpoint_accuracies=tuple(rng.random(5).tolist()),
        seconds=Seconds(*rng.random(3).tolist()),
        calibration_seconds=None if number % 2 else float(rng.random()),
        acquired_labels=tuple(rng.integers(0, 11, 20).tolist()),
        held_out_indices=(3, 1),
        diagnostics={"größe": -0.0, "acquisition.margin_overlap": float(rng.random())} if number else {},
    )


def written(root: Path, seeds: int) -> Path:
    write_experiment(root)
    for seed in range(seeds):
        for strategy in ("random", "margin"):
            rng = np.random.default_rng([seed, len(strategy)])
            key = RunKey(strategy, "supervised", seed)
            write_lines(run_path(root, key), header_of(key), [drawn_round(number, rng) for number in range(10)])
    return root


def unpacked(root: Path) -> list[RunRecord | None]:
    return [store.read_run(path) for path in run_paths(root)]


def test_an_experiment_has_the_records_that_are_on_disk(tmp_path: Path) -> None:
    root = written(tmp_path / "mnist", 2)
    found = store.read_experiment(root).runs
    assert list(found) == unpacked(root)
    assert [repr(tuple(run.rounds)) for run in found] == [repr(run.rounds) for run in unpacked(root) if run]  # −0 too
    assert pickle.loads(pickle.dumps(found)) == found


def test_packed_rounds_are_a_sequence_of_records() -> None:
    rng = np.random.default_rng(0)
    rounds = tuple(drawn_round(number, rng) for number in range(4))
    packed = PackedRounds(rounds)
    assert (len(packed), packed[-1], packed[1:3], tuple(reversed(packed))) == (4, rounds[3], rounds[1:3], rounds[::-1])
    assert packed == rounds
    assert rounds == packed
    assert packed == PackedRounds(rounds)
    assert packed != rounds[:3]
    assert packed != PackedRounds((*rounds[:3], replace(rounds[3], nll=1.0)))
    assert not PackedRounds(())
    with pytest.raises(IndexError):
        packed[4]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, to which a spool writes what exceeds 1,000 bytes."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(compact, "_IN_MEMORY", 1000)
    return folder


def parts(count: int) -> list[bytes]:
    rng = np.random.default_rng(count)
    return [rng.bytes(int(size)) for size in rng.integers(0, 400, count)]


def assert_kept(spool: Spool, added: list[bytes], starts: list[int]) -> None:
    found = [spool.get(start, start + len(part)) for start, part in zip(starts, added, strict=True)]
    assert found == added


def open_files(folder: Path) -> list[str]:
    """Those without a name too."""
    found = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return [link for path in found if path.is_symlink() and (link := os.readlink(path)).startswith(str(folder))]


def test_a_spool_gives_back_what_was_added(temporary: Path) -> None:
    spool, added = Spool(), parts(100)
    starts = []
    for part in added:
        starts.append(spool.add(part))
        assert_kept(spool, added[: len(starts)], starts)
    assert len(open_files(temporary)) == 1
    assert list(temporary.iterdir()) == []
    del spool
    gc.collect()
    assert open_files(temporary) == []


def test_where_no_file_can_be_written_the_bytes_stay_in_memory(temporary: Path) -> None:
    temporary.rmdir()
    spool, added = Spool(), parts(50)
    assert_kept(spool, added, [spool.add(part) for part in added])


def test_a_disk_that_is_full_costs_memory_alone(temporary: Path) -> None:
    spool, added = Spool(), parts(100)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4500, before[1]))
    try:
        starts = [spool.add(part) for part in added]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < spool._in_file < 4500
    assert_kept(spool, added, starts)


def test_a_file_that_has_lost_bytes_is_an_error(temporary: Path) -> None:
    spool = Spool()
    starts = [spool.add(part) for part in parts(100)]
    assert spool._file is not None
    os.truncate(spool._file.fileno(), starts[10])
    with pytest.raises(OSError, match=f"a temporary file in {temporary} has lost what was written to it"):
        spool.get(starts[12], starts[13])


def test_a_kill_leaves_no_file(tmp_path: Path, temporary: Path) -> None:
    root = written(tmp_path / "mnist", 2)
    code = f"""
import os, signal
from pathlib import Path
from benchmark.results import compact, store
compact._IN_MEMORY = 1000
found = store.read_experiment(Path({str(root)!r}))
assert found.runs[0].rounds._spool._in_file
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("temporary")
def test_runs_in_a_file_are_those_on_disk(tmp_path: Path) -> None:
    root = written(tmp_path / "mnist", 3)
    found = store.read_experiment(root).runs
    assert [run.rounds[-1] for run in found] == [run.rounds[-1] for run in unpacked(root) if run]
    assert list(found) == unpacked(root)
    assert pickle.loads(pickle.dumps(found)) == found


def packed(*headers: RunHeader) -> PackedRuns:
    """Runs with these headers, in odd files."""
    return PackedRuns(RunRecord(header, (), Path(f"{i}-seed{header.key.seed}.x")) for i, header in enumerate(headers))


def test_equal_parts_of_headers_are_kept_once() -> None:
    keys = [RunKey("mar" + "gin" * (seed > 0), "supervised", seed) for seed in range(3)]
    alike = [header_of(key, libraries={"torch": "2." + str(15)}) for key in keys]
    other = header_of(RunKey("random", "supervised", 0), device="gpu (Y)", feature_seed=2**70)
    other = replace(other, initial=LabelsRecord((7, 8), (1, 2), (7,)))
    runs = packed(*alike, other)
    shared = [run.header for run in runs]
    assert shared == [*alike, other]
    assert [*alike, other] == shared
    assert [hash(header.initial) for header in shared] == [hash(header.initial) for header in (*alike, other)]
    assert shared[0].environment is shared[2].environment
    assert shared[0].dataset is shared[3].dataset
    assert shared[0].initial is shared[1].initial
    assert shared[3].environment is not shared[0].environment


def test_switches_that_merely_compare_equal_stay_apart() -> None:
    header = header_of(RunKey("random", "supervised", 0))
    both = [replace(header, environment=replace(header.environment, switches={"x": value})) for value in (True, 1)]
    assert [repr(run.header.environment.switches) for run in packed(*both)] == ["{'x': True}", "{'x': 1}"]


def test_an_experiment_takes_a_part_of_the_memory_of_its_records(tmp_path: Path) -> None:
    root = written(tmp_path / "mnist", 8)

    def held(read: Callable[[], Any]) -> int:
        read()  # what is computed once
        tracemalloc.start()
        kept = read()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept
        return size

    assert held(lambda: store.read_experiment(root)) < held(lambda: unpacked(root)) / 2
    with patch.object(compact, "_IN_MEMORY", 1000):
        assert held(lambda: store.read_experiment(root)) < held(lambda: unpacked(root)) / 4
