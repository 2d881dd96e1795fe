"""The results as web pages: one file each, no network access, the script and the style inside.

Every number is one that the tables and figures print: the page takes their data and their texts, the script only
places, sorts and hides them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from benchmark.reports import style
from benchmark.reports.curves import groups, name
from benchmark.reports.lines import style_lines
from benchmark.reports.provenance import ranges
from benchmark.reports.render import Cell, Table
from benchmark.reports.seeds import GROUP, REFERENCE
from benchmark.reports.tables import decimals, points, row_name
from benchmark.store import write_atomically

if TYPE_CHECKING:
    from benchmark.reports.page import Report

OURS = '<meta name="generator" content="acqbench">'
OVERVIEW = ("protocol", "data set", "labels", "strategies", "seeds", "best", "area", f"vs. {REFERENCE}", "device")
EVEN = 4  # a ladder whose largest step is more than so many times its smallest has a logarithmic axis


def write_pages(report: Report, tables: Mapping[str, Table], settings: Sequence[tuple[str, str]], command: str) -> None:
    """Write index.html beside the report's other files, and the overview of all experiments in the folder above.

    ``tables`` are those to show, by their titles; ``settings`` are pairs of a name and its value; ``command`` is the
    line that computes the runs again.
    """
    write_atomically(report.root / "index.html", experiment_page(report, tables, settings, command).encode())
    overview = report.root.parent / "index.html"
    if not overview.exists() or OURS in overview.read_text(encoding="utf-8", errors="replace"):
        write_atomically(overview, overview_page(report.root.parent).encode())


def experiment_page(
    report: Report, tables: Mapping[str, Table], settings: Sequence[tuple[str, str]], command: str
) -> str:
    """The page of one experiment; the files it links to are those that lie beside it."""
    source = report.source
    data = page_data(report)
    description = source.protocol.get("description")
    header = [
        "<div>",
        f"<h1>{escape(source.experiment)}</h1>",
        *([f"<p>{escape(description)}</p>"] if description else []),
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
    return _page(source.experiment, "\n".join(header), "\n".join(main), data)


def page_data(report: Report) -> dict[str, Any]:
    """What the script draws, and ``overview``, the row of the page over all experiments.

    ``lines`` hold, in the order of the widest view's summary, for accuracy, gain (the difference to random, paired by
    seed) and, where there is a wide view, all (the accuracy in it): labels, mean, low, high and n as
    ``statistics.intervals`` gives them, and the text that is shown of each point; nothing where a strategy is not in
    that view. ``strong`` and ``band`` say for each of them whether the line stands out. ``summary`` has the columns of
    ``statistics.summarise``. Accuracies are 0–1, to 6 decimals.
    """
    source, first, widest = report.source, report.views[0], report.views[-1]
    places = decimals(first.accuracy["sd"])
    curves = {"accuracy": groups(first.accuracy, GROUP), "gain": groups(widest.gains, GROUP)}
    wide = {"all": groups(widest.accuracy, GROUP)} if widest is not first else {}
    curves |= wide
    who = {"accuracy": (first, curves["accuracy"]), "gain": (widest, wide.get("all", curves["accuracy"]))}
    who |= {"all": who["gain"]} if wide else {}
    drawn = {
        kind: style_lines([key for key in view.ranking if key in own], source.plugins, source.cheating)
        for kind, (view, own) in who.items()
    }
    counts = sorted(set(widest.accuracy["labels"].tolist()))
    steps = [b - a for a, b in pairwise(counts)]
    nothing = widest.gains.iloc[:0]
    lines = []
    for key, line in drawn["gain"].items():
        look = style.look(key[0])
        strong, bands = (
            {kind: key in drawn[kind] and getattr(drawn[kind][key], which) for kind in curves}
            for which in ("strong", "band")
        )
        lines.append(
            {
                "name": row_name(key, source),
                "short": style.short(row_name(key, source), 24),
                "strategy": key[0],
                "learner": key[1],
                "colour": None if key[0] == REFERENCE else look.colour,
                "marker": look.marker,
                "dashes": list(line.dashes),
                "strong": strong,
                "band": bands,
                **{kind: _curve(own.get(key, nothing), places, kind == "gain") for kind, own in curves.items()},
            }
        )
    return {
        "overview": _overview(report, counts),
        "labels": counts,
        "log": bool(steps) and max(steps) > EVEN * min(steps),
        "lines": lines,
        "summary": {column: _plain(first.summary[column]) for column in first.summary},
    }


def overview_page(results: Path) -> str:
    """The page over all experiments in ``results`` that have a page of their own, by name."""
    found = {path.parent.name: row for path in sorted(results.glob("*/index.html")) if (row := _read_overview(path))}
    rows = [
        [Cell(experiment), *(Cell(str(row.get(column, "–"))) for column in OVERVIEW)]
        for experiment, row in found.items()
    ]
    text = {"protocol", "data set", "best", "device"}
    main = _table(
        ["experiment", *OVERVIEW],
        rows,
        [i for i, column in enumerate(["", *OVERVIEW]) if column in text or i == 0],
        "All experiments",
        links=[f"{quote(experiment)}/index.html" for experiment in found],
    )
    explained = (
        "Best is the strategy with the largest area under the budget curve, the mean test accuracy in % over the "
        f"labels, ± standard deviation over seeds; vs. {REFERENCE} is its mean difference to {REFERENCE} in points, "
        "paired by seed, with its 95 % t-interval. Strategies that read the true labels are left out."
    )
    header = "<div><h1>Results</h1><p>Acquisition strategies in deep active learning, by experiment.</p></div>"
    return _page("Results", header, f'{main}\n<p class="caption">{escape(explained)}</p>', {})


def _page(title: str, header: str, main: str, data: dict[str, Any]) -> str:
    """The template, filled; the policy lets nothing but its own script and style run, and nothing be fetched."""
    script, sheet = _part("page.js"), _part("page.css")
    policy = f"script-src {_digest(script)}; style-src {_digest(sheet)}"
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Template(_part("page.html")).substitute(
        title=escape(title), header=header, main=main, data=text, script=script, style=sheet, policy=policy
    )


def _part(file: str) -> str:
    return resources.files("benchmark.reports").joinpath(file).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read_overview(path: Path) -> dict[str, str]:
    """What an experiment's page says of itself; empty for a page that is not ours."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    return dict(json.loads(found[1]).get("overview", {})) if OURS in text and found else {}


def _overview(report: Report, counts: list[int]) -> dict[str, str]:
    """The experiment in a row: see ``OVERVIEW``."""
    source, summary = report.source, report.summary
    honest = summary[~summary["strategy"].isin(source.cheating) & (summary["n"] > 0)]
    row: dict[str, str] = {
        "protocol": f"{source.protocol.get('name', source.experiment)}, {source.fingerprint[:8]}",
        "data set": source.datasets[0][0],
        "labels": f"{counts[0]}–{counts[-1]}",
        "strategies": str(len(source.strategies)),
        "seeds": "–".join(dict.fromkeys(str(len(view.blocks)) for view in reversed(report.views))),
        "device": ", ".join(source.devices),
    }
    if len(honest):
        best = honest.iloc[0]
        places = decimals(summary["area_sd"])
        spread = f" ± {100 * best['area_sd']:.{places}f}" if math.isfinite(best["area_sd"]) else ""
        row["best"] = name(best["strategy"], best["learner"], several=len(source.learners) > 1)
        row["area"] = f"{100 * best['area_mean']:.{places}f}{spread}"
        if math.isfinite(best["gain_mean"]):
            between = (points(best[end], places) for end in ("gain_low", "gain_high") if math.isfinite(best[end]))
            row[f"vs. {REFERENCE}"] = f"{points(best['gain_mean'], places)} [{', '.join(between)}]".removesuffix(" []")
    return row


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
        f'<svg aria-hidden="true"></svg><span>{_name(Cell(line["name"]))}</span></label>'
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
        f"<section><h2>{escape(title)}</h2>{_table(table.header, body, columns, title, foot)}"
        f'<p class="caption">{escape(table.caption)}</p>{notes}</section>'
    )


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    text: Sequence[int],
    title: str,
    foot: Sequence[Sequence[Cell]] = (),
    links: Sequence[str] = (),
) -> str:
    """A table that the script can sort; ``text`` are the columns of words, ``links`` the addresses of the rows."""
    words = [' class="text"' if i in text else "" for i in range(len(header))]

    def row(cells: Sequence[Cell], link: str = "") -> str:
        first, *others = _name(cells[0]), *map(_cell, cells[1:])
        if link:
            first = f'<a href="{escape(link)}">{first}</a>'
        rest = "".join(f"<td{word}>{cell}</td>" for word, cell in zip(words[1:], others, strict=True))
        return f'<tr><th scope="row"{words[0]}>{first}</th>{rest}</tr>'

    heads = "".join(
        f'<th scope="col"{word}><button type="button">{escape(text)}</button></th>'
        for word, text in zip(words, header, strict=True)
    )
    bodies = "".join(row(cells, links[i] if links else "") for i, cells in enumerate(rows))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}"><table class="sortable">'
        f'<caption class="unseen">{escape(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{bodies}</tbody>'
        + (f"<tfoot>{''.join(map(row, foot))}</tfoot>" if foot else "")
        + "</table></div>"
    )


def _cell(cell: Cell) -> str:
    text = f"<b>{escape(cell.text)}</b>" if cell.bold else escape(cell.text)
    return f"{text} <i>± {escape(cell.spread)}</i>" if cell.spread else text


def _name(cell: Cell) -> str:
    return _cell(cell).replace(",", ",<wbr>")  # long parameters break there


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
        key = (run.header["strategy"], run.header["learner"])
        paths.setdefault(key, []).append(_link(run.path, report.root, f"seed {run.header['seed']}"))
    several = len(report.source.learners) > 1
    return _list(
        "notes", (f"{escape(name(*key, several=several))}: {', '.join(links)}" for key, links in paths.items())
    )
