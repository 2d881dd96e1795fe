"""NVIDIA's multi-process service, a program that is pretended: who starts it, uses it and ends it."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.campaign import mps

SERVICE = """\
#!/bin/sh
echo "$@ $(cat) $CUDA_MPS_PIPE_DIRECTORY $CUDA_VISIBLE_DEVICES" >> {log}
exit {code}
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Puts a control program in its place that always ends with a code; returns what it is asked."""
    for name in (mps.PIPE, mps.LOG):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mps, "_USERS", tmp_path / "users")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(code: int) -> Path:
        program, log = tmp_path / mps.CONTROL, tmp_path / "asked"
        program.write_text(SERVICE.format(log=log, code=code))
        program.chmod(0o755)
        return log

    return put


def test_the_service_is_started_and_ended(service: Callable[[int], Path], tmp_path: Path) -> None:
    assert not mps.start()  # it is not installed
    log = service(0)
    assert mps.start()
    folder = Path(os.environ[mps.PIPE])
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mps.stop()
    assert [line.split() for line in log.read_text().splitlines()] == [["-d", str(folder)], ["quit", str(folder)]]
    assert mps.PIPE not in os.environ
    mps.stop()
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize(("visible", "kept"), [("0,2", ""), ("GPU-8f2c,GPU-11ab", ""), ("MIG-6a2e", "MIG-6a2e")])
def test_the_service_does_not_renumber_the_gpus_of_its_clients(
    service: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch, visible: str, kept: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    log = service(0)
    assert mps.start()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
    mps.stop()
    assert [line.split()[2:] for line in log.read_text().splitlines()] == [[kept] if kept else []] * 2


def test_the_last_command_that_uses_the_service_ends_it(service: Callable[[int], Path], tmp_path: Path) -> None:
    log = service(0)
    assert mps.start()
    with (Path(os.environ[mps.PIPE]) / "users").open() as other:  # a command beside this one
        fcntl.flock(other, fcntl.LOCK_SH)
        mps.stop()
        assert mps.PIPE not in os.environ
        assert "quit" not in log.read_text()
    assert mps.start()
    mps.stop()
    assert log.read_text().count("quit") == 1


def test_a_command_that_begins_waits_for_one_that_ends_the_service(
    service: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    service(0)
    tries: list[bool] = []

    def control(*arguments: str, says: str = "") -> bool:
        if says == "quit\n":
            with (Path(os.environ[mps.PIPE]) / "users").open() as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            tries.append(True)
        return True

    monkeypatch.setattr(mps, "_control", control)
    assert mps.start()
    mps.stop()
    assert tries == [True]


def test_a_service_that_does_not_start_leaves_nothing(service: Callable[[int], Path]) -> None:
    service(1)
    assert not mps.start()
    assert mps.PIPE not in os.environ
    assert mps.LOG not in os.environ


def test_the_users_own_service_is_left_alone(
    service: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = service(0)
    monkeypatch.setenv(mps.PIPE, "/theirs")
    assert not mps.start()
    assert os.environ[mps.PIPE] == "/theirs"
    monkeypatch.delenv(mps.PIPE)
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "control").touch()
    assert not mps.start()
    assert not log.exists()
