"""A run's lines follow from one another: what contradicts them is damage, although every line is well-formed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import header_of, round_of, write_lines

from benchmark.experiment.keys import RunKey
from benchmark.results import lines, store
from benchmark.results.errors import Damaged
from benchmark.results.records import LabelsRecord, RoundRecord, RunHeader
from benchmark.results.run_file import RunFile
from benchmark.results.run_lines import RunLines

HEADER = header_of(RunKey("random", "supervised", 0), 10)
BINS = ((4, 0.25, 1), (0, 0.0, 0), (6, 0.75, 5))
MEASURED = {"bins": BINS, "accuracy": 0.6, "ece": 0.05, "class_accuracy": (0.5, None, 0.75)}


def record_of(number: int, **changes: object) -> RoundRecord:
    return round_of(number, 10 * (number + 1), 10, **changes)


def measured(number: int, **changes: object) -> RoundRecord:
    return record_of(number, **{**MEASURED, **changes})


def rounds(*records: RoundRecord, header: RunHeader = HEADER) -> list[RoundRecord]:
    taken = RunLines()
    taken.begin(header)
    for record in records:
        taken.add(record)
    return taken.rounds


def test_what_fits_together_is_taken() -> None:
    """Also rounds without bins, and images held out of those that were acquired before or now."""
    plain = [record_of(0, held_out_indices=(3, 12)), record_of(1), round_of(2, 30)]
    assert rounds(*plain) == plain
    full = [measured(0), measured(1, bins=((10, 0.5, 6),), ece=0.1)]
    assert rounds(*full) == full


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record_of(1)], "round 0 is missing"),
        ([record_of(0), record_of(2)], "round 1 is missing"),
        ([round_of(0, 20, 10)], "round 0 has num_labelled 20, but 10 labels were acquired before it"),
        ([record_of(0), round_of(1, 10, 10)], "round 1 has num_labelled 10, but 20 labels"),
        ([round_of(0, 10), round_of(1, 10)], "round 1 follows round 0, which acquired nothing"),
        ([record_of(0, acquired_indices=(*range(10, 19), 10))], "image 10 was acquired twice"),
        ([record_of(0, acquired_indices=(*range(11, 20), 9))], "image 9 was acquired, but it had been"),
        ([record_of(0), record_of(1, acquired_indices=(*range(21, 30), 10))], "image 10 was acquired, but it had"),
        ([record_of(0, held_out_indices=(20,))], "image 20 is held out, but it has no label"),
        ([measured(0), measured(1, class_accuracy=(0.5, 0.75))], "class_accuracy has 2 entries, but 3 in the first"),
        ([measured(0, acquired_labels=(3,) * 10)], "acquired_labels has class 3, but class_accuracy 3 entries"),
        ([measured(0), measured(1, bins=((9, 0.5, 6),))], "bins count 9 test images, but another number"),
        ([measured(0, class_accuracy=(0.7, 0.8, None))], "accuracy 0.6 is not between those of the classes"),
        ([measured(0, bins=((4, 0.25, 5), (6, 0.75, 1)))], "bins have more correct images than images"),
        ([measured(0, accuracy=0.5)], "accuracy 0.5 does not follow from bins, which have 6 of 10 correct"),
        ([measured(0, ece=0.06)], "ece 0.06 does not follow from bins, which give 0.05"),
    ],
)
def test_what_contradicts_the_lines_before_is_neither_written_nor_read(
    tmp_path: Path, records: list[RoundRecord], message: str
) -> None:
    path = tmp_path / "e" / "runs" / "random" / "supervised-seed0.jsonl"
    write_lines(path, HEADER, records)
    with pytest.raises(Damaged, match=f"line {len(records) + 1}: {message}"):
        store.read_run(path)
    path.unlink()
    with RunFile(path) as file:
        file.append_header(HEADER)
        for record in records[:-1]:
            file.append_round(record)
        before = path.read_bytes()
        with pytest.raises(ValueError, match=message):
            file.append_round(records[-1])
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (LabelsRecord((1, 2, 1), (0, 0, 0), ()), "image 1 was acquired twice"),
        (LabelsRecord((1, 2), (0, 0), (3,)), "image 3 is held out, but it has no label"),
    ],
)
def test_initial_labels_must_fit_together(tmp_path: Path, initial: LabelsRecord, message: str) -> None:
    path = write_lines(tmp_path / "supervised-seed0.jsonl", replace(HEADER, initial=initial), [])
    with pytest.raises(Damaged, match=f"line 1: {message}"):
        store.read_run(path)


def test_a_later_line_of_a_round_replaces_it() -> None:
    longer = [record_of(0, accuracy=0.1), round_of(1, 20, accuracy=0.2), record_of(1, accuracy=0.3), round_of(2, 30)]
    assert rounds(*longer) == [longer[0], longer[2], longer[3]]


def test_the_rounds_behind_a_replaced_one_stay_only_if_they_follow_from_it() -> None:
    began = [record_of(0), record_of(1), record_of(2)]
    same = record_of(0, accuracy=0.75)
    assert rounds(*began, same) == [same, *began[1:]]
    other = record_of(0, acquired_indices=tuple(range(50, 60)))
    assert rounds(*began, other) == [other]
    labels = record_of(1, acquired_labels=(1,) * 10)
    assert rounds(*began, labels) == [began[0], labels]
    with pytest.raises(ValueError, match="image 50 was acquired, but it had been acquired before"):
        rounds(*began, other, record_of(1, acquired_indices=tuple(range(50, 60))))
    assert rounds(*began, other, record_of(1)) == [other, record_of(1)]


@pytest.mark.parametrize("change", ["lost", "exchanged", "doubled", "two headers"])
def test_whole_lines_in_another_order_are_damage(tmp_path: Path, change: str) -> None:
    path = write_lines(tmp_path / "supervised-seed0.jsonl", HEADER, [record_of(i) for i in range(4)])
    header, *whole = path.read_bytes().splitlines(keepends=True)
    changed = {
        "lost": [header, whole[0], *whole[2:]],
        "exchanged": [header, whole[0], whole[2], whole[1], whole[3]],
        "doubled": [header, whole[0], whole[0], *whole[1:]],
        "two headers": [header, header, *whole],
    }[change]
    path.write_bytes(b"".join(changed))
    with pytest.raises(Damaged, match=r"it does not follow the line before|its field .kind. is not .round."):
        store.read_run(path)


def test_a_line_with_checksums_within_is_sealed_by_its_last(tmp_path: Path) -> None:
    """Names of libraries are anyone's: an object that ends like a line is none."""
    tricky = replace(HEADER.environment, libraries={"a": "1", "sha256": "0" * 64})
    path = write_lines(tmp_path / "supervised-seed0.jsonl", replace(HEADER, environment=tricky), [record_of(0)])
    record = store.read_run(path)
    assert record is not None
    assert record.header.environment == tricky
    header, _ = path.read_bytes().splitlines(keepends=True)
    assert b',"sha256":"' + b"0" * 64 + b'"}' in header
    assert not lines.split(header)[0].problem
    assert lines.split(header.rstrip(b"\n") + b"X")[0].problem == "its newline is not there"
