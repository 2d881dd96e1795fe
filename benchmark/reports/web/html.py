"""The results as web pages: one file each, no network access, the script and the style inside.

Every number is one that the tables and figures print: the page takes their data and their texts, the script only
places, sorts and hides them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from benchmark.reports.figures import style
from benchmark.reports.figures.lines import differ_by_learner, style_lines
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, together
from benchmark.reports.tables.cells import decimals, points, row_name
from benchmark.reports.tables.render import Cell, Table
from benchmark.reports.web.markup import document, named, sortable
from benchmark.reports.web.overview import overview
from benchmark.reports.words import name, ranges
from benchmark.results.atomic import write_atomically

if TYPE_CHECKING:
    from benchmark.reports.report import Report

EVEN = 4  # a ladder whose largest step is more than so many times its smallest has a logarithmic axis


def write_page(report: Report, tables: Mapping[str, Table], settings: Sequence[tuple[str, str]], command: str) -> None:
    """Write index.html beside the report's other files.

    ``tables`` are those to show, by their titles; ``settings`` are pairs of a name and its value; ``command`` is the
    line or lines that compute the runs again.
    """
    write_atomically(report.root / "index.html", experiment_page(report, tables, settings, command).encode())


def experiment_page(
    report: Report, tables: Mapping[str, Table], settings: Sequence[tuple[str, str]], command: str
) -> str:
    """The page of one experiment; the files it links to are those that lie beside it."""
    source = report.source
    data = page_data(report)
    header = [
        "<div>",
        f"<h1>{escape(source.experiment)}</h1>",
        *(f"<p>{escape(words)}</p>" for words in source.about),
        f'<p class="caption">{escape(source.sentence)}</p>',
        '<p><a href="../index.html">All experiments</a></p>',
        "</div>",
    ]
    main = [
        _list("notes", map(escape, report.notes)),
        _chart(data, report),
        *(_section(title, table) for title, table in tables.items()),
        "<section><h2>What ran</h2>",
        _facts(_headline(report)),
        f"<details><summary>All settings</summary>{_facts(settings)}</details>",
        f"<pre><code>{escape(command)}</code></pre></section>",
        "<section><h2>Files</h2>",
        _list("files", (_link(path, report.root) for path in _files(report.root))),
        f"<details><summary>The lines of all {len(report.runs)} runs</summary>{_lines(report)}</details></section>",
    ]
    return document(source.experiment, "\n".join(header), "\n".join(main), data)


def page_data(report: Report) -> dict[str, Any]:
    """What the script draws, and ``overview``, what the page over all experiments says of this one.

    ``lines`` hold, in the order of the widest view's summary, for accuracy, gain (the difference to random, paired by
    seed) and, where there is a wide view, all (the accuracy in it): labels, mean, low, high and n as
    ``summary.intervals`` gives them, and the text that is shown of each point; nothing where a strategy is not in
    that view. ``strong`` and ``band`` say for each of them whether the line stands out. ``summary`` has the columns of
    ``summary.summarise``. Accuracies are 0–1, to 6 decimals.
    """
    source, first, widest = report.source, report.views[0], report.views[-1]
    places = decimals(first.accuracy["sd"])
    curves = {"accuracy": groups(together(first.accuracy), GROUP), "gain": groups(widest.gains, GROUP)}
    wide = {"all": groups(together(widest.accuracy), GROUP)} if widest is not first else {}
    curves |= wide
    who = {"accuracy": (first, curves["accuracy"]), "gain": (widest, wide.get("all", curves["accuracy"]))}
    who |= {"all": who["gain"]} if wide else {}
    drawn = {
        kind: style_lines([key for key in view.ranking if key in own], source.plugins, source.cheating)
        for kind, (view, own) in who.items()
    }
    counts = sorted(set(together(widest.accuracy)["labels"].tolist()))
    steps = [b - a for a, b in pairwise(counts)]
    nothing = widest.gains.iloc[:0]
    lines = []
    for key, line in drawn["gain"].items():
        look = style.look(key[differ_by_learner(drawn["gain"])])
        strong = {kind: key in drawn[kind] and drawn[kind][key].strong for kind in curves}
        bands = {kind: kind != "all" and key in drawn[kind] and drawn[kind][key].band for kind in curves}
        lines.append(
            {
                "name": row_name(key, source),
                "short": style.short(row_name(key, source), 24),
                "strategy": key[0],
                "learner": key[1],
                "colour": None if look.colour == style.INK else look.colour,  # None: the page's own, light or dark
                "marker": look.marker,
                "dashes": list(line.dashes),
                "strong": strong,
                "band": bands,
                **{kind: _curve(own.get(key, nothing), places, kind == "gain") for kind, own in curves.items()},
            }
        )
    return {
        "overview": overview(report),
        "labels": counts,
        "log": bool(steps) and max(steps) > EVEN * min(steps),
        "lines": lines,
        "summary": {column: _plain(first.summary[column]) for column in first.summary},
    }


def _curve(table: pd.DataFrame, places: int, signed: bool) -> dict[str, list[Any]]:
    """Columns of ``intervals`` as lists, and what is said of each point."""

    def said(value: float) -> str:
        return points(value, places) if signed else f"{100 * value:.{places}f}"

    unit = "points" if signed else "%"
    texts = [
        f"{said(mean)} {unit}" + (f" [{said(low)}, {said(high)}]" if math.isfinite(low) else "") + f", n = {n}"
        for mean, low, high, n in zip(table["mean"], table["low"], table["high"], table["n"], strict=True)
    ]
    return {**{key: _plain(table[key]) for key in ("labels", "mean", "low", "high", "n")}, "text": texts}


def _plain(column: pd.Series[Any]) -> list[Any]:
    """A column for JSON: 6 decimals, None for NaN."""
    return [
        (round(value, 6) if math.isfinite(value) else None) if isinstance(value, float) else value
        for value in column.tolist()
    ]


def _headline(report: Report) -> list[tuple[str, str]]:
    source = report.source
    return [
        ("protocol", str(source.protocol.get("name", source.experiment))),
        ("fingerprint", source.fingerprint),
        *(
            (f"data set {who}", f"SHA-256 {sha256}" + f" ({note})" * bool(note))
            for who, sha256, note in source.datasets
        ),
        ("seeds", ranges(source.seeds)),
        ("device", ", ".join(source.devices)),
        ("software", ", ".join(f"{library} {' / '.join(versions)}" for library, versions in source.versions.items())),
        ("engine", " / ".join(map(str, source.engines))),
        ("commit", ", ".join(source.commits)),
    ]


def _chart(data: dict[str, Any], report: Report) -> str:
    """The chart's frame and its legend; the script draws the rest into them."""
    choices = {"accuracy": "Accuracy", "gain": f"Difference to {REFERENCE}"}
    if len(report.views) > 1:
        few, many = (f"{len(view.areas.groupby(GROUP))} strategies" for view in report.views)
        seeds = [ranges(sorted(set(view.areas["seed"].tolist()))) for view in report.views]
        choices = {
            "accuracy": f"Accuracy, {few}, seeds {seeds[0]}",
            "all": f"Accuracy, all {many}, seeds {seeds[1]}",
            "gain": choices["gain"],
        }
    several = any(line["gain"]["labels"] for line in data["lines"])
    options = "".join(
        f'<label><input type="radio" name="view" value="{kind}" autocomplete="off"'
        f"{' checked' if kind == 'accuracy' else ''}> {escape(text)}</label>"
        for kind, text in choices.items()
    )
    views = f'<fieldset><legend class="unseen">What is drawn</legend>{options}</fieldset>'
    entries = "".join(
        '<label><input type="checkbox" autocomplete="off" checked>'
        f'<svg aria-hidden="true"></svg><span>{named(Cell(line["name"]))}</span></label>'
        for line in data["lines"]
    )
    buttons = "".join(
        f'<button type="button" data-show="{which}">{text}</button> '
        for which, text in (("all", "All"), ("best", "The best"), ("none", "None"))
    )
    return (
        '<section><h2 id="over">Test accuracy over the number of labels</h2>'
        f'<div class="controls">{views if several else ""}<div>{buttons}</div></div>'
        '<div class="chart"><svg id="curves" tabindex="0" role="application" aria-labelledby="over" '
        'aria-describedby="how"></svg><div id="tip" role="status"></div></div>'
        '<noscript><p>Without JavaScript: <a href="figures/accuracy.png">the chart as a file</a>.</p></noscript>'
        f'<div class="legend" role="group" aria-label="Strategies drawn">{entries}</div>'
        '<p class="caption" id="how">In % (differences in points): the mean over the seeds that all strategies drawn '
        f"share (a difference: that the strategy shares with {REFERENCE}), bands 95 % t-intervals. The best and the "
        "reference stand out. Point at a line, or move along it with the arrow keys, to read its values.</p></section>"
    )


def _section(title: str, table: Table) -> str:
    """A printed table, with what its caption says below it."""
    body = table.rows[: table.rule_before]
    foot = table.rows[table.rule_before :] if table.rule_before is not None else []
    columns = list(range(table.text_columns))
    notes = "".join(f'<p class="caption">† {escape(footnote)}</p>' for footnote in table.footnotes)
    return (
        f"<section><h2>{escape(title)}</h2>{sortable(table.header, body, columns, title, foot)}"
        f'<p class="caption">{escape(table.caption)}</p>{notes}</section>'
    )


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in pairs)}</dl>"


def _list(kind: str, items: Iterable[str]) -> str:
    return f'<ul class="{kind}">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _files(root: Path) -> list[Path]:
    """The files that belong to the report, those for reading first."""
    found = [root / "README.md", root / "curves.csv", root / "experiment.json"]
    return found + [path for folder in ("tables", "figures") for path in sorted((root / folder).glob("[!.]*"))]


def _link(path: Path, root: Path, text: str = "") -> str:
    address = path.relative_to(root).as_posix()
    return f'<a href="{escape(quote(address))}">{escape(text or address)}</a>'


def _lines(report: Report) -> str:
    """Links to the files of lines, a row per strategy and learner."""
    paths: dict[tuple[str, str], list[str]] = {}
    for run in report.runs:
        key = (run.key.strategy, run.key.learner)
        paths.setdefault(key, []).append(_link(run.path, report.root, f"seed {run.key.seed}"))
    several = len(report.source.learners) > 1
    return _list(
        "notes", (f"{escape(name(*key, several=several))}: {', '.join(links)}" for key, links in paths.items())
    )
