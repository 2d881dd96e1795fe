"""What the comparison covers: where it ends, what it leaves out, and which runs differ from the others."""

from __future__ import annotations

from benchmark.reports.data import Report
from benchmark.reports.sections.section import Section


def notes(report: Report) -> list[str]:
    """Where the comparison ends, strategies and seeds left out, runs that differ from most, and diagnostics."""
    first, source = report.views[0], report.source
    found = [
        *_ends(report),
        *starts(report),
        first.scope,
        *report.selection_notes,
        *first.notes,
        *source.footnotes,
        source.unranked.diagnostic_note,
        source.published,
    ]
    return [note for note in found if note]


def _ends(report: Report) -> list[str]:
    """Where the comparison of areas ends, if before the last label count of some run, and the strategies not in it."""
    summary, last = report.views[-1].summary, report.last
    end = summary["labels"].iloc[0]
    notes = []
    if end < last and end < report.curves["labels"].max():
        notes.append(f"Areas and final accuracies end at {end} labels: not all strategies reach {last}.")
    absent = summary.loc[summary["n"] == 0, "strategy"].unique()
    if len(absent):
        notes.append(f"Not compared at {end} labels: {', '.join(absent)}.")
    return notes


def starts(report: Report) -> list[str]:
    """Who chose its own initial labels, where the protocol lets strategies do so, and what is paired all the same."""
    protocol = report.source.protocol
    if protocol.get("initial") != "strategy" or protocol.get("replay"):
        return []
    initial = {(run.key.strategy, run.key.seed): run.header.initial.acquired_indices for run in report.runs}
    drawn = {seed: set(indices) for (strategy, seed), indices in initial.items() if strategy == report.reference}
    own = {who for (who, seed), indices in initial.items() if seed in drawn and set(indices) != drawn[seed]}
    if not own:
        return []
    return [
        f"These strategies chose their initial labels themselves: {', '.join(sorted(own))}; the others of a seed "
        f"share those of {report.reference}. All strategies of a seed share the streams of weights, batches and "
        "dropout, but a difference between a strategy that chose its own and one that did not includes that choice, "
        "from the first label count on."
    ]


SECTION = Section("What the comparison covers", notes=notes)
