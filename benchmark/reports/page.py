"""A report: the files that an experiment's lines become, and its results page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.reports import citing, html, render, style
from benchmark.reports.curves import select, tidy, write_curves
from benchmark.reports.diagnostics import diagnostics_table, loss_ranking
from benchmark.reports.figures import budget_figure
from benchmark.reports.findings import Findings, comparison_tables, findings, write_comparison_figures
from benchmark.reports.provenance import Provenance, count, provenance, ranges
from benchmark.reports.ranking import ranking_figure
from benchmark.reports.statistics import BASELINE, GROUP, comparable, intervals, keys, summarise, verdicts
from benchmark.reports.tables import accuracy_table, summary_table
from benchmark.store import RunRecord, read_experiment, write_atomically

# The tables that stand on the results page, with their titles; the others are linked.
TABLES = {
    "summary": "Summary",
    "accuracy": "Accuracy",
    "tests": "Tests by seed",
    "labels": "Labels saved",
    "cost": "Cost",
    "diagnostics": "Diagnostics",
}


@dataclass(frozen=True)
class Report:
    """An experiment's runs as data: the tidy curves, the two tables behind the printed ones, and plain words.

    ``accuracy``: strategy, learner, labels, mean, sd, low, high, n. ``summary``: see ``statistics.summarise``.
    ``diagnostics``: see ``diagnostics.loss_ranking``. ``last`` is the label count aimed at;
    ``runs`` are those that are shown; ``findings`` are the tests, savings and costs.
    """

    root: Path
    curves: pd.DataFrame
    accuracy: pd.DataFrame
    summary: pd.DataFrame
    diagnostics: pd.DataFrame
    notes: list[str]
    source: Provenance
    last: int
    runs: list[RunRecord]
    findings: Findings


def read_report(
    root: Path,
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
    baseline: str = BASELINE,
    target: float | None = None,
) -> Report:
    """The report of the experiment at ``root``, from its lines alone; writes nothing.

    The first arguments select runs, None all of them; strategies and learners in canonical form. ``baseline`` is the
    strategy that all are tested against besides random, ``target`` the accuracy (0–1) whose labels are counted, by
    default random's final one. Raises ValueError if
    ``root`` holds no experiment, or no complete round of the selection.
    """
    experiment = read_experiment(root)
    selection = select(experiment, strategies, learners, seeds, budgets)
    curves = tidy(selection.runs, budgets)
    shared, left_out = comparable(curves)
    accuracy = intervals(shared, "accuracy")
    summary = summarise(curves, selection.last)
    source = provenance(experiment, selection.runs)
    notes = [*verdicts(summary), *_behind(summary, selection.last), *selection.notes, *left_out, *source.footnotes]
    notes += [source.cheats] if source.cheats else []
    diagnostics = loss_ranking(selection.runs, curves, selection.last)
    found = findings(selection.runs, curves, summary, selection.last, baseline, target)
    notes += found.notes
    runs, last = selection.runs, selection.last
    return Report(root, curves, accuracy, summary, diagnostics, notes, source, last, runs, found)


def write_report(root: Path, baseline: str = BASELINE, target: float | None = None) -> Report:
    """Write curves.csv, tables/, figures/, README.md and index.html of all the runs at ``root``; see ``read_report``.

    In the folder above, index.html becomes the overview of all experiments there. The same lines give the same bytes.
    """
    report = read_report(root, baseline=baseline, target=target)
    source = report.source
    write_curves(report.curves, root / "curves.csv")
    tables = [accuracy_table(report.accuracy, report.summary, source), summary_table(report.summary, source)]
    if len(report.diagnostics):
        tables.append(diagnostics_table(report.diagnostics, source))
    tables += comparison_tables(report.findings, report.summary, source)
    for table in tables:
        render.write(table, root / "tables")
    write_atomically(root / "tables" / "strategies.bib", citing.bibliography(source).encode())
    ranking = ranking_figure(report.curves, report.last, source.cheating)
    if report.curves["labels"].nunique() > 1:
        figure = budget_figure(report.curves, report.last, source.plugins, source.cheating, keys(report.summary))
        style.save(figure, root / "figures" / "accuracy")
        style.save(ranking, root / "figures" / "areas")
    else:
        style.save(ranking, root / "figures" / "accuracy")
    figures = write_comparison_figures(
        report.findings, report.runs, report.curves, report.summary, source, root / "figures"
    )
    write_atomically(root / "README.md", results_page(report, tables, figures).encode())
    printed = {table.name: table for table in tables}
    shown = {title: printed[name] for name, title in TABLES.items() if name in printed}
    html.write_pages(report, shown, _facts(report), _command(source, _counts(report)))
    return report


def _behind(summary: pd.DataFrame, last: int) -> list[str]:
    """Where the comparison of areas ends, if before ``last``, and who is not in it."""
    end = summary["labels"].iloc[0]
    notes = []
    if end < last:
        notes.append(f"Areas and final accuracies end at {end} labels: not all strategies reach {last}.")
    absent = summary.loc[summary["n"] == 0, "strategy"].unique()
    if len(absent):
        notes.append(f"Not in the comparison at {end} labels: {', '.join(absent)}.")
    return notes


def results_page(report: Report, tables: Sequence[render.Table], figures: Mapping[str, str]) -> str:
    """README.md: the verdict, figure and tables, what ran, how to run it again and how to cite it.

    ``figures`` are those besides accuracy and areas: the names of their files and their titles.
    """
    source, protocol = report.source, report.source.protocol
    counts = _counts(report)
    altered = protocol.get("name", source.experiment) != source.experiment
    printed = {table.name: table for table in tables}
    more = [f"- {title}: [figure](figures/{name}.png)" for name, title in figures.items()]
    more += [
        f"- {printed[name].caption.split(':')[0]}: [table](tables/{name}.md)" for name in printed if name not in TABLES
    ]
    lines = [
        f"# {source.experiment}",
        "",
        *([render.escape_markdown(protocol["description"]), ""] if protocol.get("description") else []),
        *(f"- {render.escape_markdown(note)}" for note in report.notes),
        "",
        "![Test accuracy over the number of labels](figures/accuracy.png)",
        "",
        *(["![Areas under the budget curve](figures/areas.png)", ""] if len(counts) > 1 else []),
        *(line for name, title in TABLES.items() if name in printed for line in _section(title, printed[name])),
        *(["## More", "", *more, ""] if more else []),
        "## What ran",
        "",
        *(f"- {render.escape_markdown(key)}: {render.escape_markdown(value)}" for key, value in _facts(report)),
        "",
        "## Run it again",
        "",
        "```",
        _command(source, counts),
        "```",
        "",
        *(["`experiment.json` holds what differs from the protocol's own settings.", ""] if altered else []),
        "Runs that are here already are shown, not recomputed; `--fresh` computes them anew. The numbers behind",
        "everything are the lines in `runs/`; `curves.csv`, `tables/` and `figures/` derive from them:",
        "",
        "```",
        f"python run_benchmark.py --report results/{source.experiment}",
        "```",
        "",
        "## How to cite",
        "",
        "`tables/strategies.bib` holds the papers of the strategies and of the protocol, and this:",
        "",
        "```bibtex",
        citing.suite(source),
        "```",
        "",
    ]
    return "\n".join(lines)


def _section(title: str, table: render.Table) -> list[str]:
    return [f"## {title}", "", render.markdown(table, source=False)]


def _counts(report: Report) -> list[int]:
    return sorted(set(report.curves["labels"].tolist()))


def _facts(report: Report) -> list[tuple[str, str]]:
    source, protocol = report.source, report.source.protocol
    told = {"name", "description", "papers", "notes", "dataset", "budgets", "ladder", "strategies", "learners", "seeds"}
    hours = math.fsum(report.curves["train_seconds"].dropna()) / 3600
    return [
        ("protocol", f"{protocol.get('name', source.experiment)}, fingerprint {source.fingerprint}"),
        ("dataset", source.dataset),
        ("labels", " ".join(map(str, _counts(report)))),
        ("strategies", ", ".join(source.strategies)),
        ("learners", ", ".join(source.learners)),
        ("seeds", ranges(source.seeds)),
        *((key, _flat(value)) for key, value in protocol.items() if key not in told),
        ("runs", f"{len(report.curves.groupby([*GROUP, 'seed']))}, {hours:.2f} hours of training"),
        (count(len(source.devices), "device"), ", ".join(source.devices)),
        ("software", f"{source.software}; engine {' / '.join(map(str, source.engines))}"),
        *([("plugins", ", ".join(source.plugins))] if source.plugins else []),
    ]


def _flat(value: Any) -> str:
    """A protocol's field in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" if inner != {} else key for key, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(_flat, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(source: Provenance, counts: list[int]) -> str:
    """The command line that leads to these runs."""
    protocol = source.protocol
    parts = ["python run_benchmark.py --protocol", shlex.quote(str(protocol.get("name", source.experiment)))]
    parts += ["--strategies", *map(shlex.quote, source.strategies)]
    if source.learners != ("supervised",):
        parts += ["--learner", *map(shlex.quote, source.learners)]
    if counts != list(protocol.get("ladder") or protocol.get("budgets") or counts):
        parts += ["--budgets", *map(str, counts)]
    return " ".join([*parts, "--seeds", *map(str, source.seeds)])
