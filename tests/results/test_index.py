"""The index of runs: it saves checking, and never says what the lines do not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from support.report_lines import header_of, write_grid, write_run

from benchmark.experiment.keys import RunKey
from benchmark.results import index, store
from benchmark.results.errors import Damaged
from benchmark.results.index import Index
from benchmark.results.records import LabelsRecord, RunSummary

BUDGETS = [20, 40, 60, 80]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin"], 3, BUDGETS)


@pytest.fixture(autouse=True)
def soon_written() -> Iterator[None]:
    with patch.object(index, "_AT_ONCE", 2):
        yield


def read(root: Path, cache: Path) -> list[RunSummary]:
    with index.kept_in(cache):
        return list(store.summaries(root))


def recorded(root: Path) -> list[RunSummary]:
    """What the lines say."""
    runs, _ = store.find_runs(root, "f" * 64)
    return [RunSummary(run.extent, run.path, run.attempt) for run in runs]


def unreadable() -> object:
    """Within, no line is read."""
    return patch.object(store, "take_run_lines", side_effect=AssertionError)


def test_a_second_command_reads_no_line_and_finds_the_same(root: Path, tmp_path: Path) -> None:
    write_run(root, "a:weird[name=1]", 7, BUDGETS, attempt=12, learner="fixmatch", strategy_check="passed")
    first = read(root, tmp_path / "cache")
    assert first == recorded(root)
    with unreadable():  # type: ignore[attr-defined]
        assert read(root, tmp_path / "cache") == first
        moved = root.rename(tmp_path / "moved")  # by content, wherever it lies
        assert [run.extent for run in read(moved, tmp_path / "cache")] == [run.extent for run in first]


def test_it_keeps_every_field_of_a_header(root: Path, tmp_path: Path) -> None:
    header = replace(
        header_of(RunKey("mine:Mine", "other", 3), commit=None, strategy_source_sha256="1" * 64),
        initial=LabelsRecord((5, 3), (1, 0), (3,)),
    )
    for commit in (None, "1234567"):
        extent = store.RunRecord(header, (), root).extent
        kept = Index(tmp_path / "a.sqlite")
        kept.put(b"1" * 32, extent)
        kept.put(b"2" * 32, store.RunRecord(header_of(RunKey("b", "c", 0), commit=commit), (), root).extent)
        kept.close()
        assert Index(tmp_path / "a.sqlite").get(b"1" * 32) == extent


@pytest.mark.parametrize("same_time", [True, False])
def test_a_flipped_bit_is_found_though_size_and_time_are_the_same(root: Path, tmp_path: Path, same_time: bool) -> None:
    before = read(root, tmp_path / "cache")
    path = before[0].path
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if same_time:
        os.utime(path, ns=times)
    assert read(root, tmp_path / "cache") == before[1:]
    with index.kept_in(tmp_path / "cache"), pytest.raises(Damaged):
        store.read_summary(path)


def test_what_changes_within_a_command_is_read_again(root: Path, tmp_path: Path) -> None:
    with index.kept_in(tmp_path / "cache"):
        (first, *_) = store.summaries(root)
        with unreadable(), patch.object(index, "content", side_effect=AssertionError):  # type: ignore[attr-defined]
            assert store.read_summary(first.path) == first
        path = write_run(root, first.key.strategy, first.key.seed, BUDGETS[:2])
        assert path == first.path
        again = store.read_summary(path)
        assert again is not None
        assert again.extent.label_counts == tuple(BUDGETS[:2])
        path.write_bytes(path.read_bytes() + b"{}\n")
        with pytest.raises(Damaged):
            store.read_summary(path)


def test_the_data_of_runs_are_those_of_their_headers_whatever_was_read_before(root: Path, tmp_path: Path) -> None:
    other = replace(header_of(RunKey("x", "y", 0)).dataset, sha256="5" * 64)
    write_run(root, "margin", 9, BUDGETS, dataset=other)
    write_run(root, "margin", 10, BUDGETS, fingerprint="e" * 64)
    misplaced = write_run(root, "margin", 11, BUDGETS)
    misplaced.rename(misplaced.with_name("supervised-seed12.jsonl"))
    expected = [run.header.dataset for run in store.summaries(root, "f" * 64)]
    assert expected.count(other) == 1
    assert len(expected) == 7
    with index.kept_in(tmp_path / "cache"):
        assert list(store.datasets(root, "f" * 64)) == expected  # nothing read before
        with unreadable(), patch.object(Index, "get", side_effect=AssertionError):  # type: ignore[attr-defined]
            usable = [path for path in root.glob("runs/*/*") if path.name < "supervised-seed10"]
            for path in usable:
                assert index.kept().dataset_of(path, "f" * 64) is not None  # type: ignore[union-attr]
        assert list(store.datasets(root, "f" * 64)) == expected
        assert list(store.datasets(root, "e" * 64)) == [expected[0]]
        path = write_run(root, "margin", 9, BUDGETS)  # written again meanwhile
        assert other not in list(store.datasets(root, "f" * 64))
        path.write_bytes(path.read_bytes().replace(b"accuracy", b"Accuracy", 1))
        assert len(list(store.datasets(root, "f" * 64))) == 6


def damages(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    return {"nothing": b"", "no database": b"x" * 4096, "half": data[: len(data) // 2]}


@pytest.mark.parametrize("damage", ["nothing", "no database", "half"])
def test_a_damaged_index_is_as_good_as_none(root: Path, tmp_path: Path, damage: str) -> None:
    expected = read(root, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(damages(path)[damage])
    assert read(root, tmp_path / "cache") == expected
    assert read(root, tmp_path / "cache") == expected


@pytest.mark.parametrize("column", ["run", "header", "seal"])
@pytest.mark.parametrize("value", [b"[]", None, 7])
def test_a_changed_entry_is_none(root: Path, tmp_path: Path, column: str, value: object) -> None:
    expected = read(root, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE runs SET {column} = ?", (value,))
    database.close()
    assert read(root, tmp_path / "cache") == expected


def test_a_changed_header_is_none(root: Path, tmp_path: Path) -> None:
    expected = read(root, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE headers SET value = replace(value, 'abcdef0', 'abcdef1')")
    database.close()
    assert read(root, tmp_path / "cache") == expected


def test_where_it_cannot_be_written_the_lines_are_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    assert read(root, tmp_path / "cache") == recorded(root)
    locked = tmp_path / "locked"
    read(root, locked)
    (path,) = locked.iterdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert read(root, locked) == recorded(root)
    other.close()
    assert path.exists()


def test_few_runs_leave_no_file(root: Path, tmp_path: Path) -> None:
    with patch.object(index, "_AT_ONCE", 1000):
        read(root, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("most", [2**26, 0])
def test_a_large_index_is_read_entry_by_entry(root: Path, tmp_path: Path, most: int) -> None:
    expected = read(root, tmp_path / "cache")
    with patch.object(index, "_READ_AHEAD", most), unreadable():  # type: ignore[attr-defined]
        assert read(root, tmp_path / "cache") == expected
        for run in expected:  # a copy has the same content, and what was read ahead is handed out once
            copied = root.parent / "copy" / run.path.relative_to(root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(run.path.read_bytes())
        with index.kept_in(tmp_path / "cache"):
            both = [[run.extent for run in store.summaries(one)] for one in (root, root.parent / "copy")]
    assert both == [[run.extent for run in expected]] * 2
