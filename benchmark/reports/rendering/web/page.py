"""The results page of one experiment: one file with its script and style inside, and no network access.

Every number on it stands in a table or figure too: the script only places, sorts and hides what the page holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.table import Table
from benchmark.reports.rendering.web.chart import chart, chart_data
from benchmark.reports.rendering.web.markup import document, plain, sortable
from benchmark.reports.rendering.web.overview import overview
from benchmark.reports.statistics.curves import key_of
from benchmark.reports.words import name
from benchmark.text import escapes


def experiment_page(
    report: Report, notes: Sequence[str], tables: Sequence[tuple[str, Table]], texts: Sequence[str]
) -> str:
    """The page: notes, the chart, ``tables`` with their titles, ``texts`` in HTML, and links to the report's files."""
    source = report.source
    data = page_data(report)
    header = [
        "<div>",
        f"<h1>{escapes.html(source.experiment)}</h1>",
        *(f"<p>{escapes.html(words)}</p>" for words in source.about),
        f'<p class="caption">{escapes.html(source.sentence)}</p>',
        *(['<p><a href="../index.html">All experiments</a></p>'] if report.flags is None else []),
        "</div>",
    ]
    main = [
        _list("notes", map(escapes.html, notes)),
        chart(data, report),
        *(_section(title, table) for title, table in tables),
        *texts,
        "<section><h2>Files</h2>",
        _list("files", (_link(path, report.root) for path in _files(report.root))),
        f"<details><summary>The records of all {len(report.runs)} runs</summary>{_lines(report)}</details></section>",
    ]
    return document(source.experiment, "\n".join(header), "\n".join(main), data)


def page_data(report: Report) -> dict[str, Any]:
    """The page's data as JSON: its row in the overview of all experiments, the chart and the summary."""
    summary = report.summary_of(report.views[0])
    return {
        "overview": overview(report),
        **chart_data(report),
        "summary": {column: plain(summary[column]) for column in summary},
    }


def _section(title: str, table: Table) -> str:
    """A table with its caption and footnotes below."""
    body = table.rows[: table.rule_before]
    foot = table.rows[table.rule_before :] if table.rule_before is not None else []
    columns = list(range(table.text_columns))
    notes = "".join(f'<p class="caption">† {escapes.html(footnote)}</p>' for footnote in table.footnotes)
    return (
        f"<section><h2>{escapes.html(title)}</h2>{sortable(table.header, body, columns, title, foot)}"
        f'<p class="caption">{escapes.html(table.caption)}</p>{notes}</section>'
    )


def _list(kind: str, items: Iterable[str]) -> str:
    return f'<ul class="{kind}">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _files(root: Path) -> list[Path]:
    """The report's files, those meant for reading first."""
    found = [path for name in ("README.md", "curves.csv", "experiment.json") if (path := root / name).is_file()]
    return found + [path for folder in ("tables", "figures") for path in sorted((root / folder).glob("[!.]*"))]


def _link(path: Path, root: Path, text: str = "") -> str:
    address = Path(os.path.relpath(path, root)).as_posix()  # published runs lie in another folder than the report
    return f'<a href="{escapes.html(quote(address))}">{escapes.html(text or address)}</a>'


def _lines(report: Report) -> str:
    """Links to the runs' records, a row per strategy and learner."""
    paths: dict[tuple[str, str], list[str]] = {}
    for run in report.runs:
        strategy, learner, seed = key_of(run)
        paths.setdefault((strategy, learner), []).append(_link(run.path, report.root, f"seed {seed}"))
    several = len(report.source.learners) > 1
    return _list(
        "notes", (f"{escapes.html(name(*key, several=several))}: {', '.join(links)}" for key, links in paths.items())
    )
