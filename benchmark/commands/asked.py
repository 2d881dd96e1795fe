"""Which runs the arguments select."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmark.experiment import ProtocolError
from benchmark.learners import named
from benchmark.results import editions
from strategies import registry

Names = tuple[list[str], list[str]]  # of strategies and learners
Selected = tuple[list[str] | None, list[str] | None, list[int] | None, list[int] | None]  # and seeds and budgets


def rows_asked(arguments: argparse.Namespace) -> tuple[list[str] | None, list[str] | None]:
    """The names of strategies and learners to show, older editions among them; None for all."""
    specs, learners = specs_asked(arguments)
    older_strategies, older_learners = older_asked(arguments)
    return (
        None if specs is None else [*(spec.canonical for spec in specs), *older_strategies],
        None if learners is None else [*learners, *older_learners],
    )


def older_asked(arguments: argparse.Namespace) -> Names:
    """The older editions that are asked for, ``name@…``, with their names in canonical form where they are known."""

    def canonical(text: str, resolve: Callable[[str], str]) -> str:
        name, _, edition = text.rpartition("@")
        try:
            return f"{resolve(name)}@{edition}"
        except ValueError:  # of what is no longer there, as its rows are called
            return text

    strategies, learners = (editions.older(texts)[1] for texts in (arguments.strategies, arguments.learner))
    return (
        [canonical(text, lambda name: registry.resolve(name).canonical) for text in strategies],
        [canonical(text, lambda name: named([name])[0].canonical) for text in learners],
    )


def specs_asked(arguments: argparse.Namespace) -> tuple[list[registry.Spec] | None, list[str] | None]:
    """The strategies, and the learners in canonical form, that select among runs on disk; None for all."""
    specs = learners = None
    if arguments.strategies is not None:
        specs = [spec for spec, _ in registry.expand(editions.older(arguments.strategies)[0])]
    if arguments.learner is not None:
        try:
            learners = [learner.canonical for learner in named(editions.older(arguments.learner)[0])]
        except ValueError as error:
            raise ProtocolError(str(error)) from error
    return specs, learners


def names_asked(arguments: argparse.Namespace) -> list[str]:
    """The strategies that ``--strategies`` names themselves, not by a group, of whichever edition."""
    names = (editions.named(text).name for text in arguments.strategies or ())
    return [name for name in names if name not in registry.groups()]


def reference_asked(arguments: argparse.Namespace) -> str | None:
    """The strategy that ``--baseline`` names, in canonical form."""
    return None if arguments.baseline is None else registry.resolve(arguments.baseline).canonical


def flags(arguments: argparse.Namespace, *names: str) -> list[str]:
    """The words of the command line that give these flags again."""
    given = {name: getattr(arguments, name) for name in names}
    return [
        word
        for name, value in given.items()
        if value is not None
        for word in (f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    ]
