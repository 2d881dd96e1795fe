"""Verdicts on strategies that did not do what they are named for: which premise fails, and in how many rounds.

Where a premise fails, a strategy's accuracy says nothing of its method, and a report says what it did instead of
ranking it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.reports.statistics.premises import (
    AUROC,
    BIAS,
    CANDIDATES,
    CLUSTERS,
    INFORMATIVE,
    MARGIN,
    MARGIN_PHASE,
    REPEATED,
    SCORED,
    SINGLE,
    rounds_of,
)
from benchmark.reports.statistics.seeds import REFERENCE, Key
from benchmark.reports.statistics.summary import keys
from benchmark.results.editions import base_name
from benchmark.results.records import RunRecord

MOST = 0.5  # a premise fails where it does in more than this share of the rounds: one bad round is no verdict
CHANCE = 0.6  # AUROC: half a blind module's 0.5 to the 0.7 that loss prediction reaches where it works (MNIST)
OVERLAP = 0.8  # share of margin's images: methods that merely use the margin share at most a third with it on MNIST
FEW_CLASSES = 0.45  # of random's effective number: entropy and margin, which do what they say, have more on MNIST
SATURATED = 0.95  # I / log K: K masks can tell no more than log K nats, and estimates within 5 % of it order by noise
BIASED = 0.5  # share of the score: more bias than information orders the images
CLUSTERED = 0.5  # clusters per acquired image: with fewer than half as many most of a batch is drawn within clusters
SINGLETONS = 0.5  # share of the balls: a cover whose balls hold their centre alone is an arbitrary order
DUPLICATES = 0.1  # share of the acquired images: a tenth of the budget spent on labels that are known


@dataclass(frozen=True)
class Rule:
    """A premise that can fail.

    ``verdict`` says in two or three words what a strategy was then, ``criterion`` when, completing ``said``.
    ``measured`` takes rows of ``by_round`` of one strategy and says in which the premise was measured, ``fails`` in
    which it fails; ``quote`` gives the numbers of the rows where it fails, in a few words. With ``always`` a verdict
    takes every measured round, else more than half of them.
    """

    verdict: str
    criterion: str
    measured: Callable[[pd.DataFrame], pd.Series[bool]]
    fails: Callable[[pd.DataFrame], pd.Series[bool]]
    quote: Callable[[pd.DataFrame], str]
    always: bool = False

    @property
    def said(self) -> str:
        """When the verdict is given, as a clause."""
        return f"in {'every round' if self.always else 'most rounds'} {self.criterion}"


def _there(name: str) -> Callable[[pd.DataFrame], pd.Series[bool]]:
    return lambda rows: rows[name].notna()


def _most_alike(rows: pd.DataFrame) -> pd.Series[float]:
    return rows[["alike", "alike_so_far"]].max(axis=1)


def _missing(rows: pd.DataFrame) -> str:
    """Up to which label count a seed lacks a class, where it does so after a query."""
    lacking = rows.loc[(rows["missing"] > 0) & (rows["labels"] > rows["labels"].min()), "labels"]
    return f", a class missing up to {lacking.max()} labels" if len(lacking) else ""


def _not_margin(rows: pd.DataFrame) -> bool:
    """Whether the rows are not margin's, in any edition and wrapper."""
    return base_name(rows["strategy"].iloc[0]).rpartition(":")[2].partition("[")[0] != "margin"


def _beyond_chance(rows: pd.DataFrame) -> pd.Series[float]:
    """The overlap with margin sampling on a scale from 0, what n of the N images share by chance, to 1.

    Overlaps count in full where N is not known.
    """
    chance = (rows["batch"] / rows[SCORED]).fillna(0.0)
    return (rows[MARGIN] - chance) / (1 - chance)


def _below(limit: float, value: float) -> str:
    """With two decimals, or three where two would read as the limit that the value is below."""
    places = 3 if value < limit <= round(value, 2) else 2
    return f"{value:.{places}f}"


RULES = (
    Rule(
        "ranks at chance",
        f"the AUROC of the predicted loss for the network's errors on the pool is below {CHANCE}, or its 95 % interval "
        "over seeds includes 0.5",
        _there(AUROC),
        lambda rows: (rows[AUROC] < CHANCE) | (rows["auroc_low"] <= 0.5),
        lambda rows: _below(CHANCE, rows[AUROC].mean()),
    ),
    Rule(
        "margin sampling",
        f"at least {100 * OVERLAP:.0f} % of the acquired images are those that margin sampling selects by the same "
        "model, chance left out (of two classes every measure of uncertainty is margin's, and nothing is said)",
        lambda rows: (
            rows[MARGIN].notna() & (rows["classes"] > 2) & ~(rows[SCORED] <= rows["batch"]) & _not_margin(rows)
        ),
        lambda rows: _beyond_chance(rows) >= OVERLAP,
        lambda rows: f"{100 * rows[MARGIN].mean():.0f} %",
    ),
    Rule(
        "typiclust",
        "the labels are fewer than those at which it begins to select by margin",
        _there(MARGIN_PHASE),
        lambda rows: rows[MARGIN_PHASE] == 0,
        lambda rows: f"up to {rows['labels'].max():.0f} labels",
        always=True,
    ),
    Rule(
        "few classes",
        f"a batch, or all that was acquired up to it, has at most {100 * FEW_CLASSES:.0f} % of the effective number of "
        "classes of a random batch",
        lambda rows: rows["alike"].notna() & rows["usual"].notna(),
        lambda rows: _most_alike(rows) * FEW_CLASSES * rows["usual"] >= 1,
        lambda rows: f"{1 / _most_alike(rows).mean():.1f} of {rows['classes'].iloc[0]:.0f}{_missing(rows)}",
    ),
    Rule(
        "Monte-Carlo noise",
        f"the batch goes on after its information has reached {100 * SATURATED:.0f} % of log K, the most that K "
        "dropout masks can tell",
        _there(INFORMATIVE),
        lambda rows: rows[INFORMATIVE] < rows["batch"],
        lambda rows: f"beyond pick {rows[INFORMATIVE].mean():.0f} of {rows['batch'].mean():.0f}",
    ),
    Rule(
        "Monte-Carlo bias",
        "more than half of the score of the acquired images is left where one image's draws are taken together with "
        "other draws of the target images, which tell nothing of each other",
        _there(BIAS),
        lambda rows: rows[BIAS] > BIASED,
        lambda rows: f"{100 * rows[BIAS].mean():.0f} %",
    ),
    Rule(
        "singleton balls",
        "more than half of the balls hold no image but their centre",
        _there(SINGLE),
        lambda rows: rows[SINGLE] > SINGLETONS,
        lambda rows: f"{100 * rows[SINGLE].mean():.0f} %",
    ),
    Rule(
        "too few candidates",
        "the method finds fewer candidates than it acquires images",
        _there(CANDIDATES),
        lambda rows: rows[CANDIDATES] < rows["batch"],
        lambda rows: f"{rows[CANDIDATES].mean():.0f} for {rows['batch'].mean():.0f}",
    ),
    Rule(
        "few clusters",
        "the candidates lie in fewer than half as many clusters as images are acquired, so that clusters hardly spread "
        "the batch",
        _there(CLUSTERS),
        lambda rows: rows[CLUSTERS] < CLUSTERED * rows["batch"],
        lambda rows: f"{rows[CLUSTERS].mean():.1f} for {rows['batch'].mean():.0f}",
    ),
    Rule(
        "duplicates",
        f"at least {100 * DUPLICATES:.0f} % of the acquired images equal a labelled one in every value",
        _there(REPEATED),
        lambda rows: rows[REPEATED] >= DUPLICATES,
        lambda rows: f"{100 * rows[REPEATED].mean():.0f} %",
    ),
)


def failing(rounds: pd.DataFrame) -> dict[Key, dict[str, str]]:
    """By strategy and learner, the verdicts of the rules that fail in most of its rounds, each with its numbers.

    A rule that was measured in less than half of the rounds gives no verdict. ``rounds`` are of ``by_round``.
    """
    found: dict[Key, dict[str, str]] = {}
    for key in keys(rounds) if len(rounds) else ():
        own = rounds[(rounds["strategy"] == key[0]) & (rounds["learner"] == key[1])]
        for rule in RULES:
            measured = own[rule.measured(own)]
            failed = measured[rule.fails(measured)] if len(measured) else measured
            most = len(failed) == len(measured) if rule.always else len(failed) > MOST * len(measured)
            if len(failed) and most and len(measured) >= MOST * len(own):
                found.setdefault(key, {})[rule.verdict] = rule.quote(failed)
    return found


def degenerate(runs: Sequence[RunRecord], before: float = math.inf) -> dict[Key, tuple[str, ...]]:
    """The verdicts on the strategies (with learners) whose premises fail: see ``failing``. Never random's.

    Judged by the queries ``before`` so many labels.
    """
    found = failing(rounds_of(runs, before))
    return {key: tuple(verdicts) for key, verdicts in found.items() if base_name(key[0]) != REFERENCE}
