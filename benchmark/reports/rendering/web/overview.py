"""The overview of all experiments: which strategy to use, a row for each experiment, and strategies across them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import decimals, points
from benchmark.reports.rendering.tables.table import Cell
from benchmark.reports.rendering.web.across import across_sections
from benchmark.reports.rendering.web.advice import advice
from benchmark.reports.rendering.web.markup import OURS, document, sortable
from benchmark.reports.settings import of_plain, settings_of, to_plain
from benchmark.reports.statistics.across import main_settings
from benchmark.reports.statistics.seeds import REFERENCE
from benchmark.reports.verdicts import in_words, stricter
from benchmark.reports.words import name
from benchmark.results.atomic import write_atomically
from benchmark.text import escapes

OVERVIEW = ("data set", "labels", "strategies", "seeds", "best", "area", f"vs. {REFERENCE}", "device")

ABOUT = (
    "Labels cost more than images. An acquisition strategy chooses the images to label next, so that a network trained "
    "on them is more accurate than with as many random ones. acqbench trains networks on what strategies choose, over "
    "label budgets and seeds, and tests what that gained: every comparison is paired by seed and corrected.",
    "Below is which strategy to use at which budget, and how certain that is; then all experiments, each with its "
    "figures, tables and records.",
)
STRICTER = (
    "Where results may be looked at several times, intervals and verdicts are those of the level in parentheses, and "
    "hold over all looks."
)


def write_overview(results: Path) -> None:
    """Write index.html in ``results``, unless a page is there that acqbench did not write."""
    path = results / "index.html"
    if not path.exists() or (path.is_file() and OURS in path.read_text(encoding="utf-8", errors="replace")):
        write_atomically(path, overview_page(results).encode())


def overview_page(results: Path) -> str:
    """The overview of all experiments in ``results`` that have a results page, sorted by name."""
    pages = [path for path in sorted(results.glob("*/index.html")) if path.is_file()]
    found = {path.parent.name: row for path in pages if (row := _read(path))}
    rows = [
        [Cell(experiment), *(Cell(str(row.get(column, "–"))) for column in OVERVIEW)]
        for experiment, row in found.items()
    ]
    text = {"data set", "best", f"vs. {REFERENCE}", "device"}
    table = sortable(
        ["experiment", *OVERVIEW],
        rows,
        [i for i, column in enumerate(["", *OVERVIEW]) if column in text or i == 0],
        "All experiments",
        links=[f"{quote(experiment)}/index.html" for experiment in found],
        cards=True,
    )
    settings = [  # by the names of their folders, which may be copies
        replace(of_plain(one), experiment=who) for who, row in found.items() for one in row.get("settings", ())
    ]
    shown_as = [replace(one, dataset=str(found[one.experiment]["data set"])) for one in settings]
    advised = {one.experiment: found[one.experiment] for one in main_settings(shown_as).values()}
    explained = (
        "Best is the strategy with the largest area under the budget curve, the mean test accuracy in % over the "
        f"label counts, ± standard deviation over seeds; vs. {REFERENCE} is its mean difference to {REFERENCE} in "
        "points, paired by seed, with its 95 % interval on its own and its verdict (better, worse, equivalent or "
        "undecided, corrected within the experiment). Left out are diagnostics, which use true labels, "
        "and strategies whose premises fail."
    )
    if any("%)" in str(row.get(f"vs. {REFERENCE}")) for row in found.values()):
        explained += f" {STRICTER}"
    header = f"<div><h1>Which images to label?</h1>{''.join(f'<p>{words}</p>' for words in ABOUT)}</div>"
    main = [
        _advice_section(advised),
        f'<section><h2>All experiments</h2>{table}<p class="caption">{escapes.html(explained)}</p></section>',
        across_sections(settings),
    ]
    return document("Results of acqbench", header, "\n".join(main), {})


def _advice_section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What to use on each data set at which budget, a row for each piece of ``advice``; empty without any.

    A data set stands there as images and as embeddings, on which other strategies may be better.
    """
    advised = [(row["data set"], who, one) for who, row in found.items() for one in row.get("advice", ())]
    if not advised:
        return ""
    several = len({one["learner"] for _, _, one in advised}) > 1
    header = ["data set", *(["learner"] if several else []), "labels", "use", f"vs. {REFERENCE}", "how certain"]
    rows = [
        [
            Cell(dataset),
            *([Cell(one["learner"])] if several else []),
            Cell(one["labels"]),
            Cell(one["use"], bold=one["certain"]),
            Cell(one["gain"] or "–"),
            Cell(one["certainty"] + (f"; also {one['also']}" if one["also"] else "")),
        ]
        for dataset, _, one in advised
    ]
    text = [i for i, title in enumerate(header) if title != f"vs. {REFERENCE}"]
    title = "Which strategy to use"
    drawn = sortable(header, rows, text, title, links=[f"{quote(who)}/index.html" for _, who, _ in advised], cards=True)
    said = (
        f"In bold what is shown to be better than {REFERENCE}: of these, what gains most in mean accuracy at these "
        "label counts. The gain is in points with its 95 % band, simultaneous over the experiment. p is corrected over "
        "all its comparisons, step by step, and decides; the band corrects for all at once, and may reach 0 where p is "
        "just below 0.05. Strategies rank differently on different data: on yours, another may be the best."
    )
    if any("%)" in one["gain"] for _, _, one in advised):
        said += f" {STRICTER}"
    return f'<section><h2>{title}</h2>{drawn}<p class="caption">{escapes.html(said)}</p></section>'


def _read(path: Path) -> dict[str, Any]:
    """An experiment's row, from its page (see ``overview``); empty for a page that acqbench did not write."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    return dict(json.loads(found[1]).get("overview", {})) if OURS in text and found else {}


def overview(report: Report) -> dict[str, Any]:
    """The experiment as a row of the overview (see ``OVERVIEW``), with its ``advice`` and its ``settings``."""
    source, summary = report.source, report.summary
    counts = int(report.curves["labels"].min()), int(summary["labels"].iloc[0])  # where the comparison ends
    ranked = source.unranked.ranked(summary[summary["n"] > 0])
    row: dict[str, Any] = {
        "data set": source.datasets[0][0] + (" as embeddings" if source.protocol.get("embedding") else ""),
        "labels": "–".join(dict.fromkeys(map(str, counts))),
        "strategies": str(len(source.strategies)),
        "seeds": "–".join(dict.fromkeys(str(len(view.seeds)) for view in reversed(report.views))),
        "device": ", ".join(source.devices),
    }
    if len(ranked):
        best = ranked.iloc[0]
        places = decimals(summary["area_sd"])
        spread = f" ± {100 * best['area_sd']:.{places}f}" if math.isfinite(best["area_sd"]) else ""
        row["best"] = name(best["strategy"], best["learner"], several=len(source.learners) > 1)
        row["area"] = f"{100 * best['area_mean']:.{places}f}{spread}"
        compared = report.inference.of(REFERENCE)
        key = (best["strategy"], best["learner"])
        if key in compared.index:
            gain = compared.loc[key]
            between = (points(gain[end], places) for end in ("low", "high") if math.isfinite(gain[end]))
            words = f"{points(gain['difference'], places)} [{', '.join(between)}]".removesuffix(" []")
            tested = math.isfinite(gain["low"])
            words += stricter(report.inference) if tested else ""
            row[f"vs. {REFERENCE}"] = (
                f"{words} {in_words(report.inference.verdicts(key, REFERENCE))}" if tested else words
            )
    row["advice"] = advice(report)
    row["settings"] = [to_plain(one) for one in settings_of(report)]
    return row
