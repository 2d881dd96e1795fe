"""Lines on disk: append, read, recover, lock."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import store
from benchmark.results.store import Busy, RunFile, StoreError

HEADER = {"kind": "header", "format": 1, "strategy": "random", "learner": "supervised", "seed": 0, "fingerprint": "f"}
CHECKOUT = Path(store.__file__).parents[2]


def round_line(number: int, accuracy: float = 0.5) -> dict[str, Any]:
    return {"kind": "round", "round": number, "labels": 10 * (number + 1), "accuracy": accuracy}


def write(root: Path, *lines: dict[str, Any], attempt: int = 1, strategy: str = "random") -> Path:
    path = store.run_path(root, strategy, "supervised", 0, attempt)
    with RunFile(path, wait=False) as file:
        for line in lines:
            file.append(line)
    return path


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, round_line(0), round_line(1, 1 / 3))
    write(tmp_path, round_line(2))  # by a second process, later
    record = store.read_run(path)
    assert record is not None
    assert (record.header, record.attempt) == (HEADER, 1)
    assert record.rounds == [round_line(0), round_line(1, 1 / 3), round_line(2)]
    assert record.labels == [10, 20, 30]
    assert record.covers((10, 20, 30))
    assert record.covers((10, 20))
    assert not record.covers((10, 20, 30, 40))
    assert not record.covers((10, 30))


def test_a_number_that_is_none_is_never_written(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    before = path.read_bytes()
    with RunFile(path, wait=False) as file, pytest.raises(ValueError, match="JSON"):
        file.append(round_line(0, float("nan")))
    assert path.read_bytes() == before


def test_a_last_line_torn_at_any_byte_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, round_line(0), round_line(1))
    whole = path.read_bytes()
    kept = whole[: whole[:-1].rindex(b"\n") + 1]
    for end in range(len(kept), len(whole)):
        path.write_bytes(whole[:end])
        record = store.read_run(path)
        assert record is not None
        assert record.rounds == [round_line(0)]
        assert path.read_bytes() == whole[:end]  # reading mends nothing: another process may be writing
        with RunFile(path, wait=False) as file:
            assert path.read_bytes() == kept
            file.append(round_line(1))
        assert path.read_bytes() == whole


def test_a_torn_header_is_no_run(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert store.read_run(path) is None
    with RunFile(path, wait=False):
        assert path.read_bytes() == b""


@pytest.mark.parametrize("garbage", [b"\x00" * 30, b'{"kind": "rou\n', b"\xff\xfe\n"])
def test_garbage_behind_the_last_whole_line_is_cut_off(tmp_path: Path, garbage: bytes) -> None:
    path = write(tmp_path, HEADER, round_line(0))
    whole = path.read_bytes()
    path.write_bytes(whole + garbage)
    record = store.read_run(path)
    assert record is not None
    assert record.rounds == [round_line(0)]
    with RunFile(path, wait=False):
        assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, round_line(0), round_line(1))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    path.write_bytes(whole[:start] + b"x" + whole[start + 1 :])
    with pytest.raises(StoreError, match=rf"seed0.jsonl: damaged at byte {start}; move the file away and run again"):
        store.read_run(path)
    with pytest.raises(StoreError), RunFile(path, wait=False):
        pass
    assert len(path.read_bytes()) == len(whole)  # nothing was cut off
    with pytest.raises(StoreError):
        RunFile(path, wait=False).__enter__()  # nor is it locked: the same answer, not Busy


def test_a_later_line_of_a_round_supersedes(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, round_line(0, 0.1), round_line(1, 0.2), round_line(1, 0.3), round_line(2, 0.4))
    record = store.read_run(path)
    assert record is not None
    assert [line["accuracy"] for line in record.rounds] == [0.1, 0.3, 0.4]


@pytest.mark.parametrize("numbers", [(1,), (0, 2), (0, 1, 3)])
def test_a_missing_round_is_refused(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    path = write(tmp_path, HEADER, *map(round_line, numbers))
    with pytest.raises(StoreError, match="a round is missing; move the file away"):
        store.read_run(path)


@pytest.mark.parametrize("first", [round_line(0), HEADER | {"format": 2}])
def test_a_file_that_begins_otherwise_is_refused(tmp_path: Path, first: dict[str, Any]) -> None:
    path = write(tmp_path, first, round_line(0))
    with pytest.raises(StoreError, match="the first line is not a header of format 1"):
        store.read_run(path)


def test_a_header_that_says_otherwise_is_refused(tmp_path: Path) -> None:
    record = store.read_run(write(tmp_path, HEADER))
    assert record is not None
    store.check_header(record, strategy="random", seed=0)
    with pytest.raises(StoreError, match=r"its seed is '0', not '1'; move the file away or choose another --name"):
        store.check_header(record, strategy="random", seed=1)
    with pytest.raises(StoreError, match="its model is 'None'"):
        store.check_header(record, model="cnn")


def test_attempts_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for attempt in (10, 1, 3, 2):
        write(tmp_path, HEADER | {"attempt": attempt}, attempt=attempt)
    folder = store.run_path(tmp_path, "random", "supervised", 0).parent
    for other in ("supervised-seed01.jsonl", "supervised-seed0.x.jsonl", "supervised-seed0.epochs.jsonl"):
        (folder / other).write_text(json.dumps(HEADER) + "\n")
    found = store.attempts(tmp_path, "random", "supervised", 0)
    assert [record.attempt for record in found] == [1, 2, 3, 10]
    assert [record.header["attempt"] for record in found] == [1, 2, 3, 10]
    assert found[1].path.name == "supervised-seed0.2.jsonl"
    assert store.attempts(tmp_path, "badge", "supervised", 0) == []


def test_slugs_do_as_path_components() -> None:
    assert store.slug("badge") == "badge"
    assert store.slug("typiclust[neighbours=5]") == "typiclust-neighbours=5"
    assert store.slug("mine:Mine[a=1,b=x/y]") == "mine-Mine-a=1-b=x-y"
    assert "/" not in store.slug("../../etc/passwd")


def test_a_description_takes_in_a_longer_ladder_and_new_words_alone(tmp_path: Path) -> None:
    root = tmp_path / "e"
    assert store.read_description(root) is None
    store.write_description(root, "f", {"budgets": [1, 2], "seeds": [0]})
    store.write_description(root, "f", {"budgets": [1], "seeds": [1]})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2], "seeds": [0]}
    store.write_description(root, "f", {"budgets": [1, 2, 3], "seeds": [1]})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2, 3], "seeds": [0]}
    store.write_description(root, "f", {"budgets": [1], "seeds": [1], "notes": "Too short.", "name": "other"})
    assert store.read_experiment(root).protocol == {"budgets": [1, 2, 3], "seeds": [0], "notes": "Too short."}
    with pytest.raises(StoreError, match=r"lines of another fingerprint \(f, not g\): choose another --name"):
        store.write_description(root, "g", {"budgets": [1, 2, 3, 4]})
    assert store.read_experiment(root).protocol["budgets"] == [1, 2, 3]
    assert [path.name for path in root.iterdir()] == ["experiment.json"]  # no half-written file is left


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"fingerprint": "f"}'])
def test_a_damaged_description_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(StoreError, match="delete it and run again"):
        store.read_experiment(tmp_path)


def test_a_folder_without_a_description_is_no_experiment(tmp_path: Path) -> None:
    write(tmp_path, HEADER)
    with pytest.raises(StoreError, match="holds no experiment"):
        store.read_experiment(tmp_path)


def test_an_experiment_is_all_its_runs_and_none_of_anothers(tmp_path: Path) -> None:
    store.write_description(tmp_path, "f", {"budgets": [10]})
    write(tmp_path, HEADER, round_line(0))
    write(tmp_path, HEADER, attempt=2)
    write(tmp_path, HEADER | {"strategy": "badge"}, strategy="badge")
    path = store.run_path(tmp_path, "empty", "supervised", 0)
    path.parent.mkdir()
    path.write_text('{"kind": "hea')
    assert len(store.read_experiment(tmp_path).runs) == 3
    write(tmp_path, HEADER | {"fingerprint": "9" * 64}, strategy="stranger")
    with pytest.raises(StoreError, match=r"stranger.*its fingerprint is 99999999, not 'f'"):
        store.read_experiment(tmp_path)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    store.write_atomically(path, b"one")
    store.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_another_process_keeps_its_run(tmp_path: Path) -> None:
    """Busy at once; with ``wait`` only when the other has let go, even by being killed in the middle of a line."""
    path = store.run_path(tmp_path, "random", "supervised", 0)
    script = (
        "import json, sys, time; from pathlib import Path; from benchmark.results.store import RunFile\n"
        f"with RunFile(Path({str(path)!r}), wait=False) as file:\n"
        f"    file.append({HEADER!r}); open(file.path, 'a').write('torn')\n"
        "    print('locked', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(Busy, match="seed0"), RunFile(path, wait=False):
        pass
    torn = path.read_text()
    assert torn.endswith("torn")  # who only tried has not touched it
    entered = threading.Event()

    def wait() -> None:
        with RunFile(path, wait=True) as file:
            file.append(round_line(0))
            entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not entered.wait(0.3)
    other.send_signal(signal.SIGKILL)
    other.wait()
    waiting.join(10)
    assert entered.is_set()
    record = store.read_run(path)
    assert record is not None
    assert record.rounds == [round_line(0)]
