"""A report: the files that an experiment's lines become, and its results page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.reports import citing
from benchmark.reports.findings import Findings, findings, tables, write_figures
from benchmark.reports.provenance import Provenance, provenance
from benchmark.reports.repeating import commands
from benchmark.reports.statistics.curves import select, tidy, write_curves
from benchmark.reports.statistics.learners import interaction_notes, learner_notes
from benchmark.reports.statistics.seeds import GROUP
from benchmark.reports.statistics.summary import BASELINE, verdicts
from benchmark.reports.statistics.views import WIDE, View, views
from benchmark.reports.tables import render
from benchmark.reports.tables.diagnostics import diagnostics_table, loss_ranking
from benchmark.reports.tables.late_accuracies import checkpoints_table, last_checkpoints
from benchmark.reports.web import html
from benchmark.reports.web.overview import write_overview
from benchmark.reports.words import count, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.records import RunRecord
from benchmark.results.store import read_experiment

# The tables that stand on the results page, with their titles; the others are linked.
TABLES = {
    "summary": "Summary",
    "accuracy": "Accuracy",
    "learners": "Beside supervised learning",
    "interactions": "What the choice is worth with each learner",
    "tests": "Tests by seed",
    "labels": "Labels saved",
    "cost": "Cost",
    "checkpoints": "The last checkpoints",
    "diagnostics": "Diagnostics",
    "summary-all": "Summary, all strategies",
    "accuracy-all": "Accuracy, all strategies",
}

# The figures that stand in README.md, with what they show; the others are linked.
SHOWN = {
    "accuracy": "Test accuracy over the number of labels",
    "areas": "Areas under the budget curve",
    "areas-all": "Areas under the budget curve, all strategies",
}


@dataclass(frozen=True)
class Report:
    """An experiment's runs as data: the tidy curves, what is shown side by side, and plain words.

    ``views`` are one or two, see ``views.views``; the first is the headline's. ``diagnostics``: see
    ``diagnostics.loss_ranking``; ``checkpoints``: see ``late_accuracies.last_checkpoints``. ``last`` is the label count
    aimed at; ``runs`` are those that are shown; ``findings`` are the tests and costs.
    """

    root: Path
    curves: pd.DataFrame
    views: list[View]
    diagnostics: pd.DataFrame
    checkpoints: pd.DataFrame
    notes: list[str]
    source: Provenance
    last: int
    runs: list[RunRecord]
    findings: Findings

    @property
    def accuracy(self) -> pd.DataFrame:
        """Of the first view: strategy, learner, labels, mean, sd, low, high, n."""
        return self.views[0].accuracy

    @property
    def summary(self) -> pd.DataFrame:
        """Of the first view: see ``summary.summarise``."""
        return self.views[0].summary


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
    shown = views(curves, selection.last, target)
    first, widest = shown[0], shown[-1]
    source = provenance(experiment, selection.runs)
    found = findings(selection.runs, curves, shown, selection.last, baseline)
    notes = [
        *verdicts(widest.summary),
        *learner_notes(found.learners),
        *interaction_notes(found.interactions),
        *_behind(widest.summary, selection.last),
        *filter(None, [first.scope]),
        *selection.notes,
        *first.notes,
        *source.footnotes,
        *filter(None, [source.cheats]),
    ]
    diagnostics = loss_ranking(selection.runs, curves, selection.last)
    late = last_checkpoints(selection.runs, widest.ranking, int(widest.summary["labels"].iloc[0]))
    return Report(root, curves, shown, diagnostics, late, notes, source, selection.last, selection.runs, found)


def write_report(root: Path, baseline: str = BASELINE, target: float | None = None) -> Report:
    """Write curves.csv, tables/, figures/, README.md and index.html of all the runs at ``root``; see ``read_report``.

    In the folder above, index.html becomes the overview of all experiments there. The same lines give the same bytes.
    """
    report = read_report(root, baseline=baseline, target=target)
    source = report.source
    write_curves(report.curves, root / "curves.csv")
    made = tables(report.findings, report.views, source)
    if len(report.diagnostics):
        made.insert(2, diagnostics_table(report.diagnostics, source))
    if len(report.checkpoints):
        made.insert(2, checkpoints_table(report.checkpoints, source))
    printed = {table.name: table for table in made}
    for table in made:
        render.write(table, root / "tables")
    known = sorted({*(name.removesuffix(WIDE) for name in TABLES), "pairwise"})
    for name, wide, suffix in itertools.product(known, ("", WIDE), ("csv", "md", "tex")):  # that are no more
        if name + wide not in printed:
            (root / "tables" / f"{name}{wide}.{suffix}").unlink(missing_ok=True)
    write_atomically(root / "tables" / "strategies.bib", citing.bibliography(source).encode())
    drawn = write_figures(report.findings, report.views, report.runs, source, root / "figures")
    write_atomically(root / "README.md", results_page(report, printed, drawn).encode())
    shown = {title: printed[name] for name, title in TABLES.items() if name in printed}
    html.write_page(report, shown, _facts(report), "\n".join(commands(report.curves, source)))
    write_overview(root.resolve().parent)
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


def results_page(report: Report, printed: Mapping[str, render.Table], figures: Mapping[str, str]) -> str:
    """README.md: the verdict, figure and tables, what ran, how to run it again and how to cite it.

    ``printed`` are the tables by name, ``figures`` the titles of the figures by the names of their files.
    """
    source, protocol = report.source, report.source.protocol
    altered = protocol.get("name", source.experiment) != source.experiment
    shown = [name for name in SHOWN if name in figures]
    more = [f"- {title}: [figure](figures/{name}.png)" for name, title in figures.items() if name not in shown]
    more += [
        f"- {printed[name].caption.split(':')[0]}: [table](tables/{name}.md)" for name in printed if name not in TABLES
    ]
    lines = [
        f"# {source.experiment}",
        "",
        *(line for words in source.about for line in (render.escape_markdown(words), "")),
        *(f"- {render.escape_markdown(note)}" for note in report.notes),
        "",
        *(line for name in shown for line in (f"![{SHOWN[name]}](figures/{name}.png)", "")),
        *(line for name, title in TABLES.items() if name in printed for line in _section(title, printed[name])),
        *(["## More", "", *more, ""] if more else []),
        "## What ran",
        "",
        *(f"- {render.escape_markdown(key)}: {render.escape_markdown(value)}" for key, value in _facts(report)),
        "",
        "## Run it again",
        "",
        "```",
        *commands(report.curves, source),
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


def _facts(report: Report) -> list[tuple[str, str]]:
    source, protocol = report.source, report.source.protocol
    told = {"name", "description", "papers", "notes", "dataset", "budgets", "ladder", "strategies", "learners", "seeds"}
    hours = math.fsum(report.curves["train_seconds"].dropna()) / 3600
    return [
        ("protocol", f"{protocol.get('name', source.experiment)}, fingerprint {source.fingerprint}"),
        ("dataset", source.dataset),
        ("labels", " ".join(map(str, sorted(set(report.curves["labels"].tolist()))))),
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
