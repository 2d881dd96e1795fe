"""The learners by name, and the way from ``name[key=value,…]`` to an object."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.experiment.kinds import mistaken
from benchmark.learners.fixmatch import FixMatch
from benchmark.learners.flexmatch import FlexMatch
from benchmark.learners.freematch import FreeMatch
from benchmark.learners.learner import Learner
from benchmark.learners.noisy_student import NoisyStudent
from benchmark.learners.pseudo_label import PseudoLabel
from benchmark.learners.self_training import SelfTraining
from benchmark.learners.softmatch import SoftMatch
from benchmark.learners.supervised import Supervised
from strategies.registry import CodeSource, Loaded, changed_parameters, format_spec, nearest, parse

LEARNERS: dict[str, type[Learner]] = {
    learner.name: learner
    for learner in (Supervised, FixMatch, FlexMatch, FreeMatch, NoisyStudent, PseudoLabel, SelfTraining, SoftMatch)
}


PLUGINS = Loaded(Learner, "learner")


def named(texts: Iterable[str]) -> list[Learner]:
    """The learners that a user names: ``name[key=value,…]``, ``module:Class[…]`` or ``file.py:Class[…]``.

    Raises ValueError with one line that says what to change.
    """
    parsed = [parse(text) for text in texts]
    elsewhere = [name for name, _ in parsed if _is_elsewhere(name)]
    names = dict(zip(elsewhere, PLUGINS.load(elsewhere), strict=True))
    return [build(format_spec(names.get(name, name), parameters.items())) for name, parameters in parsed]


def build(text: str) -> Learner:
    """The learner of a name that is known; its ``canonical`` form has sorted keys and leaves defaults out.

    One of a user's own is known once ``named`` has loaded it: what a file names is not imported. Raises ValueError with
    one line that says what to change.
    """
    name, parameters = parse(text)
    if name in PLUGINS:
        cls = PLUGINS[name].cls
    elif name in LEARNERS:
        cls = LEARNERS[name]
    elif _is_elsewhere(name):
        raise ValueError(f"learner '{name}' is a user's own: name it with --learner file.py:Class")
    elif wrong := mistaken(name, "a learner"):
        raise ValueError(wrong)
    else:
        raise ValueError(
            f"unknown learner '{name}'{nearest(name, LEARNERS)} (known: {', '.join(LEARNERS)}, or file.py:Class)"
        )
    chosen = changed_parameters(cls, name, parameters)
    canonical = format_spec(name, chosen)
    try:
        learner = cls(**dict(chosen))
    except Exception as error:  # whatever the constructor of a user's own raises
        raise ValueError(f"learner '{canonical}': {str(error) or type(error).__name__}".replace("\n", " ")) from error
    learner.canonical = canonical
    return learner


def source_of(canonical: str) -> CodeSource | None:
    """Where the learner of this canonical form comes from; None for the suite's own."""
    name = parse(canonical)[0]
    return PLUGINS[name].source(name) if name in PLUGINS else None


def code_named(text: str) -> CodeSource | None:
    """The code of a user's own that a learner's text names, by its source alone: nothing is imported.

    None for the suite's learners. Raises SpecError where there is no such source.
    """
    name = parse(text)[0]
    return PLUGINS.code_named(name) if _is_elsewhere(name) else None


def _is_elsewhere(name: str) -> bool:
    return name not in LEARNERS and ":" in name
