"""The learners by name, and the way from ``name[key=value,…]`` to an object."""

from __future__ import annotations

from benchmark.learners.fixmatch import FixMatch
from benchmark.learners.flexmatch import FlexMatch
from benchmark.learners.freematch import FreeMatch
from benchmark.learners.learner import Learner
from benchmark.learners.noisy_student import NoisyStudent
from benchmark.learners.pseudo_label import PseudoLabel
from benchmark.learners.self_training import SelfTraining
from benchmark.learners.softmatch import SoftMatch
from benchmark.learners.supervised import Supervised
from strategies.registry import changed_parameters, format_spec, nearest, parse

LEARNERS: dict[str, type[Learner]] = {
    learner.name: learner
    for learner in (Supervised, FixMatch, FlexMatch, FreeMatch, NoisyStudent, PseudoLabel, SelfTraining, SoftMatch)
}


def build(text: str) -> Learner:
    """The learner that ``text`` names; its ``canonical`` form has sorted keys and leaves defaults out.

    Raises ValueError with one line that says what to change.
    """
    name, parameters = parse(text)
    if name not in LEARNERS:
        raise ValueError(f"unknown learner '{name}'{nearest(name, LEARNERS)} (known: {', '.join(LEARNERS)})")
    chosen = changed_parameters(LEARNERS[name], name, parameters)
    canonical = format_spec(name, chosen)
    try:
        learner = LEARNERS[name](**dict(chosen))
    except ValueError as error:
        raise ValueError(f"learner '{canonical}': {error}") from error
    learner.canonical = canonical
    return learner
