"""Cost: seconds of queries and training, as they were and calibrated, and the network's operations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import row_name, seconds, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.operations import multiply_adds
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.speed import ALIKE, STEADY, UNIT, UNTIMED, Speed, apart, calibrated, speeds, told
from benchmark.reports.statistics.summary import SECONDS, by_run, keys, known, mean_and_sd
from benchmark.reports.statistics.tidy import RUN, groups, table_of
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

    def runs() -> Iterator[tuple[Any, ...]]:
        for key, (labels, train, query) in by_run(rows, *SECONDS):
            queries = known(value for count, value in zip(labels, query, strict=True) if count < last)
            yield (*key, mean_and_sd(queries)[0], math.fsum(queries), math.fsum(known(train)))

    table = table_of(runs(), [*RUN, "round", "query", "train"]).merge(scaled, on=RUN, how="left")
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


def counted(report: Report) -> tuple[pd.DataFrame, dict[Key, str]]:
    """Multiply-adds per strategy and learner, means over its runs; and why a strategy has none, in words.

    Columns: strategy, learner, operations (NaN unless they are known of all runs) and operations_factor: as a multiple
    of the reference's with the same learner, over the seeds that both have.
    """
    last = int(report.rows["labels"].max())
    table, reasons = multiply_adds(report.runs, report.source.protocol, last)
    table = report.areas[RUN].merge(table, on=RUN)
    others = table.loc[table["strategy"] == report.reference, ["learner", "seed", "operations"]]
    table = table.merge(others.rename(columns={"operations": "base"}), on=["learner", "seed"], how="left")
    found = []
    for key, own in groups(table, GROUP).items():
        both = own.dropna(subset=["base"])
        base = math.fsum(both["base"])
        factor = math.fsum(both["operations"]) / base if base else math.nan
        found.append((*key, mean_and_sd(own["operations"])[0], factor))
    return pd.DataFrame(found, columns=[*GROUP, "operations", "operations_factor"]), reasons


def table(report: Report, _: View) -> Table:
    """A row per strategy: operations and seconds, each with the multiple of random's.

    Where strategies have different numbers of seeds, a column shows them.
    """
    source, (cost, reasons), (work, uncounted) = report.source, report.once(compute), report.once(counted)
    order = [key for key in report.ranking if key in set(keys(cost))]
    rows = cost.merge(work, on=GROUP).set_index(GROUP).reindex(order)
    unit, scale = _unit(rows["operations"])
    has_work = rows["operations"].notna().any()
    work_columns = {
        f"MACs ({unit})": [Cell(seconds(value / scale)) for value in rows["operations"]],
        f"MACs × {report.reference}": [_multiple(factor) for factor in rows["operations_factor"]],
    }
    differing = rows["n"].nunique() > 1
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        **({"seeds": [Cell(str(n)) for n in rows["n"]]} if differing else {}),
        **(work_columns if has_work else {}),
        "query (s)": [
            Cell(seconds(mean), spread=seconds(sd) if math.isfinite(sd) else "")
            for mean, sd in zip(rows["query_mean"], rows["query_sd"], strict=True)
        ],
        "train (s)": [Cell(seconds(value)) for value in rows["train"]],
        "total (s)": [Cell(seconds(value)) for value in rows["total"]],
        "calibrated (s)": [Cell(seconds(value)) for value in rows["calibrated"]],
        f"× {report.reference}": [_multiple(factor) for factor in rows["factor"]],
    }
    spread = ", ± standard deviation over seeds" if rows["n"].max() > 1 else ""
    over = "the strategy's own seeds" if differing else f"{rows['n'].iloc[0]} {count(rows['n'].iloc[0], 'seed')}"
    about_work = (
        f"MACs ({unit} = 1e{round(math.log10(scale))}) are the multiply-adds of the network in a run: of its "
        "convolutions and dense layers, in the forward and backward passes of the trainings and in the forward passes "
        "of the queries. They follow from the protocol and from the passes that each strategy declares, and do not "
        "depend on the machine. Not counted are the selection's own arithmetic, modules that a strategy trains beside "
        "the network, self-supervised features, normalisation and the evaluation. "
    )
    caption = (
        f"Cost on {source.datasets[0][0]}, means over {over}. {about_work if has_work else ''}"
        f"Seconds per query (a run's mean over its rounds{spread}), for a run's training (a shared first round counted "
        "for each run), and for this and all its queries: wall-clock time, which depends on the machine and its load. "
        "Calibrated seconds are those of a machine on which a fixed computation, timed in every round, takes "
        f"{1000 * UNIT:g} ms. The last column is the total as a multiple of {report.reference}'s, over the seeds where "
        "the two runs have equal calibration: on one device, medians of the fixed computation within "
        f"{ALIKE:g} times, its quartiles within {STEADY:g} times. "
    )
    notes = (
        _dashes("the columns of MACs", uncounted, len(order), report) if has_work else _uncounted(uncounted),
        _dashes("the last column", reasons, len(order), report),
    )
    return Table.of_columns(columns, rows.reset_index(), sentences(caption, *notes, source.unranked.note))


_PREFIXES = "MGTPE"


def _unit(operations: pd.Series[float]) -> tuple[str, float]:
    """The prefix, and what it stands for, with which the median of ``operations`` has up to three digits."""
    middle = operations.median()
    scales = {prefix: 1000.0 ** (2 + i) for i, prefix in enumerate(_PREFIXES)}
    fitting = [prefix for prefix, scale in scales.items() if middle >= scale]
    unit = fitting[-1] if fitting else _PREFIXES[0]
    return unit, scales[unit]


def _multiple(factor: float) -> Cell:
    return Cell(f"{factor:.2f}") if math.isfinite(factor) else MISSING


def _dashes(where: str, reasons: Mapping[Key, str], strategies: int, report: Report) -> str:
    """Why rows have nothing in the columns ``where``, a sentence for each reason."""
    several = len(report.source.learners) > 1
    by_reason: dict[str, list[str]] = {}
    for key, why in reasons.items():
        by_reason.setdefault(why, []).append(name(*key, several))
    return " ".join(
        f"– in {where}: {why} ({'all rows' if len(who) == strategies else ', '.join(who)})."
        for why, who in by_reason.items()
    )


def _uncounted(reasons: Mapping[Key, str]) -> str:
    """Why no row has operations."""
    return f"Operations are not counted: {'; '.join(dict.fromkeys(reasons.values()))}."


SECTION = Section("Cost", table=Part("cost", table))
