"""A run's file: append, repair, lock, and the hash chain of its lines."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.results import atomic, run_file, store
from benchmark.results.atomic import write_atomically
from benchmark.results.errors import Busy, StoreError
from benchmark.results.paths import run_path, traces_path
from benchmark.results.records import ExamplesRecord, RoundRecord, RunRecord, TraceRecord
from benchmark.results.run_file import RunFile

CHECKOUT = Path(store.__file__).parents[2]
KEY = RunKey("random", "supervised", 0)
HEADER = header_of(KEY, 10)


def record_of(number: int, accuracy: float = 0.5) -> RoundRecord:
    return round_of(number, 10 * (number + 1), 10, accuracy=accuracy)


def write(root: Path, *records: RoundRecord) -> Path:
    path = run_path(root, KEY)
    with RunFile(path) as file:
        if not path.exists():
            file.append_header(HEADER)
        for record in records:
            file.append_round(record)
    return path


def read(path: Path) -> RunRecord:
    record = store.read_run(path)
    assert record is not None
    return record


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, record_of(0), record_of(1, 1 / 3))
    write(tmp_path, record_of(2))  # by a second process, later
    record = read(path)
    assert (record.header, record.attempt, record.key) == (HEADER, 1, KEY)
    assert record.rounds == (record_of(0), record_of(1, 1 / 3), record_of(2))
    assert record.label_counts == [10, 20, 30]
    assert record.extent.covers((10, 20, 30))
    assert record.extent.covers((10, 20))
    assert not record.extent.covers((10, 20, 30, 40))
    assert not record.extent.covers((10, 30))


def test_the_disk_is_waited_for_once_a_second_and_when_the_file_is_left(tmp_path: Path) -> None:
    path, waits, clock = run_path(tmp_path, KEY), [], Mock(return_value=100.0)
    with (
        patch.object(run_file.os, "fsync", lambda handle: waits.append(clock())),
        patch.object(run_file.time, "monotonic", clock),
    ):
        with RunFile(path) as file:
            file.append_header(HEADER)
            for number, clock.return_value in enumerate((100.0, 100.5, 101.2, 101.9, 102.3)):
                file.append_round(record_of(number))
                assert len(read(path).rounds) == number + 1  # by others, and if this process is killed now
        assert waits == [101.2, 102.3]
        with RunFile(path) as file:
            clock.return_value = 102.8
            file.append_round(record_of(5))
        assert waits == [101.2, 102.3, 102.8]
        with RunFile(path):
            pass
        with RunFile(path) as file:
            file.append_round(record_of(6))
            path.rename(tmp_path / "moved")
        assert not path.exists()
        assert waits == [101.2, 102.3, 102.8]


def test_every_line_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    """Also where a crash tore a line and another process went on."""
    path = write(tmp_path, record_of(0), record_of(1))
    with path.open("ab") as stream:
        stream.write(b'{"kind":"round","rou')
    write(tmp_path, record_of(1, 0.75), record_of(2))
    raw = path.read_bytes().splitlines()
    assert len(raw) == 5
    assert "previous_sha256" not in json.loads(raw[0])
    for before, line in itertools.pairwise(raw):
        assert json.loads(line)["previous_sha256"] == hashlib.sha256(before).hexdigest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nll": float("nan")}, "'nll' must be a number of at least 0, not nan"),
        ({"accuracy": 1.5}, "'accuracy' must be a number from 0 to 1, not 1.5"),
        ({"diagnostics": {"d": float("inf")}}, "'diagnostics.d' must be a number, not inf"),
    ],
)
def test_what_could_not_be_read_is_never_written(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with RunFile(path) as file, pytest.raises(ValueError, match=message):
        file.append_round(round_of(0, 10, 10, **changes))
    assert path.read_bytes() == before


def test_a_last_line_torn_at_any_byte_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, record_of(0), record_of(1))
    whole = path.read_bytes()
    kept = whole[: whole[:-1].rindex(b"\n") + 1]
    for end in range(len(kept), len(whole)):
        path.write_bytes(whole[:end])
        assert read(path).rounds == (record_of(0),)
        assert path.read_bytes() == whole[:end]  # reading mends nothing: another process may be writing
        with RunFile(path) as file:
            assert path.read_bytes() == kept
            file.append_round(record_of(1))
        assert path.read_bytes() == whole


def test_a_torn_header_is_no_run(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert store.read_run(path) is None
    with RunFile(path):
        assert path.read_bytes() == b""


@pytest.mark.parametrize("garbage", [b"\x00" * 30, b'{"kind": "rou', b"\xff\xfe", b"[" * 100_000])
def test_garbage_behind_the_last_whole_line_is_cut_off(tmp_path: Path, garbage: bytes) -> None:
    path = write(tmp_path, record_of(0))
    whole = path.read_bytes()
    path.write_bytes(whole + garbage)
    assert read(path).rounds == (record_of(0),)
    with RunFile(path):
        assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, record_of(0), record_of(1))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    path.write_bytes(whole[:start] + b"x" + whole[start + 1 :])
    with pytest.raises(StoreError, match=r"seed0.jsonl, line 2: it is not JSON; --doctor lists all problems"):
        store.read_run(path)
    with pytest.raises(StoreError), RunFile(path):
        pass
    assert len(path.read_bytes()) == len(whole)  # nothing was cut off
    with pytest.raises(StoreError):
        RunFile(path).__enter__()  # nor is it locked: the same answer, not Busy


def test_traces_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash while the traces of later rounds are dropped leaves all of them or the ones to keep."""
    path = write(tmp_path)
    traces = [TraceRecord(number, step, {"loss": 0.5}) for number in (0, 1) for step in (1, 2)]
    with RunFile(path) as file:
        file.append_traces(traces)
        before = traces_path(path).read_bytes()

        def crash(*_: object) -> None:
            raise OSError("crash")

        with patch.object(atomic.os, "replace", crash), pytest.raises(OSError, match="crash"):
            file.keep_traces(1)
        assert traces_path(path).read_bytes() == before
        file.keep_traces(1)
        assert store.read_traces(path) == traces[:2]
        file.keep_traces(0)
        assert not traces_path(path).exists()


def test_examples_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = write(tmp_path)
    written = ExamplesRecord(
        images=np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1),
        labels=np.array([0, 1]),
        predicted=np.array([1, 1]),
        confidence=np.array([0.5, 0.75]),
        mistakes=np.array([True, False]),
        names=np.array(["zero", "one"]),
    )
    assert store.read_examples(path) is None
    with RunFile(path) as file:
        file.write_examples(written)
    found = store.read_examples(path)
    assert found is not None
    for name, array in vars(written).items():
        np.testing.assert_array_equal(getattr(found, name), array, strict=True)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def wait_until_stopped(path: Path) -> None:
    """Raises Busy of the holder, once it is stopped."""
    until = time.time() + 60
    while time.time() < until:
        try:
            RunFile(path).__enter__()
        except Busy as busy:
            if "stopped" in str(busy):
                raise
        time.sleep(0.01)


def test_another_process_keeps_its_run(tmp_path: Path) -> None:
    """Busy at once, with its name, until it has let go, even by being killed in the middle of a line."""
    path = run_path(tmp_path, KEY)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from support.report_lines import header_of\n"
        "from benchmark.experiment.keys import RunKey\n"
        "from benchmark.results.run_file import RunFile\n"
        f"with RunFile(Path({str(path)!r})) as file:\n"
        "    file.append_header(header_of(RunKey('random', 'supervised', 0), 10))\n"
        "    open(file.path, 'a').write('torn')\n"
        "    print('locked', flush=True); time.sleep(60)"
    )
    paths = f"import sys; sys.path[:0] = {[str(CHECKOUT), str(CHECKOUT / 'tests')]!r}\n"
    other = subprocess.Popen([sys.executable, "-c", paths + script], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(Busy, match="seed0") as busy, RunFile(path):
        pass
    torn = path.read_text()
    assert torn.endswith("torn")  # who only tried has not touched it
    assert re.fullmatch(rf".* is held by process {other.pid} on .+", str(busy.value))
    other.send_signal(signal.SIGSTOP)
    with pytest.raises(Busy, match=f"process {other.pid} on .*, which is stopped,$"):
        wait_until_stopped(path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    with RunFile(path) as file:
        file.append_round(record_of(0))
    assert read(path).rounds == (record_of(0),)
