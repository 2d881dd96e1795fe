"""The chart of accuracy over labels on a results page: its data, its frame and its legend."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.lines import differ_by_learner, style_lines
from benchmark.reports.rendering.tables.cells import decimals, points, row_name
from benchmark.reports.rendering.tables.table import Cell
from benchmark.reports.rendering.web.markup import named, plain
from benchmark.reports.statistics.seeds import GROUP, together
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.words import ranges
from benchmark.text import escapes

EVEN = 4  # the axis is logarithmic if the largest step between label counts is more than this times the smallest


def chart_data(report: Report) -> dict[str, Any]:
    """What the page's script draws: the label counts, whether their axis is logarithmic, and the lines.

    Each line is a strategy with a learner, in the order of the widest view's summary. It has up to three curves:
    ``accuracy`` in the first view, ``gain`` (the difference to the reference, paired by seed) and, where there is a
    wide view, ``all``, the accuracy there. A curve has labels, mean, low, high and n as from ``summary.intervals``, and
    the text shown at each point; it is empty for a strategy that is not in the view. ``strong`` and ``band`` say for
    each curve whether it is in colour and whether it has a band. Accuracies are 0–1, rounded to 6 decimals.
    """
    source, first, widest = report.source, report.views[0], report.views[-1]
    places = decimals(first.accuracy["sd"])
    curves = {"accuracy": groups(together(first.accuracy), GROUP), "gain": groups(widest.gains, GROUP)}
    wide = {"all": groups(together(widest.accuracy), GROUP)} if widest is not first else {}
    curves |= wide
    who = {"accuracy": (first, curves["accuracy"]), "gain": (widest, wide.get("all", curves["accuracy"]))}
    who |= {"all": who["gain"]} if wide else {}
    drawn = {
        kind: style_lines(
            [key for key in view.ranking if key in own], source.plugins, source.unranked, report.reference
        )
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
    return {"labels": counts, "log": bool(steps) and max(steps) > EVEN * min(steps), "lines": lines}


def _curve(table: pd.DataFrame, places: int, signed: bool) -> dict[str, list[Any]]:
    """Columns of ``intervals`` as lists, and the text shown at each point."""

    def said(value: float) -> str:
        return points(value, places) if signed else f"{100 * value:.{places}f}"

    unit = "points" if signed else "%"
    texts = [
        f"{said(mean)} {unit}" + (f" [{said(low)}, {said(high)}]" if math.isfinite(low) else "") + f", n = {n}"
        for mean, low, high, n in zip(table["mean"], table["low"], table["high"], table["n"], strict=True)
    ]
    return {**{key: plain(table[key]) for key in ("labels", "mean", "low", "high", "n")}, "text": texts}


def chart(data: dict[str, Any], report: Report) -> str:
    """The chart's frame, controls and legend as HTML; the page's script draws the lines."""
    choices = {"accuracy": "Accuracy", "gain": f"Difference to {report.reference}"}
    if len(report.views) > 1:
        few, many = (f"{len(view.compared)} strategies" for view in report.views)
        seeds = [ranges(view.seeds) for view in report.views]
        choices = {
            "accuracy": f"Accuracy, {few}, seeds {seeds[0]}",
            "all": f"Accuracy, all {many}, seeds {seeds[1]}",
            "gain": choices["gain"],
        }
    several = any(line["gain"]["labels"] for line in data["lines"])
    options = "".join(
        f'<label><input type="radio" name="view" value="{kind}" autocomplete="off"'
        f"{' checked' if kind == 'accuracy' else ''}> {escapes.html(text)}</label>"
        for kind, text in choices.items()
    )
    views = f'<fieldset><legend class="unseen">Quantity shown</legend>{options}</fieldset>'
    entries = "".join(
        '<label><input type="checkbox" autocomplete="off" checked>'
        f'<svg aria-hidden="true"></svg><span>{named(Cell(line["name"]))}</span></label>'
        for line in data["lines"]
    )
    buttons = "".join(
        f'<button type="button" data-show="{which}">{text}</button> '
        for which, text in (("all", "All"), ("best", "Best"), ("none", "None"))
    )
    return (
        '<section><h2 id="over">Test accuracy over the number of labels</h2>'
        f'<div class="controls">{views if several else ""}<div>{buttons}</div></div>'
        '<div class="chart"><svg id="curves" tabindex="0" role="application" aria-labelledby="over" '
        'aria-describedby="how"></svg><div id="tip" role="status"></div></div>'
        '<noscript><p>Without JavaScript: <a href="figures/accuracy.png">the chart as a file</a>.</p></noscript>'
        f'<div class="legend" role="group" aria-label="Strategies shown">{entries}</div>'
        '<p class="caption" id="how">Means in % (differences in points) over the seeds that all strategies shown share '
        f"(for a difference: that the strategy shares with {report.reference}); bands are 95 % t-intervals. The best "
        "strategies and the reference are in colour. Point at a line, or move along it with the arrow keys, to read "
        "its values.</p></section>"
    )
