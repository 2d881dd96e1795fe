"""Acquisition strategies: which images to label next. What plugins import.

``api`` says what a strategy is and what it reads; each method is a file; ``registry`` knows them by name, in the order
of ``registry/catalogue.py``; ``kernels`` and ``components`` hold what methods share; ``testing`` checks the contract.
"""

from strategies.api import (
    Attachment,
    Labelled,
    OraclePool,
    Output,
    Pool,
    ScoreStrategy,
    Step,
    Strategy,
    Tuning,
    TuningBatch,
    drawn_top,
    register,
    top,
)
from strategies.registry import SpecError, UnknownStrategy, resolve

__all__ = [
    "Attachment",
    "Labelled",
    "OraclePool",
    "Output",
    "Pool",
    "ScoreStrategy",
    "SpecError",
    "Step",
    "Strategy",
    "Tuning",
    "TuningBatch",
    "UnknownStrategy",
    "drawn_top",
    "register",
    "resolve",
    "top",
]
