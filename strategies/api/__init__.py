"""What a strategy is and what it reads: the interfaces that plugins import, re-exported by ``strategies``.

``strategy``: Strategy, ScoreStrategy · ``pool``: what they read · ``passes``: what that costs · ``attachment`` and
``training``: what takes part in the training · ``registration``: names · ``departures``: what is not as the authors
have it · ``checks``: what must hold of declarations and choices.
"""

from strategies.api.attachment import Attachment, Output, Step
from strategies.api.checks import HOOKS, checked_notes, declaration_error, selection_error
from strategies.api.departures import Departure
from strategies.api.passes import Passes, Query
from strategies.api.pool import OraclePool, Pool
from strategies.api.registration import register
from strategies.api.strategy import ScoreStrategy, Strategy, drawn_top, top
from strategies.api.training import Labelled, Tuning, TuningBatch

__all__ = [
    "HOOKS",
    "Attachment",
    "Departure",
    "Labelled",
    "OraclePool",
    "Output",
    "Passes",
    "Pool",
    "Query",
    "ScoreStrategy",
    "Step",
    "Strategy",
    "Tuning",
    "TuningBatch",
    "checked_notes",
    "declaration_error",
    "drawn_top",
    "register",
    "selection_error",
    "top",
]
