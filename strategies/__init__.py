"""Acquisition strategies: what to ask next. Public API for plugins.

A strategy is a class registered under a name; importing this package registers the suite's own.
"""

from strategies import (  # noqa: F401  (imported for @register, in the order of --list)
    badge,
    bald,
    coreset,
    learning_loss,
    random,
    semi_supervised_learning_loss,
    uncertainty,
)
from strategies.base import (
    Attachment,
    Labelled,
    Output,
    Pool,
    ScoreStrategy,
    Step,
    Strategy,
    Tuning,
    TuningBatch,
    top,
)
from strategies.registry import UnknownStrategy, register, resolve

__all__ = [
    "Attachment",
    "Labelled",
    "Output",
    "Pool",
    "ScoreStrategy",
    "Step",
    "Strategy",
    "Tuning",
    "TuningBatch",
    "UnknownStrategy",
    "register",
    "resolve",
    "top",
]
