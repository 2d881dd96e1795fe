"""What is shown side by side: all strategies over the seeds that they share, or, before that, those with the most.

A report has one view, of all strategies. Where some have far fewer seeds than others (``seeds.parties``), it has two:
the first of the strategies with the most seeds, over the seeds that those share; the second, wide one of all of them,
over the seeds that all share, which are few. Differences to random do not need the choice: in both views each is over
all seeds that the strategy shares with random.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import pandas as pd

from benchmark.reports.statistics.ranks import blocks, mean_ranks
from benchmark.reports.statistics.seeds import Key, comparable, compared, only, parties
from benchmark.reports.statistics.summary import intervals, keys, paired, run_areas, summarise
from benchmark.reports.words import count, ranges

WIDE = "-all"  # ends the names of the wide view's tables and figures


class View:
    """Strategies side by side; each statistic of them is computed when it is first asked for.

    ``curves`` are the rows of its strategies (see ``curves.curves``), ``last`` the label count aimed at, ``guests``
    those of them that take no seeds from the others.
    ``suffix`` ends the names of its tables and figures, ``scope`` is a sentence on who is in it, empty for everyone.
    """

    def __init__(
        self,
        curves: pd.DataFrame,
        last: int | None = None,
        guests: Collection[Key] = (),
        suffix: str = "",
        scope: str = "",
    ) -> None:
        self.curves, self.last, self.guests = curves, last, guests
        self.suffix, self.scope = suffix, scope

    @cached_property
    def _comparable(self) -> tuple[pd.DataFrame, list[str]]:
        return comparable(self.curves, self.guests)

    @property
    def shared(self) -> pd.DataFrame:
        """At each label count, the rows of the seeds that all share there."""
        return self._comparable[0]

    @property
    def notes(self) -> list[str]:
        """What ``shared`` leaves out."""
        return self._comparable[1]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows behind all comparisons of areas: see ``seeds.compared``."""
        return compared(self.curves, self.last, self.guests)

    @cached_property
    def compared(self) -> list[Key]:
        """The strategies (with learners) that have ``rows``, the largest area first."""
        present = set(keys(self.rows))
        return [key for key in self.ranking if key in present]

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of ``rows``, which all strategies there have."""
        return sorted(set(self.rows["seed"].tolist()))

    @property
    def several_label_counts(self) -> bool:
        """Whether there are curves at all, and with them areas and seconds along the way."""
        return bool(self.curves["labels"].nunique() > 1)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """A row per run in ``rows``: see ``summary.run_areas``."""
        return run_areas(self.rows)

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """strategy, learner, labels, mean, sd, low, high, n of the accuracy (0–1), over ``shared``."""
        return intervals(self.shared, "accuracy")

    @cached_property
    def gains(self) -> pd.DataFrame:
        """As ``accuracy``, of the difference to random: at each label count over the seeds that the two have there."""
        return intervals(paired(self.curves, "accuracy", ["learner", "seed", "labels"]), "gain")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """See ``summary.summarise``."""
        return summarise(self.curves, self.last, guests=self.guests)

    @property
    def ranking(self) -> list[Key]:
        """The strategies (with learners), the largest area first."""
        return keys(self.summary)

    @cached_property
    def blocks(self) -> pd.DataFrame:
        """A row per seed, the areas of all: see ``significance.blocks``."""
        return blocks(self.areas)

    @cached_property
    def mean_ranks(self) -> pd.Series:
        """The mean rank of each (strategy, learner) over ``blocks``."""
        return mean_ranks(self.blocks)


def views(curves: pd.DataFrame, last: int | None = None) -> list[View]:
    """The view of those with the most seeds and the wide one, or, where nobody has far fewer, one of all."""
    most, fewer, guests = parties(curves, last)
    if not fewer:
        return [View(curves, last, guests)]
    everyone = View(curves, last, guests, suffix=WIDE)
    first = View(only(curves, [*most, *guests]), last, guests)
    seeds, common = (view.seeds for view in (first, everyone))
    several = curves["learner"].nunique() > 1
    what = "strategies and learners" if several else "strategies"
    first.scope = (
        f"Here are the {len(most)} of {len(most) + len(fewer)} {what} with the most seeds, over the "
        f"{len(seeds)} {count(len(seeds), 'seed')} {ranges(seeds)} that they share; tables and figures named -all show "
        f"all over {ranges(common)}."
    )
    everyone.scope = (
        f"Here are all {len(most) + len(fewer)} {what}, over the {len(common)} {count(len(common), 'seed')} "
        f"{ranges(common)} that they share; {len(most)} of them have {len(seeds)} (tables and figures without -all)."
    )
    return [first, everyone]
