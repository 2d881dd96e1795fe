"""Interaction of strategy and learner: how the gain over random changes with the learner.

With a(s, l) the area under the budget curve of strategy s with learner l, the change is

    (a(s, l) − a(random, l)) − (a(s, supervised) − a(random, supervised)),

paired by seed. Below 0, choosing labels gains less with the learner than with supervised learning. The test is
Student's paired t-test, two-sided, with Holm's correction over the strategies and learners of the table. With a single
label count, the area is the accuracy there.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import MARK, decimals, interval, p_value, points, row_name, sentences
from benchmark.reports.rendering.tables.table import Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, SUPERVISED
from benchmark.reports.statistics.significance import LEVEL, holm, paired_t
from benchmark.reports.statistics.summary import judged, keys, mean_and_sd, mean_interval, paired
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count, name

GAINS = ("supervised", "gain", "change")


def compute(report: Report) -> pd.DataFrame:
    """``interactions`` of all runs."""
    return interactions(report.areas)


def interactions(areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner that has seeds in common with random, and with supervised runs of both.

    ``areas``: see ``summary.run_areas``, 0–1. Columns: strategy, learner, n (these seeds), the mean differences to
    random ``supervised`` and ``gain`` (with the learner) and their difference ``change``, each with its 95 % t-interval
    ``_low`` and ``_high``; sd, t, p and p_holm of the change. Empty where there is nothing to compare.
    """
    against_random = paired(areas, "area", ["learner", "seed"])[[*GROUP, "seed", "gain"]]
    changes = paired(against_random, "gain", ["strategy", "seed"], SUPERVISED, of="learner")
    found = []
    for key, own in groups(changes.rename(columns={"gain": "change"}), GROUP).items():
        row: dict[str, object] = {**dict(zip(GROUP, key, strict=True)), "n": len(own)}
        values = {"supervised": own["reference"], "gain": own["change"] + own["reference"], "change": own["change"]}
        for what in GAINS:
            row[what], row[f"{what}_low"], row[f"{what}_high"], _ = mean_interval(values[what])
        changes_by_seed = own["change"].tolist()
        row["sd"], (row["t"], row["p"]) = mean_and_sd(changes_by_seed)[1], paired_t(changes_by_seed)
        row["p_holm"] = math.nan
        found.append(row)
    frame = pd.DataFrame(found)
    if len(frame):
        frame["p_holm"] = holm(frame["p"].tolist())
    return frame


def notes(report: Report) -> list[str]:
    """For each number of seeds from 2 on, which strategies gain more with a learner, which less, and which neither."""
    found = report.once(compute)
    notes = []
    for n, rows in groups(found, ["n"]).items() if len(found) else ():
        if n == 1:
            continue
        beginnings = (
            f"The gain over {REFERENCE} is {words} with supervised learning"
            for words in ("larger than", "not shown to differ from that", "smaller than")
        )
        what = f"the change over {n} paired seeds"
        interval = ("change_low", "change_high")
        notes += judged(rows, interval, beginnings, what, lambda key: name(*key, several=True))
    return notes


def table(report: Report, _: View) -> Table | None:
    """A row per strategy and learner in ``interactions``, in the order of the summary."""
    source, found = report.source, report.once(compute)
    if not len(found):
        return None
    place = {key: i for i, key in enumerate(report.ranking)}
    found = found.set_index(GROUP).loc[sorted(keys(found), key=place.__getitem__)].reset_index()
    places = decimals(found["sd"])
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(found)],
        "seeds": [Cell(str(n)) for n in found["n"]],
    }
    heads = (SUPERVISED, "learner", "change")
    for head, what in zip(heads, GAINS, strict=True):
        shown = (found["p_holm"] < LEVEL) & (what == "change")
        columns[head] = [Cell(points(x, places) + MARK * mark) for x, mark in zip(found[what], shown, strict=True)]
        columns[f"95 % interval ({what})"] = [
            interval(low, high, places) for low, high in zip(found[f"{what}_low"], found[f"{what}_high"], strict=True)
        ]
    columns |= {
        "p": [Cell(p_value(p)) for p in found["p"]],
        "Holm": [Cell(p_value(p)) for p in found["p_holm"]],
    }
    family = int(found["p"].notna().sum())
    caption = (
        f"Gain over {REFERENCE} by learner on {source.datasets[0][0]}: the mean difference in area under the budget "
        f"curve to {REFERENCE}, in points, with the learner {SUPERVISED} and with the row's, and the change from the "
        "first to the second, paired by seed, with 95 % t-intervals, not corrected. p is that of the two-sided "
        f"paired t-test on the change, Holm is p after Holm's correction over the {family} {count(family, 'test')} of "
        f"this table; {MARK} marks values below {LEVEL:g}. "
    )
    if (found["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a t-test: the cells are empty. "
    made = Table.of_columns(columns, found.drop(columns="sd"), sentences(caption, source.unranked.note))
    return replace(made, header=[head.partition(" (")[0] for head in columns])


SECTION = Section("Gain over random by learner", notes=notes, table=Part("interactions", table))
