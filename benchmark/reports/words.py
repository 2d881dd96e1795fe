"""Small words that tables, notes and captions share."""

from __future__ import annotations

from collections.abc import Sequence


def name(strategy: str, learner: str, several: bool) -> str:
    """What a strategy's row or line is called; the learner is named where there are several."""
    return f"{strategy} ({learner})" if several else strategy


def count(n: int, noun: str) -> str:
    """The noun, in the plural unless ``n`` is one."""
    return noun if n == 1 else f"{noun}s"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: 0–4, 7, 9–11."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
