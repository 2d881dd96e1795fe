"""Learners beside supervised learning: what they gain, and whether the choice of labels still matters with them.

The gain is that with the same strategy, paired by seed. With a(s, l) the area under the budget curve of a strategy s
with a learner l, the change is

    (a(s, l) − a(random, l)) − (a(s, supervised) − a(random, supervised)),

the interaction of strategy and learner, paired by seed: below 0 the choice is worth less with the learner. Both have
the test of strategies (see ``significance``): Student's paired t-test, two-sided, with Holm's correction over the
strategies and learners of the table. With one label count the area is the accuracy there.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE
from benchmark.reports.statistics.significance import holm, paired_t
from benchmark.reports.statistics.summary import judged, mean_and_sd, mean_interval, paired
from benchmark.reports.words import name

SUPERVISED = "supervised"
GAINS = ("supervised", "gain", "change")  # of interactions


def against_supervised(rows: pd.DataFrame, areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner that shares seeds with the same strategy's supervised runs; else empty.

    ``rows`` are of ``seeds.reaching``, ``areas`` of ``summary.run_areas`` on them, both 0–1. Columns: strategy,
    learner, n (these seeds), gain (mean difference in area), low, high (its 95 % t-interval), sd, t, p, p_holm, and for
    each label count the mean difference in accuracy, ``gain_<labels>``.
    """
    pairs = paired(areas, "area", ["strategy", "seed"], SUPERVISED, of="learner")
    single = paired(rows, "accuracy", ["strategy", "seed", "labels"], SUPERVISED, of="learner")
    at = {key: pair.groupby("labels")["gain"].mean() for key, pair in groups(single, GROUP).items()}
    found = []
    for key, pair in groups(pairs, GROUP).items():
        gains = pair["gain"].tolist()
        gain, low, high, n = mean_interval(gains)
        row = dict(zip(GROUP, key, strict=True)) | {"n": n, "gain": gain, "low": low, "high": high}
        row |= {"sd": mean_and_sd(gains)[1], **dict(zip(("t", "p"), paired_t(gains), strict=True)), "p_holm": math.nan}
        found.append(row | {f"gain_{labels}": value for labels, value in at[key].items()})
    frame = pd.DataFrame(found)
    if len(frame):
        frame["p_holm"] = holm(frame["p"].tolist())
    return frame


def interactions(areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner of which, and of random, there are supervised runs of the same seeds; else empty.

    ``areas``: see ``summary.run_areas``, 0–1. Columns: strategy, learner, n (these seeds), the mean differences to
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


def label_counts(tests: pd.DataFrame) -> list[int]:
    """The label counts that ``against_supervised`` has a difference for."""
    return sorted(int(column[5:]) for column in map(str, tests) if column.startswith("gain_"))


def learner_notes(tests: pd.DataFrame) -> list[str]:
    """In words, for each number of seeds: who is shown to differ from supervised learning, and who is not."""
    notes = []
    measure = "area" if len(label_counts(tests)) > 1 else "accuracy"
    for n, rows in groups(tests, ["n"]).items() if len(tests) else ():
        if n == 1:
            notes.append(f"One seed only: any difference to the learner {SUPERVISED} may be chance.")
            continue
        beginnings = (
            f"{words} the learner {SUPERVISED}"
            for words in ("Better than with", "Not shown to differ from", "Worse than with")
        )
        what = f"the {measure}'s difference, {n} paired seeds"
        notes += judged(rows, ("low", "high"), beginnings, what, lambda key: name(*key, several=True))
    return notes


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
