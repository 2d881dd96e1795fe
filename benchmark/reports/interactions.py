"""Does the choice of labels still matter? What strategies gain on random with a learner, beside supervised learning.

With a(s, l) the area under the budget curve of a strategy s with a learner l, the change is

    (a(s, l) − a(random, l)) − (a(s, supervised) − a(random, supervised)),

the interaction of strategy and learner, paired by seed: below 0 the choice is worth less with the learner. Its test is
Student's paired t-test, two-sided, with Holm's correction over the strategies and learners of the table. With one label
count the area is the accuracy there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.comparison_tables import p_value
from benchmark.reports.curves import groups
from benchmark.reports.learner_tests import SUPERVISED
from benchmark.reports.provenance import Provenance
from benchmark.reports.render import MISSING, Cell, Table
from benchmark.reports.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.significance import LEVEL, holm, paired_t
from benchmark.reports.statistics import judged, keys, mean_and_sd, mean_interval, paired
from benchmark.reports.tables import MARK, decimals, points, row_name, sentences
from benchmark.reports.words import count, name

GAINS = ("supervised", "gain", "change")


def interactions(areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner of which, and of random, there are supervised runs of the same seeds; else empty.

    ``areas``: see ``statistics.run_areas``, 0–1. Columns: strategy, learner, n (these seeds), the mean differences to
    random ``supervised`` and ``gain`` (with the learner) and their difference ``change``, each with its 95 % t-interval
    ``_low`` and ``_high``; sd, t, p and p_holm of the change.
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


def interaction_notes(found: pd.DataFrame) -> list[str]:
    """In words, for each number of seeds from 2 on: for whom the choice is worth more, less, or neither is shown."""
    notes = []
    for n, rows in groups(found, ["n"]).items() if len(found) else ():
        if n == 1:
            continue
        beginnings = (
            f"The gain on {REFERENCE} is {words} than with the learner {SUPERVISED}"
            for words in ("larger", "not shown to be other", "smaller")
        )
        what = f"the change, {n} paired seeds"
        interval = ("change_low", "change_high")
        notes += judged(rows, interval, beginnings, what, lambda key: name(*key, several=True))
    return notes


def interactions_table(found: pd.DataFrame, ranking: Sequence[Key], source: Provenance) -> Table:
    """A row per strategy and learner of ``interactions``, in the order of ``ranking``."""
    place = {key: i for i, key in enumerate(ranking)}
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
            Cell(f"[{points(low, places)}, {points(high, places)}]") if math.isfinite(low) else MISSING
            for low, high in zip(found[f"{what}_low"], found[f"{what}_high"], strict=True)
        ]
    columns |= {
        "p": [Cell(p_value(p)) for p in found["p"]],
        "Holm": [Cell(p_value(p)) for p in found["p_holm"]],
    }
    family = int(found["p"].notna().sum())
    caption = (
        f"What the choice of labels is worth on {source.datasets[0][0]}: the mean difference in area under the budget "
        f"curve to {REFERENCE}, in points, with the learner {SUPERVISED} and with the row's, and the change from the "
        "first to the second, paired by seed, with 95 % t-intervals, not corrected. p is of the change's two-sided "
        f"paired t-test, Holm its value after Holm's correction over the {family} {count(family, 'test')} of this "
        f"table; {MARK} marks what stays below {LEVEL:g}. "
    )
    if (found["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a t-test: the cells are empty. "
    return Table(
        name="interactions",
        label=f"{source.experiment}-interactions",
        data=found.drop(columns="sd"),
        header=[head.partition(" (")[0] for head in columns],
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        caption=sentences(caption, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )
