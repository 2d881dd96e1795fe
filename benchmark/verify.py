"""Runs on disk computed again, and compared line by line with what the lines say.

A few runs are drawn at random and recomputed in a temporary folder by the experiment's own protocol, the one in its
experiment.json, with a cache of their own: the shared round 0 and the self-supervised features are computed anew too.
Nothing is written where the runs lie.

Where engine, PyTorch and device are those of the header, the same bits are promised, and nothing else agrees. Elsewhere
a run agrees if its purchases are the same and its numbers close, or if its final accuracy and its area differ by no
more than another draw of the seed could: by at most t · s · √2, with s the standard deviation over the other m seeds of
the strategy on disk and t Student's 97.5 % quantile at m − 1 degrees of freedom, which is the 95 % prediction interval
of the difference of two draws.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark import checks, learners, run, store
from benchmark.blueprint import blueprint
from benchmark.grid import Planned, Run
from benchmark.protocol import Protocol, ProtocolError, from_dict
from benchmark.reports.console import for_console
from benchmark.reports.curves import RUN, select
from benchmark.reports.settings import differing, headers_say, settings_table
from benchmark.reports.statistics import area_under_budget_curve, mean_and_sd, t_quantile
from benchmark.reports.words import name
from benchmark.run import DONE, FAILED, UNFINISHED, Options, Places
from benchmark.store import Experiment, RunRecord, StoreError
from strategies.registry import Spec, resolve

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


def verify(
    root: Path,
    sample: int,
    options: Options,
    console: Console,
    specs: Sequence[Spec] | None = None,
    learner_names: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
) -> int:
    """Recompute ``sample`` runs of the experiment at ``root``, drawn among those selected, and print the verdicts.

    Returns the exit status: 0 if all agree, 1 if one does not or failed, 3 if the time limit came first. Raises
    ValueError (and OSError) with one line where nothing can be computed.
    """
    began = time.time()
    torch.set_num_threads(1)
    experiment = store.read_experiment(root)
    protocol = _protocol(experiment, console)
    device = checks.device(options.device)
    named = None if specs is None else {spec.canonical: spec for spec in specs}
    selection = select(experiment, named, learner_names, seeds)
    for note in selection.notes:
        console.print(note, markup=False, soft_wrap=True)
    candidates = _resolved(selection.runs, named or {}, console)
    if not candidates:
        raise StoreError(f"{root}: none of its runs can be computed again here")
    drawn = sorted(random.Random().sample(range(len(candidates)), min(sample, len(candidates))))
    chosen = [candidates[i] for i in drawn]
    records = [record for record, _ in chosen]
    protocol = protocol.override(budgets=_budgets(protocol, records))
    with tempfile.TemporaryDirectory(prefix="acqbench-verify-") as folder:
        places = Places(options.places.data, Path(folder) / "results", Path(folder) / "cache")
        again = places.results / experiment.name
        planned = [
            Planned(point, store.run_path(again, point.spec.canonical, point.learner, point.seed), done=False)
            for _, point in chosen
        ]
        data = checks.data(protocol, [point.spec for _, point in chosen], again, places.data)
        _same_data(records, data.sha256, root)
        console.print(
            f"computing {len(chosen)} of {len(candidates)} runs in {root} again: "
            + "; ".join(str(point) for _, point in chosen),
            markup=False,
            soft_wrap=True,
        )
        blueprint(protocol.model.name, protocol.model.parameters, data)
        jobs = run.jobs_of(protocol, planned, data.sha256, device, replace(options, places=places), began)
        with run.executor_for(protocol, options, device, len(planned)) as executor:
            status = run.compute(protocol, planned, jobs, data, executor, console)
        recomputed = [store.read_run(p.path) if p.path.exists() else None for p in planned]
    verdicts = [
        _verdict(point, record, new, protocol.budgets[-1], select(experiment).runs)
        for (record, point), new in zip(chosen, recomputed, strict=True)
    ]
    _show(verdicts, console)
    computed = [(old, new) for old, new in zip(records, recomputed, strict=True) if new is not None]
    said = [headers_say(record.header for record in side) for side in zip(*computed, strict=True)]
    if said and (settings := differing(*said)):
        console.print(for_console(settings_table(settings, "on disk", "here")))
    if status == FAILED or not all(verdict.agrees for verdict in verdicts):
        return FAILED
    if status == UNFINISHED:
        console.print("stopped at the time limit: not all rounds were compared")
        return UNFINISHED
    return DONE


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


def _protocol(experiment: Experiment, console: Console) -> Protocol:
    try:
        protocol = from_dict(experiment.protocol)
    except ProtocolError as error:
        raise ProtocolError(f"{experiment.root / 'experiment.json'}: {error}") from error
    if protocol.oracle == "person":
        raise ProtocolError(f"{experiment.root}: a person answered; that cannot be computed again")
    if protocol.fingerprint != experiment.fingerprint:
        console.print(
            f"{experiment.root}: computed by a version in which its settings had another fingerprint "
            f"({experiment.fingerprint[:8]}, here {protocol.fingerprint[:8]})",
            markup=False,
            soft_wrap=True,
        )
    return protocol


def _resolved(records: list[RunRecord], named: dict[str, Spec], console: Console) -> list[tuple[RunRecord, Run]]:
    """The runs whose strategies and learners are here, with the source that computed them; the others are named."""
    found, left_out = [], {}
    for record in records:
        strategy, learner, seed = (record.header[field] for field in RUN)
        try:
            spec = named.get(strategy) or resolve(strategy)
            learners.build(learner)
        except ValueError as error:
            left_out[name(strategy, learner, learner != "supervised")] = str(error)
            continue
        if spec.source_sha256 == record.header["plugin_sha256"]:
            found.append((record, Run(spec, learner, seed)))
        else:
            left_out[strategy] = "its source has changed"
    for who, why in left_out.items():
        console.print(f"left out: {who}: {why}", markup=False, soft_wrap=True)
    return found


def _budgets(protocol: Protocol, records: list[RunRecord]) -> list[int]:
    """As far as the longest of the runs went; to the ladder's end where one was to go on."""
    if any(record.rounds[-1]["bought"] for record in records):
        return list(protocol.budgets)
    reached = max(record.labels[-1] for record in records)
    return [labels for labels in protocol.budgets if labels <= reached] or list(protocol.budgets)


def _same_data(records: list[RunRecord], sha256: str, root: Path) -> None:
    for recorded in (record.header["dataset"]["sha256"] for record in records):
        if recorded != sha256:
            raise ProtocolError(
                f"the data are not those that the runs in {root} were computed on (SHA-256 {sha256[:12]}, not "
                f"{recorded[:12]}): put the same data in place"
            )


def _verdict(point: Run, old: RunRecord, new: RunRecord | None, last: int, records: list[RunRecord]) -> Verdict:
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


def _show(verdicts: list[Verdict], console: Console) -> None:
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
