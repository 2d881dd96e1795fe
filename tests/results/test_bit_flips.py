"""A flipped bit, anywhere in what a campaign leaves: none is silent."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report_lines import header_of, round_of, write_experiment, write_lines

from benchmark.experiment.keys import RunKey
from benchmark.results import seal, store
from benchmark.results.errors import Damaged
from benchmark.results.paths import examples_path, run_path, run_paths, traces_path
from benchmark.results.records import ExamplesRecord, TraceRecord
from benchmark.results.run_file import RunFile

RESULTS = Path(__file__).resolve().parents[2] / "results"
KEY = RunKey("random", "fixmatch", 0)
FLIPS = 1000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a run of four rounds, its traces and examples, and a seal."""
    root = write_experiment(tmp_path_factory.mktemp("results") / "e")
    path = run_path(root, KEY)
    write_lines(path, header_of(KEY, 10), [round_of(i, 10 * (i + 1), 10 * (i < 3)) for i in range(4)])
    with RunFile(path) as file:
        file.append_traces([TraceRecord(i // 2, i, {"loss": i / 3}) for i in range(8)])
        images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
        labels = np.arange(6)
        names = np.array([f"class {i}" for i in range(6)])
        file.write_examples(ExamplesRecord(images, labels, labels[::-1].copy(), labels / 10, labels > 3, names))
    seal.write_seal(root)
    return root


def flips(data: bytes, count: int = FLIPS, seed: int = 0) -> Iterator[bytes]:
    """``data`` with one bit flipped: at random places, and at every bit of the line ends."""
    rng = random.Random(seed)
    places = [(rng.randrange(len(data)), rng.randrange(8)) for _ in range(count)]
    places += [(at, bit) for at, byte in enumerate(data) if byte == 10 for bit in range(8)]
    for at, bit in places:
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        yield bytes(flipped)


READ: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "lines": (lambda root: run_path(root, KEY), lambda root: store.read_run(run_path(root, KEY))),
    "traces": (lambda root: traces_path(run_path(root, KEY)), lambda root: store.read_traces(run_path(root, KEY))),
    "description": (lambda root: root / "experiment.json", store.read_description),
    "seal": (lambda root: root / seal.NAME, seal.read_seal),
}


@pytest.mark.parametrize("what", READ)
def test_no_flip_in_a_file_of_text_is_silent(root: Path, what: str) -> None:
    find, read = READ[what]
    path = find(root)
    whole = path.read_bytes()
    assert read(root)
    try:
        for data in flips(whole):
            path.write_bytes(data)
            with pytest.raises(Damaged) as damage:
                read(root)
            assert "\n" not in str(damage.value)
    finally:
        path.write_bytes(whole)


def test_a_flip_in_examples_is_found_or_changes_no_array(root: Path) -> None:
    """An archive has bytes that nobody reads, such as the time of its members."""
    run = run_path(root, KEY)
    path, expected = examples_path(run), store.read_examples(run)
    whole, found = path.read_bytes(), 0
    try:
        for data in flips(whole):
            path.write_bytes(data)
            try:
                read = store.read_examples(run)
            except Damaged:
                found += 1
                continue
            for name, array in vars(expected).items():
                np.testing.assert_array_equal(getattr(read, name), array, strict=True)
    finally:
        path.write_bytes(whole)
    assert found > FLIPS / 2


@given(st.integers(0), st.integers(1, 255))
def test_no_changed_byte_of_a_run_is_silent(root: Path, at: int, change: int) -> None:
    path = run_path(root, KEY)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[at % len(whole)] ^= change
    other = path.with_name("changed-seed0.jsonl")
    other.write_bytes(changed)
    with pytest.raises(Damaged):
        store.read_run(other)
    other.unlink()


def test_no_flip_in_the_published_lines_is_silent(tmp_path: Path) -> None:
    rng = random.Random(1)
    paths = [path for root in sorted(RESULTS.glob("*/experiment.json")) for path in run_paths(root.parent)]
    for path in rng.sample(paths, 6):
        copy = tmp_path / path.name
        for data in flips(path.read_bytes(), count=10, seed=rng.randrange(10**6)):
            copy.write_bytes(data)
            with pytest.raises(Damaged):
                store.read_run(copy)
