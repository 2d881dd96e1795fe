"""What to conclude from a run on disk and the same run recomputed.

Where all that decides bits is recorded and the same (versions of engine, strategy and learner, their sources, the
data's content, PyTorch, NumPy, SciPy, scikit-learn, device, CPU capability, threads and the backends' settings), the
same bits are promised, and nothing else agrees. Elsewhere a run agrees if it acquired the same labels and its numbers
are close, or if its final accuracy and its area differ by no more than another draw could: by at most t · s · √2, the
95 % prediction interval of the difference of two draws. s is the pooled residual standard deviation of all other runs
on disk with the same label counts, after the means of strategies and of seeds, and t Student's 97.5 % quantile at its
degrees of freedom: three seeds of eight strategies give 13, where those of one strategy give 1 and a limit six times as
wide. Nowhere does a run agree whose header says otherwise of what it is (see ``contradictions``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.summary import area_under_budget_curve
from benchmark.results import environment
from benchmark.results.records import UNKNOWN, RoundRecord, RunHeader, RunRecord
from benchmark.text.terminal import Fitted, words
from benchmark.verification.noise import pooled_noise

TOLERANCE = 1e-3  # relative and absolute, of accuracy (0–1), nll and ece
_MEASURES = ("accuracy", "nll", "ece")
_ACQUIRED = ("num_labelled", "acquired_indices", "acquired_labels", "held_out_indices")
_OF_THE_TRAINING = (*_MEASURES, "bins", "class_accuracy", "checkpoint_accuracies")
_NOT_COMPARED = {
    "seconds",
    "calibration_seconds",
    "shared_training",
}  # they depend on the machine and on who came first
_OF_THE_QUERY = {*_ACQUIRED[1:], "diagnostics"}  # absent after the last budget

Agreement = Literal["bits", "numbers", "none", "incomplete"]


class Finding(NamedTuple):
    """How far two records of a run agree, over their first ``rounds`` rounds; ``where`` they first do not, in words."""

    agreement: Agreement
    rounds: int
    where: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a run's recomputation shows. ``values``: final accuracy and area (0–1), on disk and recomputed.

    ``unlike`` says in words why the same bits are not promised; empty where they are.
    """

    key: RunKey
    agrees: bool
    words: str
    labels: str = ""
    where: str = ""
    values: tuple[tuple[float, float], tuple[float, float]] | None = None
    unlike: tuple[str, ...] = ()


def compare_rounds(old: RunRecord, new: RunRecord, last: int) -> Finding:
    """Compare a run's rounds with those recomputed as ``new``, with budgets up to ``last``.

    A run whose last round acquires nothing had reached its last budget; that it made no query there is no difference.
    """
    rounds = min(len(old.rounds), len(new.rounds))
    if old.header.initial != new.header.initial:
        return Finding("none", rounds, "the initial labels differ")
    ended = not old.rounds[-1].acquired_indices
    found: list[tuple[int, list[str]]] = []
    for number, (before, after) in enumerate(zip(old.rounds, new.rounds, strict=False)):
        skipped = {*_NOT_COMPARED}
        if ended and before.num_labelled < last and number + 1 == len(old.rounds):
            skipped |= _OF_THE_QUERY
        if unlike := [name for name in _unlike(before, after) if name not in skipped]:
            found.append((number, unlike))
    if not ended and len(new.rounds) > len(old.rounds):
        lacking = new.rounds[len(old.rounds)]
        return Finding(
            "incomplete", rounds, f"on disk, round {lacking.round} ({lacking.num_labelled} labels) is missing"
        )
    if not found:
        return Finding("bits", rounds)
    number, unlike = found[0]
    before, after = old.rounds[number], new.rounds[number]
    told = [
        f"{name} {_value(before, name)} on disk, {_value(after, name)} here" for name in unlike if name in _MEASURES
    ]
    told += [name for name in unlike if name not in _MEASURES]
    where = f"from round {number} ({before.num_labelled} labels) on: {'; '.join(told)}"
    same = not any(name in _ACQUIRED for _, unlike in found for name in unlike)
    close = same and all(
        math.isclose(_value(old.rounds[i], name), _value(new.rounds[i], name), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for i, _ in found
        for name in _MEASURES
    )
    return Finding("numbers" if close else "none", rounds, where)


def _unlike(first: RoundRecord, second: RoundRecord) -> list[str]:
    """The names of the fields of ``first`` that differ in ``second``."""
    return [f.name for f in fields(RoundRecord) if not _alike(_value(first, f.name), _value(second, f.name))]


def _alike(first: Any, second: Any) -> bool:
    """Whether two values of a field are equal; of diagnostics those that are on disk: later releases record more."""
    if isinstance(first, Mapping):
        return all(name in second and second[name] == value for name, value in first.items())
    return bool(first == second)


def _value(record: RoundRecord, name: str) -> Any:
    return getattr(record, name)


def judge(old: RunRecord, new: RunRecord | None, last: int, records: Sequence[RunRecord]) -> Verdict:
    """The verdict on the run ``old``, recomputed as ``new`` up to the budget ``last``, among all ``records``."""
    if new is None or not new.rounds:
        return Verdict(old.key, True, "not computed")  # stopped, or failed, which has a line of its own
    finding = compare_rounds(old, new, last)
    counts = old.label_counts[: finding.rounds]
    values = _values(old, finding.rounds), _values(new, finding.rounds)
    labels = f"{counts[0]}–{counts[-1]}" if len(counts) > 1 else str(counts[0])
    unlike = deciding_differences(old.header, new.header)
    where = finding.where
    if wrong := contradictions(old.header, new.header):
        words, agrees, where = "its header says otherwise", False, "; ".join(filter(None, [wrong, where]))
    elif finding.agreement == "bits":
        words, agrees = "the same bits", True
    elif finding.agreement == "incomplete":
        words, agrees = "a round is missing on disk", False
    elif not unlike:
        words, agrees = "differs, where the same bits are promised", False
    elif finding.agreement == "numbers":
        words, agrees = "the same labels acquired, numbers close", True
    else:
        words, agrees = _against_noise(old, values, counts, records)
    if finding.rounds < len(old.rounds):
        words += f"; {finding.rounds} of {len(old.rounds)} rounds"
    return Verdict(old.key, agrees, words, labels, where, values, tuple(unlike))


def contradictions(old: RunHeader, new: RunHeader) -> str:
    """What the header on disk says of a run, for its ranking and the pairing of seeds, and is not so here, in words.

    Empty where all is so; what is not recorded contradicts nothing.
    """
    facts = ("diagnostic", "feature_seed", *(["strategy_check"] if old.strategy_check is not None else []))
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in facts)
    return "; ".join(
        f"{name} {there} on disk, {here} here" for name, there, here in pairs if there not in (here, UNKNOWN)
    )


def deciding_differences(old: RunHeader, new: RunHeader) -> list[str]:
    """What decides bits and is not the same in two headers, in words; the same bits are promised where it is empty."""
    pairs = {
        "engine": (old.engine_version, new.engine_version),
        "strategy's version": (old.strategy_version, new.strategy_version),
        "learner's version": (old.learner_version, new.learner_version),
        "strategy's source": (old.strategy_source_sha256, new.strategy_source_sha256),
        "learner's source": (old.learner_source_sha256, new.learner_source_sha256),
        "network's source": (old.model_source_sha256, new.model_source_sha256),
        "data": (old.dataset.sha256, new.dataset.sha256),
    }
    found = [
        f"{name} {_short(here)} here, {_short(there)} there" for name, (there, here) in pairs.items() if there != here
    ]
    return found + environment.differences(old.environment, new.environment)


def _short(value: int | str | None) -> str:
    return value[:12] if isinstance(value, str) else str(value)


def _against_noise(
    old: RunRecord, values: tuple[tuple[float, float], ...], counts: list[int], records: Sequence[RunRecord]
) -> tuple[str, bool]:
    """Whether final accuracy and area are within the noise of the other runs on disk."""
    others = {
        record.key: _values(record, len(counts))
        for record in records
        if record.key != old.key and record.label_counts[: len(counts)] == counts
    }
    measures = ["final accuracy", "area"] if len(counts) > 1 else ["accuracy"]
    outside = []
    for i, what in enumerate(measures):
        noise = pooled_noise({key: value[i] for key, value in others.items()}) if others else None
        if noise is None:
            return "differs, and there are too few other runs to tell noise from error", False
        if not noise.allows(values[0][i], values[1][i]):
            outside.append(what)
    if outside:
        return f"differs, {' and '.join(outside)} beyond the noise of other runs", False
    return "differs, within the noise of other runs", True


def judge_round(old: RunRecord, new: RunRecord | None, labels: int, records: Sequence[RunRecord]) -> Verdict:
    """The verdict on the round of ``old`` with so many ``labels``, trained again as ``new``, among all ``records``."""
    if new is None or not new.rounds:
        return Verdict(old.key, True, "not computed", str(labels))
    before, after = old.rounds[old.label_counts.index(labels)], new.rounds[0]
    unlike = deciding_differences(old.header, new.header)
    differing = [name for name in _OF_THE_TRAINING if not _alike(_value(before, name), _value(after, name))]
    told = [f"{name} {_value(before, name)} on disk, {_value(after, name)} here" for name in differing[:1]]
    where = f"at {labels} labels: {'; '.join(told)}" if told else ""
    close = all(
        math.isclose(_value(before, name), _value(after, name), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for name in _MEASURES
    )
    if wrong := contradictions(old.header, new.header):
        words, agrees, where = "its header says otherwise", False, "; ".join(filter(None, [wrong, where]))
    elif not differing:
        words, agrees = "the same bits", True
    elif not unlike:
        words, agrees = "differs, where the same bits are promised", False
    elif close:
        words, agrees = "numbers close", True
    else:
        there = {
            record.key: record.rounds[record.label_counts.index(labels)].accuracy
            for record in records
            if record.key != old.key and labels in record.label_counts
        }
        noise = pooled_noise(there) if there else None
        if noise is None:
            words, agrees = "differs, and there are too few other runs to tell noise from error", False
        elif noise.allows(before.accuracy, after.accuracy):
            words, agrees = "differs, within the noise of other runs", True
        else:
            words, agrees = "differs, accuracy beyond the noise of other runs", False
    values = (before.accuracy, before.accuracy), (after.accuracy, after.accuracy)
    return Verdict(old.key, agrees, words, str(labels), where, values, tuple(unlike))


def _values(record: RunRecord, rounds: int) -> tuple[float, float]:
    """Final accuracy and area of the first rounds."""
    accuracy = [round_.accuracy for round_ in record.rounds[:rounds]]
    return accuracy[-1], area_under_budget_curve(record.label_counts[:rounds], accuracy)


def show(verdicts: list[Verdict], console: Console) -> None:
    """Print a line a run, and below the table where the runs that differ do so."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("run", "labels", "final", "here", "area", "here", "verdict"):
        table.add_column(title, justify="left" if title in ("run", "verdict") else "right", overflow="fold")
    for v in verdicts:
        cells = ["", "", "", ""]
        if v.values is not None:
            cells = [f"{100 * side[i]:.2f}" for i in (0, 1) for side in v.values]
        table.add_row(words(str(v.key)), v.labels, *cells, Text(v.words, "" if v.agrees else "red"))
    console.print(Fitted(table))
    for v in verdicts:
        if v.where:
            console.print(f"{v.key}: {v.where}", markup=False, soft_wrap=True)
    for why in dict.fromkeys("; ".join(v.unlike) for v in verdicts if v.unlike):
        console.print(f"the same bits are not promised: {why}", markup=False, soft_wrap=True)
