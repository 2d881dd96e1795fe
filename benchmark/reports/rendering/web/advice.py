"""Which strategy to use at which budget, and how certain that is: the verdicts of an experiment as advice."""

from __future__ import annotations

from typing import TypedDict

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import p_value, points
from benchmark.reports.statistics.endpoints import halves
from benchmark.reports.statistics.seeds import FEWEST_SEEDS
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

    Of those that are better, if any is; else the reference itself, for want of a verdict. Empty without comparisons of
    at least 3 seeds.
    """
    found = []
    inference, reference = report.inference, report.reference
    for learner in report.source.learners:
        for endpoint, labels in _parts(report).items():
            rows = inference.of(reference, endpoint).reset_index(drop=True)
            rows = rows[(rows["learner"] == learner) & (rows["n"] >= FEWEST_SEEDS)]
            if not len(rows) or not len(rows := report.source.unranked.ranked(rows)):
                continue
            better = rows[rows["verdict"] == "better"].sort_values("difference", ascending=False, kind="stable")
            best = (better if len(better) else rows.sort_values("difference", ascending=False, kind="stable")).iloc[0]
            seeds, p = int(best["n"]), p_value(best["p_corrected"])
            ends = ", ".join(points(best[end], 1) for end in ("band_low", "band_high"))
            others = better["strategy"].tolist()[1:]
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            tested = f"p {p if p.startswith('<') else f'= {p}'}, {seeds} {count(seeds, 'seed')}"
            found.append(
                Advice(
                    learner=learner,
                    labels=labels,
                    use=str(best["strategy"]) if len(better) else reference,
                    gain=f"{points(best['difference'], 1)} [{ends}]" if len(better) else "",
                    certain=bool(len(better)),
                    certainty=f"better than {reference} ({tested})"
                    if len(better)
                    else f"undecided: no strategy is shown to be better; {best['strategy']} comes nearest ({tested})",
                    also=f"{', '.join(others[:NAMED])}{more}" if others else "",
                )
            )
    return found


def _parts(report: Report) -> dict[str, str]:
    """The endpoints that are advised on, with the label counts that they are about."""
    counts = sorted(set(report.rows["labels"].tolist()))
    if "early" not in report.inference.endpoints:
        return {"area": "–".join(dict.fromkeys((f"{counts[0]:,}", f"{counts[-1]:,}")))}
    middle = f"{halves(counts):,.0f}"
    return {"early": f"{counts[0]:,}–{middle}", "late": f"{middle}–{counts[-1]:,}", "last": f"{counts[-1]:,}"}
