"""Which strategy to use at which budget, and how certain that is: the verdicts of an experiment as advice."""

from __future__ import annotations

from typing import Any, TypedDict

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import p_value, points
from benchmark.reports.statistics.endpoints import halves
from benchmark.reports.statistics.seeds import FEWEST_SEEDS
from benchmark.reports.verdicts import stricter
from benchmark.reports.words import count

NAMED = 3  # strategies that are better too


class Advice(TypedDict):
    """What to use with a learner at some label counts, as texts; ``certain`` where a test has shown it."""

    learner: str
    labels: str
    use: str
    gain: str
    certain: bool
    certainty: str
    also: str


def advice(report: Report) -> list[Advice]:
    """For each learner and part of the schedule: the ranked strategy that gains most over the reference.

    Of those that are better, if any is; else the reference itself. Empty without comparisons of at least 3 seeds.
    """
    found = []
    inference, reference = report.inference, report.reference
    for learner in report.source.learners:
        for endpoint, labels in _parts(report).items():
            rows = inference.of(reference, endpoint).reset_index(drop=True)
            rows = rows[(rows["learner"] == learner) & (rows["n"] >= FEWEST_SEEDS)]
            if not len(rows) or not len(rows := report.source.unranked.ranked(rows)):
                continue
            rows = rows.sort_values("difference", ascending=False, kind="stable")
            better = rows[rows["verdict"] == "better"]
            if not len(better):
                certainty = _without_a_better_one(rows, reference)
                found.append(
                    Advice(
                        learner=learner,
                        labels=labels,
                        use=reference,
                        gain="",
                        certain=False,
                        certainty=certainty,
                        also="",
                    )
                )
                continue
            best, *others = (row for _, row in better.iterrows())
            ends = ", ".join(points(best[end], 1) for end in ("band_low", "band_high"))
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            found.append(
                Advice(
                    learner=learner,
                    labels=labels,
                    use=str(best["strategy"]),
                    gain=f"{points(best['difference'], 1)} [{ends}]{stricter(inference)}",
                    certain=True,
                    certainty=f"better than {reference} ({_tested(best)})",
                    also=", ".join(str(other["strategy"]) for other in others[:NAMED]) + more,
                )
            )
    return found


def _without_a_better_one(rows: pd.DataFrame, reference: str) -> str:
    """The verdicts on the strategies in ``rows``, the largest difference first, of which none is better."""
    undecided = rows[rows["verdict"] == "undecided"]
    if len(undecided):
        nearest = undecided.iloc[0]
        return f"undecided: no strategy is shown to be better; {nearest['strategy']} comes nearest ({_tested(nearest)})"
    words = " or ".join(sorted(set(rows["verdict"])))
    who = "all are" if len(rows) > 1 else f"{rows['strategy'].iloc[0]} is"
    return f"no strategy is better than {reference}: {who} {words}"


def _tested(row: pd.Series[Any]) -> str:
    """The corrected p-value and the number of seeds."""
    seeds, p = int(row["n"]), p_value(row["p_corrected"])
    return f"p {p if p.startswith('<') else f'= {p}'}, {seeds} {count(seeds, 'seed')}"


def _parts(report: Report) -> dict[str, str]:
    """The endpoints that are advised on, with the label counts that they are about."""
    counts = sorted(set(report.rows["labels"].tolist()))
    if "early" not in report.inference.endpoints:
        return {"area": "–".join(dict.fromkeys((f"{counts[0]:,}", f"{counts[-1]:,}")))}
    middle = f"{halves(counts):,.0f}"
    return {"early": f"{counts[0]:,}–{middle}", "late": f"{middle}–{counts[-1]:,}", "last": f"{counts[-1]:,}"}
