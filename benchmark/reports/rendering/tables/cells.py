"""Cells and captions, alike in all tables: percentages, points, p-values, seconds, and the names of rows."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.tables.table import MISSING, Cell
from benchmark.reports.words import brief, name

MARK = "*"  # beside a difference that a test, corrected for the number of tests, does not put down to chance


def sentences(*parts: str) -> str:
    """The parts of a caption that say something, as one text."""
    return " ".join(part.strip() for part in parts if part.strip())


def row_name(key: tuple[str, str], source: Provenance) -> str:
    """The strategy, with its learner where there are several; † where its runs have a footnote, ‡ if it cheats."""
    marks = ("†" if key in source.marked else "") + ("‡" if key[0] in source.cheating else "")
    return name(key[0], brief(source.learners)[key[1]], several=len(source.learners) > 1) + marks


def thin_out(counts: list[int], most: int) -> list[int]:
    """At most ``most`` of the counts, the first and the last among them: every k-th, or as even as it gets."""
    gaps = len(counts) - 1
    for stride in range(1, gaps + 1):
        if gaps % stride == 0 and most / 2 < gaps // stride + 1 <= most:
            return counts[::stride]
    return [counts[round(i * gaps / (most - 1))] for i in range(most)] if len(counts) > most else counts


def decimals(sds: pd.Series[float]) -> int:
    """Places for a percentage: two where seeds differ by less than 0.2 points (the median), else one."""
    return 2 if sds.median() < 0.002 else 1


def marked_best(means: pd.Series[float], sds: pd.Series[float], places: int) -> list[Cell]:
    """Cells mean ± sd in %; bold what shows the same digits as the best, unless all do."""
    texts = [f"{100 * mean:.{places}f}" for mean in means]
    best = f"{100 * means.max():.{places}f}" if len({*texts} - {"nan"}) > 1 else None
    return [
        Cell(text, text == best, f"{100 * sd:.{places}f}" if math.isfinite(sd) else "") if text != "nan" else MISSING
        for text, sd in zip(texts, sds, strict=True)
    ]


def points(value: float, places: int) -> str:
    """A difference of accuracies in points, with its sign."""
    return f"{100 * value:+.{places}f}".replace("-", "−")


def interval(low: float, high: float, places: int) -> Cell:
    """The ends of an interval of differences of accuracies, 0–1, in points; – where there is none."""
    return Cell(f"[{points(low, places)}, {points(high, places)}]") if math.isfinite(low) else MISSING


def seconds(value: float) -> str:
    """About three digits; – for an unknown duration."""
    if not math.isfinite(value):
        return MISSING.text
    if value < 0.005:
        return "<0.01"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def p_value(p: float) -> str:
    """Three decimals; – where there is no test."""
    return MISSING.text if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def seeds_in_words(n: int) -> str:
    """How many seeds, inside a sentence."""
    return "one seed" if n == 1 else f"{n} seeds"


def seeds_are(n: int) -> str:
    """How many seeds, with the verb, at the start of a sentence."""
    return "One seed is" if n == 1 else f"{n} seeds are"
