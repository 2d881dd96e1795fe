"""Files of the cache: whole or gone; and temporary files that no other process, nor a crash, gets in the way of."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.tiny import bench, experiment, plugin, run_lines

from benchmark.loop.carried import Carried, shared_round0
from benchmark.results import atomic, sealed
from benchmark.results.atomic import is_temporary, write_atomically

STATE = {"weights": torch.arange(12.0).reshape(3, 4), "seconds": 1.5, "traces": [{"step": 1}]}
SCORES = """\
class Mine(ScoreStrategy):
    hooks = frozenset({"state"})

    def score(self, pool):
        return pool.probs.max(1).values

    def state_dict(self):
        return {"memory": torch.ones(3)}

    def load_state_dict(self, state):
        assert state["memory"].sum() == 3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "cache" / "state.pt"
    sealed.save(file, STATE)
    return file


def test_what_was_saved_is_loaded(path: Path) -> None:
    found = sealed.load(path)
    assert torch.equal(found.pop("weights"), STATE["weights"])
    assert found == {"seconds": 1.5, "traces": [{"step": 1}]}
    assert sealed.is_there(path)
    assert [file.name for file in path.parent.iterdir()] == ["state.pt"]
    assert sealed.load(path.with_name("none.pt")) is None


def test_a_file_with_a_flipped_bit_or_a_part_of_one_is_no_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, rng = path.read_bytes(), random.Random(0)
    damaged = [whole[: rng.randrange(len(whole))] for _ in range(50)] + [b"", whole + b"\n", b"PK" + whole]
    for _ in range(500):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        assert not sealed.is_there(path)
        assert not path.exists()
        path.write_bytes(data)
        capsys.readouterr()
        assert sealed.load(path) is None
        assert sealed.load(path) is None  # the second time there is no file, and nothing to say
        assert capsys.readouterr().err == f"{path}: damaged, so removed; what was in it is computed again\n"


def test_a_file_that_has_changed_is_checked_again(path: Path) -> None:
    assert sealed.is_there(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, (1, 1))
    assert not sealed.is_there(path)


def test_what_is_carried_is_taken_up_where_it_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    carried = Carried(tmp_path, tmp_path / "runs" / "x" / "supervised-seed0.jsonl", "0" * 64)
    for number in (1, 2, 3):
        carried.save(number, {"strategy": {"rounds": number}})
    (third,) = tmp_path.rglob("round3.pt")
    third.write_bytes(b"")
    assert carried.latest(3) == 2
    assert carried.load(2) == {"strategy": {"rounds": 2}}
    assert carried.load(3) == {}
    assert capsys.readouterr().err.count("damaged") == 1
    states = carried.checkpoints(0, {"seed": 1})
    states.save("network", {"done": 5})
    assert states.load("network") == {"done": 5}
    (saved,) = tmp_path.rglob("round0-*-network.pt")
    saved.write_bytes(saved.read_bytes()[:-1])
    assert states.load("network") == {}


def test_a_damaged_round_0_is_computed_again(tmp_path: Path) -> None:
    trained = []

    def train() -> dict[str, Any]:
        trained.append(1)
        return {"seconds": 1.0}

    key = {"seed": 0}
    assert shared_round0(tmp_path, key, train) == ({"seconds": 1.0}, False)
    assert shared_round0(tmp_path, key, train) == ({"seconds": 1.0}, True)
    (file,) = tmp_path.rglob("*.pt")
    file.write_bytes(b"")
    assert shared_round0(tmp_path, key, train) == ({"seconds": 1.0}, False)
    assert shared_round0(tmp_path, key, train) == ({"seconds": 1.0}, True)
    assert len(trained) == 2


def test_runs_over_a_cache_of_damaged_files_have_the_same_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Round 0, features and carried state, each said once for all runs that need it."""
    whole, spoilt = tmp_path / "whole", tmp_path / "spoilt"
    for folder in (whole, spoilt):
        folder.mkdir()
    mine = plugin(tmp_path, SCORES)
    features = ("--set", "features.method=simclr", "features.steps=2", "features.batch_size=16")
    request = ("--strategies", mine, "random", "typiclust", "--seeds", "0", *features)
    assert bench(whole, *request) == 0
    shutil.copytree(whole / "cache", spoilt / "cache")
    files = list((spoilt / "cache").rglob("*.pt"))
    assert {file.parent.name for file in files} == {"round0", "features"}
    for file in files:
        file.write_bytes(file.read_bytes()[:-7])
    capfd.readouterr()
    assert bench(spoilt, *request) == 0
    assert run_lines(spoilt) == run_lines(whole)
    assert experiment(spoilt).name == experiment(whole).name
    said = [line for line in capfd.readouterr().err.splitlines() if "damaged" in line]
    assert sorted(said) == sorted(f"{file}: damaged, so removed; what was in it is computed again" for file in files)


def test_a_full_disk_is_one_line_with_folder_and_size(path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    with patch.object(atomic.os, "fsync", full), pytest.raises(OSError, match="No space left") as failure:
        sealed.save(path, {"large": torch.zeros(2**18)})
    message = str(failure.value)
    assert message.startswith(f"cannot write 1.0 MB to the cache in {path.parent}: No space left on device; make room")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["state.pt"]  # nor is the space still taken


def test_processes_with_equal_numbers_write_under_different_names(tmp_path: Path) -> None:
    """As in containers on one folder: each replaces the file with its own, whatever the other is at."""
    path, replace = tmp_path / "file", os.replace
    seen: list[str] = []

    def interrupted(source: Path, target: Path) -> None:
        seen.append(source.name)
        if len(seen) == 1:
            write_atomically(path, b"the other's")
        replace(source, target)

    with patch.object(atomic.os, "replace", interrupted), patch.object(os, "getpid", lambda: 1):
        write_atomically(path, b"its own")
    assert path.read_bytes() == b"its own"
    assert len(set(seen)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_before_the_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    """And a temporary one, which goes once no process can be writing to it any more."""
    path = tmp_path / "file"
    write_atomically(path, b"old")
    script = (
        "import os, signal; from pathlib import Path; from benchmark.results import atomic\n"
        "atomic.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"atomic.write_atomically(Path({str(path)!r}), b'new')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = (file for file in tmp_path.iterdir() if file != path)
    assert is_temporary(left)
    write_atomically(path, b"newer")
    assert left.exists()
    os.utime(left, (0, 0))
    write_atomically(path, b"newest")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"newest"
