"""Which runs the arguments select."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmark.experiment import ProtocolError
from benchmark.learners import named
from benchmark.results import editions
from benchmark.results import layers as results
from benchmark.results.layers import Folders
from strategies import registry

if TYPE_CHECKING:
    from benchmark.reports import Address, Report

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


def address_of(folders: Folders, typed: Sequence[str] = ()) -> Address:
    """How a command names the experiment at ``folders``, and its strategies as they were ``typed``.

    One that is published has the address that its page has anywhere.
    """
    from benchmark.reports import Address  # here: it takes seconds

    usual, root = results.find_layers(None, None, Path.cwd()), folders.written
    above = root.parent.resolve()
    if usual.published is not None and above == usual.published.resolve():
        return Address()
    options = () if above == usual.own.resolve() else ("--results-dir", str(root.parent))
    return Address(
        (str(folders.read[0]),) if len(folders.read) == 1 else (root.name, *options),
        options,
        str(root) if options else "",
        {registry.resolve(text).canonical: text for text in typed if text not in registry.groups()},
    )


def say_left_out(
    report: Report, where: str, console: Console, wanted: Collection[tuple[str, str]] | None = None
) -> None:
    """Print what the report at a place leaves out, of the ``wanted`` strategies, and the commands that help."""
    from benchmark.reports import left_out  # here: it takes seconds

    for text in left_out.sentences(report, where, wanted):
        console.print(text, markup=False, soft_wrap=True)
    for what, line in left_out.commands(report, wanted):
        console.print(f"  {what}: {line}", markup=False, soft_wrap=True)


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
