"""The README's tables of published results, from the lines in ``results/``; between two comments in README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from benchmark.reports import read_report
from benchmark.reports.comparison_tables import p_value
from benchmark.reports.tables import points

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SHOWN = {"mnist": 100}  # experiments, and the label count shown beside the last one


def readme() -> str:
    """README.md with its tables as the lines have them. Raises ValueError where it has no place for one."""
    text = README.read_text(encoding="utf-8")
    for name, labels in SHOWN.items():
        text = filled(text, f"results/{name}", table(ROOT / "results" / name, labels))
    return text


def filled(text: str, place: str, table: str) -> str:
    """``text`` with ``table`` between its lines <!-- place --> and <!-- end -->. Raises ValueError without them."""
    found = re.search(rf"(?<=<!-- {re.escape(place)} -->\n).*?(?=<!-- end -->)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"there is no place for a table: no lines <!-- {place} --> and <!-- end -->")
    return text[: found.start()] + table + text[found.end() :]


def table(root: Path, labels: int) -> str:
    """The headline strategies in the order of their areas: accuracies, area, and the test against random, Markdown."""
    report = read_report(root)
    at = report.accuracy[report.accuracy["labels"] == labels].set_index(["strategy", "learner"])
    tests = report.findings.tests
    tests = tests[tests["reference"] == "random"].set_index(["strategy", "learner"])
    lines = [
        f"| strategy | seeds | at {labels} labels (%) | at {report.last} labels (%) | area (%) "
        "| area against random (points) | Holm |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    for _, row in report.summary.iterrows():
        key = (row["strategy"], row["learner"])
        cells = [
            row["strategy"],
            str(row["n"]),
            _percent(at.loc[key, "mean"], at.loc[key, "sd"]),
            _percent(row["final_mean"], row["final_sd"]),
            _percent(row["area_mean"], row["area_sd"]),
            *(_test(tests.loc[key]) if key in tests.index else ("–", "–")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(mean: float, deviation: float) -> str:
    return f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def _test(row: pd.Series) -> tuple[str, str]:
    gain, low, high = (points(row[name], 1) for name in ("gain", "low", "high"))
    return f"{gain} [{low}, {high}]", p_value(row["p_holm"])
