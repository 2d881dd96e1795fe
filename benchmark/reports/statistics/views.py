"""Views: the strategies that a report compares, over the seeds that they share.

A report usually has one view, of all strategies. Where some have far fewer seeds than others (``seeds.seed_groups``),
it has two: the first of the strategies with the most seeds, over the seeds that those share; the second, the wide view,
of all strategies, over the few seeds that all share. Differences to the reference are the same in both: each is over
all seeds that the strategy shares with it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import pandas as pd

from benchmark.reports.statistics.seeds import REFERENCE, Key, comparable, compared, horizon, only, seed_groups
from benchmark.reports.statistics.summary import gains, intervals, keys, run_areas, summarise
from benchmark.reports.unranked import RANKED, Unranked
from benchmark.reports.words import count, ranges

WIDE = "-all"  # suffix of the names of the wide view's tables and figures


class View:
    """Strategies that are compared; each statistic is computed on first use.

    ``curves`` are the rows of the strategies (see ``curves.curves``), ``end`` is the label count at which comparisons
    of areas end (by default ``seeds.horizon``), ``unfinished`` are strategies that do not reduce the shared seeds (see
    ``seeds.SeedGroups``). ``suffix`` ends the names of the view's tables and figures. ``scope`` is a sentence on the
    strategies and seeds, empty for a report's only view. ``unranked`` strategies have no part in the ranks. Differences
    are to the ``reference``.
    """

    def __init__(
        self,
        curves: pd.DataFrame,
        end: int | None = None,
        unfinished: Collection[Key] = (),
        suffix: str = "",
        scope: str = "",
        unranked: Unranked = RANKED,
        reference: str = REFERENCE,
    ) -> None:
        self.curves, self.end, self.unfinished, self.unranked = curves, end, unfinished, unranked
        self.suffix, self.scope, self.reference = suffix, scope, reference

    @cached_property
    def _comparable(self) -> tuple[pd.DataFrame, list[str]]:
        return comparable(self.curves, self.unfinished)

    @property
    def shared(self) -> pd.DataFrame:
        """At each label count, the rows of the seeds that all strategies there share."""
        return self._comparable[0]

    @property
    def notes(self) -> list[str]:
        """Sentences on what ``shared`` leaves out."""
        return self._comparable[1]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows behind comparisons of areas: see ``seeds.compared``."""
        return compared(self.curves, self.end, self.unfinished)

    @cached_property
    def compared(self) -> list[Key]:
        """The strategies (with learners) in ``rows``, the largest area first."""
        present = set(keys(self.rows))
        return [key for key in self.ranking if key in present]

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds in ``rows``, which all strategies there share."""
        return sorted(set(self.rows["seed"].tolist()))

    @property
    def several_label_counts(self) -> bool:
        """Whether there are curves, rather than accuracies at a single label count."""
        return bool(self.curves["labels"].nunique() > 1)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """A row per run in ``rows``: see ``summary.run_areas``."""
        return run_areas(self.rows)

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """The accuracy (0–1) over ``shared``: strategy, learner, labels, mean, sd, low, high, n."""
        return intervals(self.shared, "accuracy")

    @cached_property
    def gains(self) -> pd.DataFrame:
        """The difference in accuracy to ``reference``, over the seeds that the two share; columns as ``accuracy``."""
        return gains(self.curves, "accuracy", self.reference)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """See ``summary.summarise``."""
        return summarise(self.curves, self.end, unfinished=self.unfinished)

    @property
    def ranking(self) -> list[Key]:
        """The strategies (with learners), the largest area first."""
        return keys(self.summary)


def views(
    curves: pd.DataFrame, end: int | None = None, unranked: Unranked = RANKED, reference: str = REFERENCE
) -> list[View]:
    """The one view of all strategies, or the view of those with the most seeds and the wide view.

    Comparisons of areas end at the same label count in both, ``end``, by default the ``horizon`` of all strategies.
    """
    end = horizon(curves) if end is None else end
    complete, partial, unfinished = seed_groups(curves, end, reference)
    if not partial:
        return [View(curves, end, unfinished, unranked=unranked, reference=reference)]
    wide = View(curves, end, unfinished, suffix=WIDE, unranked=unranked, reference=reference)
    most = only(curves, [*complete, *unfinished])
    first = View(most, end, unfinished, unranked=unranked, reference=reference)
    seeds, common = (view.seeds for view in (first, wide))
    several = curves["learner"].nunique() > 1
    differences = f"In both, differences to {reference} are over all seeds that a row shares with it."
    what = "strategies and learners" if several else "strategies"
    first.scope = (
        f"Shown are the {len(complete)} of {len(complete) + len(partial)} {what} with the most seeds, over the "
        f"{len(seeds)} {count(len(seeds), 'seed')} {ranges(seeds)} that they share; tables and figures ending in -all "
        f"show all {what} over seeds {ranges(common)}. {differences}"
    )
    wide.scope = (
        f"Shown are all {len(complete) + len(partial)} {what}, over the {len(common)} {count(len(common), 'seed')} "
        f"{ranges(common)} that they share; {len(complete)} of them have {len(seeds)} seeds "
        f"(tables and figures without -all). {differences}"
    )
    return [first, wide]
