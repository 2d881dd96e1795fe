"""Names, plurals and ranges, as tables, notes and captions print them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def name(strategy: str, learner: str, several: bool) -> str:
    """The name of a strategy's row or line; with the learner where there are ``several``."""
    return f"{strategy} ({learner})" if several else strategy


def names(keys: Iterable[tuple[str, str]], always: bool = False) -> list[str]:
    """Short names of the rows or lines of strategies with learners: see ``name`` and ``brief``.

    With one learner it goes without saying, unless ``always`` is set.
    """
    pairs = list(keys)
    called = brief(learner for _, learner in pairs)
    return [name(strategy, called[learner], several=always or len(called) > 1) for strategy, learner in pairs]


def brief(learners: Iterable[str]) -> dict[str, str]:
    """Each learner's short name: without parameters, unless two learners differ in their parameters alone."""
    bare = {learner: learner.partition("[")[0] for learner in learners}
    alike = Counter(bare.values())
    return {learner: short if alike[short] == 1 else learner for learner, short in bare.items()}


def count(n: int, noun: str) -> str:
    """The noun, in the plural unless ``n`` is 1."""
    return noun if n == 1 else f"{noun}s"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers with ranges joined: 0–4, 7, 9–11."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
