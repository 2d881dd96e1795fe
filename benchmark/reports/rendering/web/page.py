"""The results page of one experiment: one file with its script and style inside, and no network access.

Every number on it stands in a table or figure too: the script only places, sorts and hides what the page holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.table import Table
from benchmark.reports.rendering.web.chart import chart, chart_data
from benchmark.reports.rendering.web.markup import document, plain, sortable
from benchmark.reports.rendering.web.overview import overview
from benchmark.reports.statistics.tidy import key_of
from benchmark.reports.words import name
from benchmark.text import escapes

FOLDED = 20  # rows: a table with more is shown on demand
WIDE_TITLE = ", all strategies"  # ends the titles of the wide view


class Picture(NamedTuple):
    """A figure on the page: the section's title, the name of its files, its alternative text.

    ``both`` are those for both columns of a paper; ``narrow`` ones have another for one column. ``photographs`` keep
    their colours in the dark.
    """

    title: str
    name: str
    alt: str
    both: bool
    narrow: bool
    photographs: bool = False


def experiment_page(
    report: Report,
    notes: Sequence[str],
    tables: Sequence[tuple[str, Table]],
    texts: Sequence[str],
    pictures: Sequence[Picture] = (),
    titles: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> str:
    """The page: ``heads``, notes, the chart, ``tables`` and ``pictures`` by their ``titles``, ``texts``, and the files.

    ``heads`` and ``texts`` are HTML.

    What is of all strategies, where the page is first of those with the most seeds, stands folded at the end.
    """
    source = report.source
    data = page_data(report)
    shown = _by_title(tables, pictures, titles)
    header = [
        "<div>",
        f"<h1>{escapes.html(source.experiment)}</h1>",
        *(f"<p>{escapes.html(words)}</p>" for words in source.about),
        f'<p class="caption">{escapes.html(source.sentence)}</p>',
        *(['<p><a href="../index.html">All experiments</a></p>'] if report.flags is None else []),
        "</div>",
    ]
    main = [
        *heads,
        _list("notes", map(escapes.html, notes)),
        chart(data, report),
        *_sections([both for both in shown if not both[0].endswith(WIDE_TITLE)]),
        *_folded("All strategies", _sections([both for both in shown if both[0].endswith(WIDE_TITLE)])),
        *texts,
        "<section><h2>Files</h2><details><summary>Tables, figures and bibliography</summary>",
        _list("files", (_link(path, report.root) for path in _files(report.root))),
        f"</details><details><summary>The records of all {len(report.runs)} runs</summary>{_lines(report)}</details>",
        "</section>",
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


Shown = tuple[str, Table | None, list[Picture]]  # a title, and its table and figures


def _by_title(tables: Sequence[tuple[str, Table]], pictures: Sequence[Picture], titles: Sequence[str]) -> list[Shown]:
    """What stands under each title, in the order of ``titles``, then of the tables and figures of others."""
    table_of = dict(tables)
    there = [*table_of, *(one.title for one in pictures)]
    order = dict.fromkeys([*(title for title in titles if title in there), *there])
    return [(title, table_of.get(title), [one for one in pictures if one.title == title]) for title in order]


def _sections(shown: Sequence[Shown]) -> list[str]:
    return [
        f"<section><h2>{escapes.html(title)}</h2>{''.join(map(_picture, pictures))}"
        f"{_table(title, table) if table is not None else ''}</section>"
        for title, table, pictures in shown
    ]


def _folded(summary: str, parts: Sequence[str]) -> list[str]:
    return [f'<details class="more"><summary>{summary}</summary>', *parts, "</details>"] if parts else []


def _picture(one: Picture) -> str:
    """A figure, on a phone the one for a single column, and the addresses of its files for print."""
    path = f"figures/{one.name}"
    kind = ("both" if one.both else "one") + " photographs" * one.photographs
    source = f'<source media="(max-width: 36rem)" srcset="{path}-single.png">' if one.narrow else ""
    print_too = f' · <a href="{path}-single.pdf">PDF, one column</a>' if one.narrow else ""
    return (
        f'<figure class="{kind}"><picture>{source}<img src="{path}.png" alt="{escapes.html(one.alt)}" loading="lazy">'
        f'</picture><figcaption><a href="{path}.pdf">PDF</a>{print_too}</figcaption></figure>'
    )


def _table(title: str, table: Table) -> str:
    """A table with its heading below, and how to read it on demand."""
    body = table.rows[: table.rule_before]
    foot = table.rows[table.rule_before :] if table.rule_before is not None else []
    columns = list(range(table.text_columns))
    notes = "".join(f"<p>{escapes.html(text)}</p>" for text in (table.notes, *(f"† {one}" for one in table.footnotes)))
    drawn = sortable(table.header, body, columns, title, foot)
    if len(body) > FOLDED:
        drawn = f"<details><summary>Table of {len(body)} rows</summary>{drawn}</details>"
    return (
        f'{drawn}<p class="caption">{escapes.html(table.heading)}</p>'
        f'<details class="caption"><summary>How to read the table</summary>{notes}</details>'
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
    rows: dict[tuple[str, str], StringIO] = {}
    several = len(report.source.learners) > 1
    for run in report.runs:
        strategy, learner, seed = key_of(run)
        row = rows.setdefault((strategy, learner), StringIO())
        row.write(", " if row.tell() else f"{escapes.html(name(strategy, learner, several=several))}: ")
        row.write(_link(run.path, report.root, f"seed {seed}"))
    return _list("notes", (row.getvalue() for row in rows.values()))
