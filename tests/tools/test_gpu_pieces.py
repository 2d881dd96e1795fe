"""Pieces: what is cut up is put together again, in any order; what is damaged or foreign is refused."""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data import datasets
from benchmark.results import environment
from tools.gpu import pack
from tools.gpu.pieces import Contents, size
from tools.gpu.unpack import PieceError, read_manifest, unpack

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (1203, 8, 8, 3), dtype=np.uint8)  # two strips and a rest
ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "x_train": COLOURS,
    "x_test": COLOURS[:1, ::-1],  # not contiguous
    "grey": RNG.integers(0, 256, (50, 8, 8), dtype=np.uint8),
    "four": RNG.integers(0, 256, (5, 8, 8, 4), dtype=np.uint8),
    "y_train": np.arange(1203) % 7,
    "weights": RNG.standard_normal((3, 5)),
    "none": np.zeros((0, 8, 8, 3), np.uint8),
}
NOISE = RNG.bytes(2_500_000)


def packed(folder: Path, limit: int = 1_200_000) -> list[Path]:
    contents = Contents()
    contents.add_archive("small files", [("run.py", b"print()", True), ("deep/down/empty.txt", b"", False)])
    contents.add_file("data/noise.bin", NOISE)
    contents.add_file("data/empty.bin", b"")
    contents.add_arrays("data/set.npz", ARRAYS)
    return contents.write(folder, limit, results={})


def test_pieces_give_back_everything_in_any_order(tmp_path: Path) -> None:
    pieces = packed(tmp_path / "pieces")
    assert len(pieces) > 2
    assert max(piece.stat().st_size for piece in pieces) <= 1_200_000
    target, written = tmp_path / "there", []
    for number, piece in enumerate(reversed(pieces)):
        found, waiting = unpack([piece], target)
        written += found
        assert bool(waiting) == (number < len(pieces) - 1)
    assert sorted(written) == ["data/empty.bin", "data/noise.bin", "data/set.npz", "small files"]
    assert (target / "run.py").stat().st_mode & 0o100
    assert (target / "deep/down/empty.txt").read_bytes() == (target / "data/empty.bin").read_bytes() == b""
    assert (target / "data/noise.bin").read_bytes() == NOISE
    with np.load(target / "data/set.npz") as arrays:
        assert sorted(arrays) == sorted(ARRAYS)
        for name, array in ARRAYS.items():
            assert arrays[name].dtype == array.dtype
            assert np.array_equal(arrays[name], array)
    assert not list((target / ".pack" / "parts").iterdir())


def test_what_has_grown_since_stays_when_a_piece_comes_again(tmp_path: Path) -> None:
    pieces = packed(tmp_path / "pieces")
    unpack(pieces, tmp_path / "there")
    (tmp_path / "there" / "run.py").write_text("grown")
    assert unpack(pieces, tmp_path / "there") == ([], {})
    assert (tmp_path / "there" / "run.py").read_text() == "grown"


def test_colours_take_less_space_than_compressed_bytes(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None] * 9, (600, 16, 16, 3)) + COLOURS[:600, :1, :1]
    by_kind = []
    for arrays in ({"x": smooth}, {"x": smooth.reshape(600, -1)}):
        contents = Contents()
        contents.add_arrays("set.npz", arrays)
        by_kind.append(sum(len(data) for _, data in contents.parts))
    assert by_kind[0] < by_kind[1]


def test_a_changed_byte_a_cut_piece_and_a_strange_file_are_refused(tmp_path: Path) -> None:
    (piece,) = packed(tmp_path / "pieces", 10_000_000)
    whole = piece.read_bytes()
    with tarfile.open(piece) as tar:
        places = {member.name: member.offset_data for member in tar}
    for number, at in enumerate([places["00001"] + 700, places["00001"] + 20]):
        piece.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(PieceError, match="is damaged"):
            unpack([piece], tmp_path / f"changed-{number}")
    piece.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PieceError, match="damaged"):
        unpack([piece], tmp_path / "cut")
    piece.write_bytes(b"no tar file" * 100)
    with pytest.raises(PieceError, match="damaged"):
        unpack([piece], tmp_path / "strange")


def test_a_piece_of_another_pack_and_a_path_outside_are_refused(tmp_path: Path) -> None:
    unpack(packed(tmp_path / "pieces"), tmp_path / "there")
    contents = Contents()
    contents.add_file("other.bin", b"1")
    other = contents.write(tmp_path / "other", 10_000_000)
    with pytest.raises(PieceError, match="of another pack"):
        unpack(other, tmp_path / "there")
    outside = tmp_path / "outside" / "piece-01.tar"
    outside.parent.mkdir()
    with tarfile.open(outside, "w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"), io.BytesIO(b""))
    with pytest.raises(PieceError, match="is not a piece"):
        unpack([outside], tmp_path / "elsewhere")


def test_a_limit_below_a_part_is_refused_and_sizes_are_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a piece of 50,000 bytes is too small"):
        packed(tmp_path, 50_000)
    assert [size(text) for text in ("60M", "500k", "1G", "7")] == [60_000_000, 500_000, 10**9, 7]
    for wrong in ("", "0", "60 M", "-1M", "60MiB", "1.5M"):
        with pytest.raises(ValueError, match="is no size"):
            size(wrong)


def test_the_source_is_what_git_tracks_without_results() -> None:
    carried = {name: (data, executable) for name, data, executable in pack.source()}
    assert {"run_benchmark.py", "tools/gpu/unpack.py", "tests/conftest.py", "pyproject.toml"} <= carried.keys()
    assert [name for name in carried if name.startswith(("results/", "data", "cache"))] == ["results/.keep"]
    assert carried["run_benchmark.py"][0] == (pack.ROOT / "run_benchmark.py").read_bytes()
    assert carried["commit.txt"][0].strip()


def test_a_copy_without_a_repository_has_the_commit_that_came_with_it(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) is None
    (tmp_path / environment.PACKED_COMMIT).write_text("0123456789-dirty\n")
    assert environment.commit(tmp_path) == "0123456789-dirty"


def test_a_rehearsal_takes_made_up_images_and_the_results_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    monkeypatch.setattr(pack, "source", lambda: [("run.py", b"1", True)])
    runs = tmp_path / "rehearsal" / "digits" / "runs" / "margin"
    runs.mkdir(parents=True)
    (runs / "supervised-seed0.jsonl").write_bytes(b"a line\n")
    (runs / ".acqbench-0.tmp").write_bytes(b"half a li")
    (tmp_path / "rehearsal" / "digits" / "README.md").write_bytes(b"derived")
    wheel = tmp_path / "pure-1.0-py3-none-any.whl"
    wheel.write_bytes(b"zip")
    options = argparse.Namespace(max_piece="60M", rehearse=True, wheels=[wheel], output=tmp_path / "out")
    pieces = pack.pack(options)
    assert (tmp_path / "out" / "unpack.py").read_bytes() == pack.UNPACK.read_bytes()
    written, waiting = unpack(pieces, tmp_path / "there")
    assert written == ["the source", "results", f"wheels/{wheel.name}", "data/rehearsal.npz"]
    assert not waiting
    carried = sorted(path.name for path in (tmp_path / "there" / "rehearsal").rglob("*") if path.is_file())
    assert carried == ["supervised-seed0.jsonl"]
    digest = hashlib.sha256(b"a line\n").hexdigest()
    name = "rehearsal/digits/runs/margin/supervised-seed0.jsonl"
    assert read_manifest(tmp_path / "there" / ".pack")["results"] == {name: digest}
    data = datasets.load(str(tmp_path / "there" / "data" / "rehearsal.npz"))
    assert (len(data.train_labels), data.class_count, data.channels) == (600, 4, 3)


def test_a_wheel_with_compiled_code_and_data_that_are_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "source", list)
    compiled = tmp_path / "fast-1.0-cp312-cp312-linux_x86_64.whl"
    options = argparse.Namespace(max_piece="60M", rehearse=True, wheels=[compiled], output=tmp_path)
    with pytest.raises(ValueError, match="not a wheel of pure Python"):
        pack.pack(options)
    with pytest.raises(ValueError, match="'cifar100' is not in"):
        pack.add_data(Contents(), "cifar100", tmp_path)
    contents = Contents()
    pack.add_data(contents, "digits", tmp_path)  # embedded in scikit-learn
    assert not contents.files
