"""What all tables format alike: percentages, points, p-values, seconds, names of rows, parts of captions."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.tables.table import MISSING, Cell
from benchmark.reports.words import brief, name

MARK = "*"  # beside a difference whose corrected p-value is below the level


def sentences(*parts: str) -> str:
    """The non-empty parts of a caption as one text."""
    return " ".join(part.strip() for part in parts if part.strip())


def row_name(key: tuple[str, str], source: Provenance) -> str:
    """The strategy, with its learner where there are several; † where its runs have a footnote, ‡ or § if unranked."""
    marks = ("†" if key in source.marked else "") + source.unranked.mark(key)
    return name(key[0], brief(source.learners)[key[1]], several=len(source.learners) > 1) + marks


def thin_out(counts: list[int], most: int) -> list[int]:
    """At most ``most`` of the counts, with the first and the last: every k-th, or spaced as evenly as possible."""
    gaps = len(counts) - 1
    for stride in range(1, gaps + 1):
        if gaps % stride == 0 and most / 2 < gaps // stride + 1 <= most:
            return counts[::stride]
    return [counts[round(i * gaps / (most - 1))] for i in range(most)] if len(counts) > most else counts


def decimals(sds: pd.Series[float]) -> int:
    """Decimal places for percentages: two if the median standard deviation is below 0.2 points, else one."""
    return 2 if sds.median() < 0.002 else 1


def marked_best(means: pd.Series[float], sds: pd.Series[float], places: int) -> list[Cell]:
    """Cells mean ± sd in %; bold where the digits are those of the best, unless all are."""
    texts = [f"{100 * mean:.{places}f}" for mean in means]
    best = f"{100 * means.max():.{places}f}" if len({*texts} - {"nan"}) > 1 else None
    return [
        Cell(text, text == best, f"{100 * sd:.{places}f}" if math.isfinite(sd) else "") if text != "nan" else MISSING
        for text, sd in zip(texts, sds, strict=True)
    ]


def points(value: float, places: int) -> str:
    """A difference of accuracies (0–1) in percentage points, with its sign."""
    return f"{100 * value:+.{places}f}".replace("-", "−")


def interval(low: float, high: float, places: int) -> Cell:
    """An interval of differences of accuracies (0–1) in percentage points; – for NaN."""
    return Cell(f"[{points(low, places)}, {points(high, places)}]") if math.isfinite(low) else MISSING


def seconds(value: float) -> str:
    """Seconds to about three digits; – for NaN."""
    if not math.isfinite(value):
        return MISSING.text
    if value < 0.005:
        return "<0.01"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def p_value(p: float) -> str:
    """A p-value to three decimals; – for NaN, where there is no test."""
    return MISSING.text if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def seeds_in_words(n: int) -> str:
    """A number of seeds, within a sentence."""
    return "one seed" if n == 1 else f"{n} seeds"


def seeds_are(n: int) -> str:
    """A number of seeds and its verb, at the start of a sentence."""
    return "One seed is" if n == 1 else f"{n} seeds are"
