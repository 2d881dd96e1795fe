"""Campaigns under everything that goes wrong at once: in the end there are the bits of an undisturbed one.

``CHAOS_KILLS=50 pytest tests/campaign/test_chaos.py`` kills as often as that; by default there are a few.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.tiny import bench, experiment, run_lines

from benchmark.results import doctor, failures, locks
from benchmark.results.atomic import is_temporary

KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
SMALL = ("--strategies", "random", "margin", "--seeds", "0", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert bench(folder, *SMALL) == 0
    return folder


def assert_whole(folder: Path, expected: Path) -> None:
    """The bits of the undisturbed campaign, and no file that does not belong there."""
    assert run_lines(folder) == run_lines(expected)
    assert [problem for problem in doctor.examine(experiment(folder)) if not problem.remark] == []
    left = [path for path in folder.rglob("*") if is_temporary(path) or path.suffix in (locks.SUFFIX, ".partial")]
    assert left == []
    assert not list((folder / "cache" / "carried").glob("*"))


@contextmanager
def killer(folder: Path, kills: list[int]) -> Iterator[None]:
    """Within, worker processes are killed at random moments until there have been enough."""
    draws, ends = random.Random(), threading.Event()

    def kill() -> None:
        while not ends.wait(draws.uniform(0.0, 0.5)) and len(kills) < KILLS:
            workers = [child for child in multiprocessing.active_children() if "worker" in child.name]
            written = any(folder.glob("results/*/runs/*/*.jsonl"))
            if workers and written and draws.random() < 0.5:
                victim = draws.choice(workers)
                os.kill(victim.pid or 0, draws.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM]))
                kills.append(victim.pid or 0)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_workers_killed_at_random(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Among them a run that carries state from round to round, and one whose learner writes traces."""
    request = ("--strategies", "margin", "learning-loss", "--seeds", "0", "1")
    request += ("--learner", "supervised", "pseudo-label", "--set", "recipe.min_steps=60", "warm_start=true")
    expected = tmp_path / "expected"
    expected.mkdir()
    assert bench(expected, *request) == 0
    traces = {path.name: path.read_bytes() for path in experiment(expected).glob("runs/margin/*.epochs.jsonl")}
    kills: list[int] = []
    for number in itertools.count():  # a campaign may be done before there have been enough
        before = len(kills)
        disturbed = tmp_path / f"disturbed-{number}"
        disturbed.mkdir()
        said = until_done(disturbed, request, kills, capsys)
        assert len(kills) > before
        assert_whole(disturbed, expected)
        counts = Counter(re.findall(r"^\[\d+/\d+\] (.*? labels), ", said, re.MULTILINE))
        assert max(counts.values()) == 1  # no round is computed again that was on disk
        again = {path.name: path.read_bytes() for path in experiment(disturbed).glob("runs/margin/*.epochs.jsonl")}
        assert again == traces
        assert len(failures.read(experiment(disturbed))[0]) <= len(kills) - before
        if len(kills) >= KILLS:
            break
    print(f"{len(kills)} kills in {number + 1} campaigns")


def until_done(folder: Path, request: tuple[str, ...], kills: list[int], capsys: pytest.CaptureFixture[str]) -> str:
    """What commands print whose workers are killed, repeated until all is there."""
    said = ""
    for _ in range(2 + KILLS):
        capsys.readouterr()
        with killer(folder, kills):
            status = bench(folder, *request, "--workers", "2")
        said += capsys.readouterr().out
        if status == 0:
            return said
        assert status == 1  # a run was killed twice
    raise AssertionError("work is left though nobody kills any more")


def test_a_full_disk_that_is_freed(tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines are torn in the middle, and the failures themselves cannot be recorded."""
    shutil.copytree(undisturbed / "cache", tmp_path / "cache")  # larger than any line
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    torn = 0
    shortest = min(path.stat().st_size for path in experiment(undisturbed).glob("runs/*/*-seed?.jsonl"))
    for size in (shortest * part // 20 for part in (5, 11, 13, 15, 18)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            assert bench(tmp_path, *SMALL) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        paths = tmp_path.glob("results/*/runs/*/*-seed?.jsonl")
        torn += sum(not path.read_bytes().endswith(b"\n") for path in paths)
    assert torn
    said = capsys.readouterr().out
    assert re.search(r"OSError: \[Errno 27\] File too large: '.*/runs/.*jsonl' \(no traceback: cannot write ", said)
    assert bench(tmp_path, *SMALL) == 0
    assert_whole(tmp_path, undisturbed)


def test_a_clock_that_is_set_back(tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, back = time.time, 0.0

    def told() -> float:
        nonlocal back
        back += 60.0  # ever further
        return real() - back

    assert bench(tmp_path, *SMALL, "--time-limit", "0.2s") in (0, 3)
    monkeypatch.setattr(time, "time", told)
    assert bench(tmp_path, *SMALL) == 0
    assert_whole(tmp_path, undisturbed)


def test_a_file_system_without_locks(tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that is killed there leaves its file behind: it is no obstacle."""

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert bench(tmp_path, *SMALL, "--time-limit", "0.2s") in (0, 3)
    dead = json.dumps({"host": os.uname().nodename, "process": 999999999, "started": "1"})
    folder = experiment(tmp_path) / ".locks" / "margin"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "supervised-seed1.holder").write_text(dead)
    assert bench(tmp_path, *SMALL) == 0
    assert_whole(tmp_path, undisturbed)
