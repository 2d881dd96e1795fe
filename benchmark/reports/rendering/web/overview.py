"""The overview of all experiments: a row for each, and the strategies' ranks over independent data sets."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.critical_difference import rank_figure
from benchmark.reports.rendering.tables.cells import decimals, points
from benchmark.reports.rendering.tables.table import Cell
from benchmark.reports.rendering.web.advice import advice
from benchmark.reports.rendering.web.markup import OURS, document, sortable
from benchmark.reports.statistics.curves import RUN
from benchmark.reports.statistics.ranks import (
    FEWEST_BLOCKS,
    MOST_RANKED,
    Ranks,
    blocks,
    mean_ranks,
    rank_tests_if_allowed,
)
from benchmark.reports.statistics.seeds import REFERENCE, Key
from benchmark.reports.statistics.summary import keys
from benchmark.reports.verdicts import in_words
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


class Across(NamedTuple):
    """Ranks over data sets: ``blocks`` from ``ranks.blocks``, by experiment; ``ranks`` where they can be tested."""

    experiments: list[str]
    datasets: list[str]
    blocks: pd.DataFrame
    ranks: Ranks | None


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
    chosen = by_data_set(found)
    explained = (
        "Best is the strategy with the largest area under the budget curve, the mean test accuracy in % over the "
        f"label counts, ± standard deviation over seeds; vs. {REFERENCE} is its mean difference to {REFERENCE} in "
        "points, paired by seed, with its 95 % interval on its own and its verdict (better, worse, equivalent or "
        "undecided, corrected within the experiment). Left out are diagnostics, which use true labels, "
        "and strategies whose premises fail."
    )
    header = f"<div><h1>Which images to label?</h1>{''.join(f'<p>{words}</p>' for words in ABOUT)}</div>"
    main = [
        _advice_section({who: found[who] for who in chosen.values()}),
        f'<section><h2>All experiments</h2>{table}<p class="caption">{escapes.html(explained)}</p></section>',
        _ranks_section(across(found)),
    ]
    return document("Results of acqbench", header, "\n".join(main), {})


def by_data_set(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The experiment that stands for each data set: that of the same name, or else the one with the most runs."""
    chosen: dict[str, str] = {}
    order = sorted(found, key=lambda who: (who != found[who].get("data set"), -len(found[who].get("areas", ())), who))
    for experiment in order:
        if found[experiment].get("areas"):
            chosen.setdefault(found[experiment]["data set"], experiment)
    return dict(sorted(chosen.items()))


def _advice_section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What to use on each data set at which budget, a row for each piece of ``advice``; empty without any."""
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
        "label counts. The gain is in points with its 95 % band, simultaneous over the experiment; p is corrected over "
        "all its comparisons. Strategies rank differently on different data: on yours, another may be the best."
    )
    return f'<section><h2>{title}</h2>{drawn}<p class="caption">{escapes.html(said)}</p></section>'


def across(found: Mapping[str, Mapping[str, Any]]) -> Across | None:
    """The ranks of the strategies that ran on all data sets, from the data in the experiments' pages.

    A block is a data set, with the experiment of the same name, or else the one with the most runs. Pages hold only the
    strategies with the most seeds. None unless at least two data sets have at least two strategies in common.
    """
    chosen = by_data_set(found)
    runs = [pd.DataFrame(found[who]["areas"], columns=[*RUN, "area"]) for who in chosen.values()]
    if len(runs) < 2:
        return None
    common = [key for key in keys(runs[0]) if all(key in keys(table) for table in runs)]
    if len(common) < 2:
        return None
    table = blocks(*runs)
    return Across(list(chosen.values()), list(chosen), table, rank_tests_if_allowed(table)) if len(table) else None


def _ranks_section(found: Across | None) -> str:
    """Mean ranks over all blocks and in each data set; the diagram where ranks can be tested."""
    if found is None:
        return ""
    table = found.blocks
    mean = mean_ranks(table).sort_values(kind="stable")
    each = table.rank(axis=1, ascending=False)
    order: list[Key] = mean.index.tolist()
    several = len({learner for _, learner in order}) > 1
    rows = [
        [Cell(name(*key, several)), Cell(f"{mean[key]:.2f}"), *(Cell(f"{rank:.1f}") for rank in each[key])]
        for key in order
    ]
    said = (
        f"Mean ranks by mean area under the budget curve, 1 is best, over {len(table)} data sets "
        f"({', '.join(found.experiments)}). The strategies are those with the most seeds on each of these data sets. "
    )
    picture = ""
    figure = None if found.ranks is None else rank_figure(found.ranks)
    if found.ranks is None:
        said += (
            f"The ranks are not tested or drawn: that takes at least {FEWEST_BLOCKS} data sets and 3 to {MOST_RANKED} "
            "strategies."
        )
    else:
        ranks = found.ranks
        p = "< 0.001" if ranks.friedman < 0.001 else f"= {ranks.friedman:.3f}"
        said += (
            f"Friedman's test: p {p}; two strategies differ in Nemenyi's test at 5 % if their mean ranks are at least "
            f"{ranks.critical_difference:.2f} apart."
        )
    if figure is not None:
        image = base64.b64encode(style.png(figure)).decode()
        picture = (
            f'<p><img class="print" src="data:image/png;base64,{image}" alt="Critical-difference diagram of the mean '
            'ranks in the table"></p>'
        )
    title = "Mean ranks over data sets"
    drawn = sortable(["strategy", "all", *found.datasets], rows, [0], title)
    return f'<section><h2>{title}</h2>{drawn}{picture}<p class="caption">{escapes.html(said)}</p></section>'


def _read(path: Path) -> dict[str, Any]:
    """An experiment's row, from its page (see ``overview``); empty for a page that acqbench did not write."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    return dict(json.loads(found[1]).get("overview", {})) if OURS in text and found else {}


def overview(report: Report) -> dict[str, Any]:
    """The experiment as a row of the overview (see ``OVERVIEW``), and the ``areas`` of its first view's runs.

    ``areas`` has strategy, learner, seed and area (0–1, 6 decimals) of each run; what is not ranked is left out.
    """
    source, summary = report.source, report.summary
    counts = int(report.curves["labels"].min()), int(summary["labels"].iloc[0])  # where the comparison ends
    ranked = source.unranked.ranked(summary[summary["n"] > 0])
    row: dict[str, Any] = {
        "data set": source.datasets[0][0],
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
            row[f"vs. {REFERENCE}"] = f"{words} {in_words(report.inference.verdicts(key, REFERENCE))}"
    runs = source.unranked.ranked(report.views[0].areas)
    row["advice"] = advice(report)
    row["areas"] = [
        [*run, round(area, 6)] for *run, area in zip(*(runs[field].tolist() for field in (*RUN, "area")), strict=True)
    ]
    return row
