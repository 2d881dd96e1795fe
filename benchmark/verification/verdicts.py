"""What is said of a run on disk when it has been computed again.

Where engine, PyTorch and device are those of the header, the same bits are promised, and nothing else agrees. Elsewhere
a run agrees if its purchases are the same and its numbers close, or if its final accuracy and its area differ by no
more than another draw of the seed could: by at most t · s · √2, with s the standard deviation over the other m seeds of
the strategy on disk and t Student's 97.5 % quantile at m − 1 degrees of freedom, which is the 95 % prediction interval
of the difference of two draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.campaign.plan import Run
from benchmark.reports.statistics.summary import area_under_budget_curve, mean_and_sd, t_quantile
from benchmark.results.store import RunRecord

TOLERANCE = 1e-3  # relative and absolute, of accuracy (0–1), nll and ece
_MEASURES = ("accuracy", "nll", "ece")
_PURCHASE = ("labels", "bought", "answers", "held_out")
_NOT_COMPARED = ("seconds", "shared")  # they depend on the machine, and on who came first
_OF_THE_QUERY = {*_PURCHASE[1:], "diagnostics"}  # absent where a ladder ends

Agreement = Literal["bits", "numbers", "none", "incomplete"]


class Finding(NamedTuple):
    """How far two records of a run agree, over their first ``rounds`` rounds; ``where`` they first do not, in words."""

    agreement: Agreement
    rounds: int
    where: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is said of a run. ``values``: final accuracy and area (0–1), on disk and computed again."""

    run: Run
    agrees: bool
    words: str
    labels: str = ""
    where: str = ""
    values: tuple[tuple[float, float], tuple[float, float]] | None = None


def compare_lines(old: RunRecord, new: RunRecord, last: int) -> Finding:
    """Compare a run's lines with those computed ``new``, on a ladder up to ``last``.

    A run whose last round buys nothing ended its ladder there; a purchase is not missed in it.
    """
    rounds = min(len(old.rounds), len(new.rounds))
    if old.header.get("initial") != new.header.get("initial"):
        return Finding("none", rounds, "the initial labels differ")
    ended = not old.rounds[-1]["bought"]
    found: list[tuple[int, list[str]]] = []
    for number, (before, after) in enumerate(zip(old.rounds, new.rounds, strict=False)):
        skipped = {*_NOT_COMPARED}
        if ended and before["labels"] < last and number + 1 == len(old.rounds):
            skipped |= _OF_THE_QUERY
        keys = [key for key in dict.fromkeys([*before, *after]) if key not in skipped]
        if unlike := [key for key in keys if before.get(key) != after.get(key)]:
            found.append((number, unlike))
    if not ended and len(new.rounds) > len(old.rounds):
        lacking = new.rounds[len(old.rounds)]
        return Finding(
            "incomplete", rounds, f"on disk, round {lacking['round']} ({lacking['labels']} labels) is missing"
        )
    if not found:
        return Finding("bits", rounds)
    number, unlike = found[0]
    before, after = old.rounds[number], new.rounds[number]
    told = [f"{key} {before.get(key)} on disk, {after.get(key)} here" for key in unlike if key in _MEASURES]
    told += [key for key in unlike if key not in _MEASURES]
    where = f"from round {number} ({before['labels']} labels) on: {'; '.join(told)}"
    same = not any(key in _PURCHASE for _, unlike in found for key in unlike)
    close = same and all(
        math.isclose(old.rounds[i][key], new.rounds[i][key], rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for i, _ in found
        for key in _MEASURES
    )
    return Finding("numbers" if close else "none", rounds, where)


def within_noise(old: float, new: float, others: Sequence[float]) -> bool | None:
    """Whether two draws differ by no more than the 95 % prediction interval; None for fewer than 2 ``others``."""
    sd = mean_and_sd(others)[1]
    if not math.isfinite(sd):
        return None
    return abs(new - old) <= t_quantile(0.975, len(others) - 1) * sd * math.sqrt(2)


def judge(point: Run, old: RunRecord, new: RunRecord | None, last: int, records: list[RunRecord]) -> Verdict:
    """What is said of the run ``old`` computed ``new``, of a ladder up to ``last``; ``records``, the experiment's."""
    if new is None or not new.rounds:
        return Verdict(point, True, "not computed")  # stopped, or failed, which has a line of its own
    finding = compare_lines(old, new, last)
    counts = old.labels[: finding.rounds]
    values = _values(old, finding.rounds), _values(new, finding.rounds)
    labels = f"{counts[0]}–{counts[-1]}" if len(counts) > 1 else str(counts[0])
    if finding.agreement == "bits":
        words, agrees = "the same bits", True
    elif finding.agreement == "incomplete":
        words, agrees = "a round is missing on disk", False
    elif _same_bits_promised(old.header, new.header):
        words, agrees = "differs, where the same bits are promised", False
    elif finding.agreement == "numbers":
        words, agrees = "the same purchases, numbers close", True
    else:
        words, agrees = _against_noise(old, values, counts, records)
    if finding.rounds < len(old.rounds):
        words += f"; {finding.rounds} of {len(old.rounds)} rounds"
    return Verdict(point, agrees, words, labels, finding.where, values)


def _same_bits_promised(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether engine, PyTorch and device are the same."""
    return [old["engine"], old["versions"].get("torch"), old["device"]] == [
        new["engine"],
        new["versions"].get("torch"),
        new["device"],
    ]


def _against_noise(
    old: RunRecord, values: tuple[tuple[float, float], ...], counts: list[int], records: list[RunRecord]
) -> tuple[str, bool]:
    """Whether final accuracy and area are within seed noise, judged by the strategy's other seeds on disk."""
    others = [
        _values(record, len(counts))
        for record in records
        if all(record.header[key] == old.header[key] for key in ("strategy", "learner"))
        and record.header["seed"] != old.header["seed"]
        and record.labels[: len(counts)] == counts
    ]
    inside = [within_noise(a, b, [other[i] for other in others]) for i, (a, b) in enumerate(zip(*values, strict=True))]
    if None in inside:
        return "differs, and there are too few other seeds to tell noise from error", False
    if all(inside):
        return "differs, within seed noise", True
    outside = " and ".join(what for what, ok in zip(("final accuracy", "area"), inside, strict=True) if not ok)
    return f"differs, {outside} beyond seed noise", False


def _values(record: RunRecord, rounds: int) -> tuple[float, float]:
    """Final accuracy and area of the first rounds."""
    accuracy = [line["accuracy"] for line in record.rounds[:rounds]]
    return accuracy[-1], area_under_budget_curve(record.labels[:rounds], accuracy)


def show(verdicts: list[Verdict], console: Console) -> None:
    """Print a line a run, and below the table where the runs that differ do so."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("run", "labels", "final", "here", "area", "here", "verdict"):
        table.add_column(title, justify="left" if title in ("run", "verdict") else "right", overflow="fold")
    for v in verdicts:
        cells = ["", "", "", ""]
        if v.values is not None:
            cells = [f"{100 * side[i]:.2f}" for i in (0, 1) for side in v.values]
        table.add_row(Text(str(v.run)), v.labels, *cells, Text(v.words, "" if v.agrees else "red"))
    console.print(table)
    for v in verdicts:
        if v.where:
            console.print(f"{v.run}: {v.where}", markup=False, soft_wrap=True)
