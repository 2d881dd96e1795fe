"""What is shown and not ranked: strategies that read true labels, and those that did not do what they are named for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from benchmark.reports.words import name

Key = tuple[str, str]  # strategy, learner


@dataclass(frozen=True)
class Unranked:
    """``diagnostic`` strategies use true labels; ``degenerate`` has the verdicts on a strategy with a learner.

    The verdicts are titles of ``statistics.degeneracy.RULES``. A key is ``in`` it where it is not ranked.
    """

    diagnostic: tuple[str, ...] = ()
    degenerate: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, key: Key) -> bool:
        return key[0] in self.diagnostic or key in self.degenerate

    def ranked(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table with the columns strategy and learner that are ranked."""
        return table[[key not in self for key in zip(table["strategy"], table["learner"], strict=True)]]

    def mark(self, key: Key) -> str:
        """What stands behind the name of a row or line: ‡ for a diagnostic, § for a degenerate strategy."""
        return "‡" * (key[0] in self.diagnostic) + "§" * (key in self.degenerate)

    def cited(self, key: Key, verdict: str) -> str:
        """A verdict as tables print it: in parentheses behind "not ranked", so that none is quoted as one of a rank."""
        return f"not ranked ({verdict})" if verdict and key in self else verdict

    def remark(self, keys: Iterable[Key]) -> str:
        """What the marks on ``keys`` mean, to begin a figure's remark with; empty where there are none."""
        marks = "".join(map(self.mark, keys))
        diagnostic = "‡ diagnostic, uses true labels; " if "‡" in marks else ""
        return diagnostic + ("§ not ranked; " if "§" in marks else "")

    @property
    def diagnostic_note(self) -> str:
        """A sentence on the diagnostics; empty where there are none."""
        return f"‡ Diagnostic (uses true labels; not ranked): {', '.join(self.diagnostic)}." if self.diagnostic else ""

    @property
    def note(self) -> str:
        """A sentence for each mark, for captions; empty where all strategies are ranked."""
        several = len({learner for _, learner in self.degenerate}) > 1
        by_verdict: dict[str, list[str]] = {}
        for key, verdicts in self.degenerate.items():
            by_verdict.setdefault(" and ".join(verdicts), []).append(name(*key, several))
        told = "; ".join(f"{', '.join(who)} ({verdict})" for verdict, who in by_verdict.items())
        return " ".join(filter(None, [self.diagnostic_note, told and f"§ Not ranked: {told}."]))


RANKED = Unranked()
