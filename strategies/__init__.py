"""Acquisition strategies: what to ask next. Public API for plugins.

A strategy is a class registered under a name; importing this package registers the suite's own.
"""

# isort: off
# (imported for @register: this is the order of --list and of a grid)
from strategies import random  # noqa: F401
from strategies import uncertainty  # noqa: F401
from strategies import bald  # noqa: F401
from strategies import mc_uncertainty  # noqa: F401
from strategies import batchbald  # noqa: F401
from strategies import epig  # noqa: F401
from strategies import coremse  # noqa: F401
from strategies import coreset  # noqa: F401
from strategies import kmeans  # noqa: F401
from strategies import cdal  # noqa: F401
from strategies import cluster_margin  # noqa: F401
from strategies import logdet  # noqa: F401
from strategies import lcmd  # noqa: F401
from strategies import badge  # noqa: F401
from strategies import clue  # noqa: F401
from strategies import falcun  # noqa: F401
from strategies import bait  # noqa: F401
from strategies import alfa_mix  # noqa: F401
from strategies import dropquery  # noqa: F401
from strategies import typiclust  # noqa: F401
from strategies import probcover  # noqa: F401
from strategies import maxherding  # noqa: F401
from strategies import uherding  # noqa: F401
from strategies import dcom  # noqa: F401
from strategies import tcm  # noqa: F401
from strategies import learning_loss  # noqa: F401
from strategies import semi_supervised_learning_loss  # noqa: F401
from strategies import tod  # noqa: F401
from strategies.registry import stochastic_batch as stochastic_batch
from strategies import true_loss  # noqa: F401
from strategies import greedy_oracle  # noqa: F401

# isort: on
from strategies.api.base import (
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
