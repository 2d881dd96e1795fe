"""Cost: seconds of queries and training, as they were and calibrated, and operations of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import row_name, seconds, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import RUN, groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.speed import ALIKE, STEADY, UNIT, UNTIMED, Speed, apart, calibrated, speeds, told
from benchmark.reports.statistics.summary import SECONDS, by_run, keys, known, mean_and_sd
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count, name


def costs(
    rows: pd.DataFrame,
    timed: Mapping[tuple[str, str, int], Speed],
    scaled: pd.DataFrame,
    reference: str = REFERENCE,
) -> tuple[pd.DataFrame, dict[Key, str]]:
    """Seconds per strategy and learner, means over its runs in ``rows``, which are of ``seeds.reaching``.

    ``timed`` has the speed of each run, ``scaled`` its calibrated seconds (see ``speed.calibrated``). Columns:
    strategy, learner, n (runs), query_mean, query_sd (per query: mean over a run's rounds, then over runs), query (all
    queries of a run before the last label count), train (of a run, a shared first round counted for each run), total
    (both), calibrated (total in calibrated seconds; NaN unless all runs have them), pairs and factor: total divided by
    the reference's with the same learner, over the seeds where both have equal calibration. Also why a strategy has no
    factor, in words.
    """
    last = rows["labels"].max()
    runs = []
    for key, (labels, train, query) in by_run(rows, *SECONDS).items():
        queries = known(value for count, value in zip(labels, query, strict=True) if count < last)
        runs.append((*key, mean_and_sd(queries)[0], math.fsum(queries), math.fsum(known(train))))
    table = pd.DataFrame(runs, columns=[*RUN, "round", "query", "train"]).merge(scaled, on=RUN, how="left")
    table["total"] = table["query"] + table["train"]
    others = table.loc[table["strategy"] == reference, ["learner", "seed", "total"]]
    table = table.merge(others.rename(columns={"total": "base"}), on=["learner", "seed"], how="left")
    found, reasons = [], {}
    for key, own in groups(table, GROUP).items():
        both = own.dropna(subset=["base"])
        why = [
            apart(timed.get((*key, seed), UNTIMED), timed.get((reference, key[1], seed), UNTIMED))
            for seed in both["seed"]
        ]
        equal = both.loc[[row for row, reason in zip(both.index, why, strict=True) if not reason]]
        if not len(both):
            reasons[key] = f"no run of {reference} with the same seed"
        elif not len(equal):
            reasons[key] = told(why)
        spent, base = math.fsum(equal["total"]), math.fsum(equal["base"])
        means = (mean_and_sd(own[column])[0] for column in ("query", "train", "total", "calibrated"))
        factor = spent / base if base else math.nan
        found.append((*key, len(own), *mean_and_sd(own["round"].dropna()), *means, len(equal), factor))
    columns = [*GROUP, "n", "query_mean", "query_sd", "query", "train", "total", "calibrated", "pairs", "factor"]
    return pd.DataFrame(found, columns=columns), reasons


def compute(report: Report) -> tuple[pd.DataFrame, dict[Key, str]]:
    """``costs`` of the report's runs."""
    last = int(report.rows["labels"].max())
    return costs(report.rows, speeds(report.runs, last), calibrated(report.runs, last), report.reference)


def table(report: Report, _: View) -> Table:
    """A row per strategy: seconds per query, of all queries, of training and of both, and the multiple of random's.

    Where strategies have different numbers of seeds, a column shows them.
    """
    source, (cost, reasons) = report.source, report.once(compute)
    order = [key for key in report.ranking if key in set(keys(cost))]
    rows = cost.set_index(GROUP).reindex(order)
    differing = rows["n"].nunique() > 1
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        **({"seeds": [Cell(str(n)) for n in rows["n"]]} if differing else {}),
        "query (s)": [
            Cell(seconds(mean), spread=seconds(sd) if math.isfinite(sd) else "")
            for mean, sd in zip(rows["query_mean"], rows["query_sd"], strict=True)
        ],
        "queries (s)": [Cell(seconds(value)) for value in rows["query"]],
        "train (s)": [Cell(seconds(value)) for value in rows["train"]],
        "total (s)": [Cell(seconds(value)) for value in rows["total"]],
        "calibrated (s)": [Cell(seconds(value)) for value in rows["calibrated"]],
        f"× {report.reference}": [
            Cell(f"{factor:.2f}") if math.isfinite(factor) else MISSING for factor in rows["factor"]
        ],
    }
    spread = ", ± standard deviation over seeds" if rows["n"].max() > 1 else ""
    over = "the strategy's own seeds" if differing else f"{rows['n'].iloc[0]} {count(rows['n'].iloc[0], 'seed')}"
    caption = (
        f"Cost on {source.datasets[0][0]}, means over {over}. Seconds per query (a run's mean over its "
        f"rounds{spread}), for all queries of a run, for its training (a shared first round counted for each run), and "
        "for both: wall-clock time, which depends on the machine and its load. Calibrated seconds are those of a "
        f"machine on which a fixed computation, timed in every round, takes {1000 * UNIT:g} ms. The last column is the "
        f"total as a multiple of {report.reference}'s, over the seeds where the two runs have equal calibration: on "
        f"one device, medians of the fixed computation within {ALIKE:g} times, its quartiles within {STEADY:g} times. "
    )
    return Table.of_columns(
        columns, rows.reset_index(), sentences(caption, _dashes(reasons, len(order), report), source.unranked.note)
    )


def _dashes(reasons: Mapping[Key, str], strategies: int, report: Report) -> str:
    """Why rows have no multiple of the reference's, a sentence for each reason."""
    several = len(report.source.learners) > 1
    by_reason: dict[str, list[str]] = {}
    for key, why in reasons.items():
        by_reason.setdefault(why, []).append(name(*key, several))
    return " ".join(
        f"– in the last column: {why} ({'all rows' if len(who) == strategies else ', '.join(who)})."
        for why, who in by_reason.items()
    )


SECTION = Section("Cost", table=Part("cost", table))
