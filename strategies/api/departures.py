"""What a strategy's default does otherwise than its paper or its authors' code."""

from __future__ import annotations

from typing import NamedTuple


class Departure(NamedTuple):
    """A parameter or a rule in which the bare name is not the authors', and why: a row of docs/strategies.md.

    ``what`` is the name of a parameter, or the rule in a word or two. Of a parameter that the preset ``authors`` sets,
    the values are known, and ``theirs`` and ``ours`` stay empty; otherwise they say what either does. ``why`` is what a
    reader of the published figures needs to know.
    """

    what: str
    why: str
    theirs: str = ""
    ours: str = ""
