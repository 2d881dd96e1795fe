"""What data are is remembered by size and times of their files; a record that does not fit is not believed."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.published_data import write_copy

from benchmark.campaign import data_access
from benchmark.campaign.data_access import DataSource
from benchmark.data import datasets
from benchmark.data.datasets import DatasetError
from benchmark.data.identity import identity_of


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The data sets that were decoded, one after the other."""
    seen: list[str] = []
    load = datasets.load

    def counted(name: str, *arguments: Any, **options: Any) -> datasets.ImageData:
        seen.append(name)
        return load(name, *arguments, **options)

    data_access._kept.clear()
    monkeypatch.setattr(datasets, "load", counted)
    return seen


@pytest.fixture
def source(tmp_path: Path) -> DataSource:
    return DataSource(str(write_copy(tmp_path / "own")), tmp_path / "data", tmp_path / "cache")


def forget() -> None:
    """As a new process begins."""
    data_access._kept.clear()


def test_unchanged_files_are_read_once(source: DataSource, reads: list[str]) -> None:
    first = source.identify()
    forget()
    again = source.identify()
    assert first == again == identity_of(datasets.load(source.dataset))
    assert again is not None
    assert (again.num_train, again.class_count, again.channels, again.image_size) == (1200, 4, 1, (8, 8))
    assert len(reads) == 2  # the second by this test
    forget()
    data, identity = source.load()
    assert (data.sha256, identity) == (again.sha256, again)


def test_a_command_decodes_once(source: DataSource, reads: list[str]) -> None:
    source.identify()
    source.load()
    assert reads == [source.dataset]


@pytest.mark.parametrize("change", ["content", "time", "moved"])
def test_what_changed_is_read_again(source: DataSource, reads: list[str], change: str) -> None:
    before = source.identify()
    forget()
    path = Path(source.dataset)
    if change == "content":
        found = path.stat()
        write_copy(path.parent, train=1)
        assert path.stat().st_size == found.st_size
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # as if nothing had happened
    elif change == "time":
        os.utime(path)
    else:
        other = path.with_name("other")
        other.mkdir()
        source = DataSource(str(path.rename(other / path.name)), source.data_dir, source.cache)
    after = source.identify()
    assert len(reads) == 2
    assert (before == after) == (change != "content")


def test_a_damaged_record_is_never_believed(source: DataSource, reads: list[str]) -> None:
    """Whatever byte is changed, and wherever the file is cut."""
    right = source.identify()
    (record,) = source.cache.rglob("*.json")
    whole = record.read_bytes()
    draws = random.Random(5)
    for turn in range(60):
        place = draws.randrange(len(whole))
        flipped = bytes([whole[place] ^ (1 << draws.randrange(8))])
        record.write_bytes(whole[:place] if turn % 3 == 0 else whole[:place] + flipped + whole[place + 1 :])
        forget()
        assert source.identify() == right
        assert len(reads) == turn + 2
        assert record.read_bytes() == whole


def test_records_that_cannot_be_kept_do_no_harm(source: DataSource, reads: list[str]) -> None:
    source.cache.write_text("a file in the way")
    assert source.identify() == source.load()[1]


def test_data_that_are_gone_are_not_remembered(source: DataSource) -> None:
    assert source.identify() is not None
    Path(source.dataset).unlink()
    with pytest.raises(DatasetError, match="no such file"):
        source.identify()


def test_other_code_reads_again(source: DataSource, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    source.identify()
    forget()
    monkeypatch.setattr(data_access, "_code", lambda: "another")
    source.identify()
    assert len(reads) == 2


def test_a_known_data_set_without_files_is_not_identified(tmp_path: Path) -> None:
    assert DataSource("mnist", tmp_path, tmp_path / "cache").identify() is None
    digits = DataSource("digits", tmp_path, tmp_path / "cache").identify()
    assert digits is not None
    assert (digits.num_train, digits.published) == (1258, None)


def test_files_are_those_that_are_read(tmp_path: Path) -> None:
    path = write_copy(tmp_path / "data")
    np.savez(tmp_path / "data" / "mnist.npz", **np.load(path))
    assert datasets.files("mnist", tmp_path / "data") == [tmp_path / "data" / "mnist.npz"]
    batch = tmp_path / "elsewhere" / "cifar-10-batches-py" / "data_batch_1"
    batch.parent.mkdir(parents=True)
    batch.touch()
    assert datasets.files("cifar10", tmp_path / "elsewhere") == [batch]
    with pytest.raises(DatasetError, match="unknown dataset"):
        datasets.files(str(tmp_path / "nowhere"))
