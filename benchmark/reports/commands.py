"""The commands that pages print: which runs they compute, and how they name the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.reports.provenance import Provenance
from benchmark.text import escapes


@dataclass(frozen=True)
class Address:
    """How a user's command names an experiment.

    ``shown`` are the words behind ``--report``, ``options`` those that say where runs go (``--results-dir DIR``); where
    there are any, ``folder`` is the experiment's. Empty ones leave it at ``Provenance.folder``. ``typed`` has
    strategies as the user named them, such as ``mine.py:Mine``, by their names in tables.
    """

    shown: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    folder: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)


ANYWHERE = Address()


def command(
    source: Provenance,
    strategies: list[str],
    learners: list[str],
    seeds: tuple[int, ...],
    labels: tuple[int, ...],
    address: Address = ANYWHERE,
) -> str:
    """The command that computes these runs, where the experiment is at the ``address``."""
    protocol, folder = source.protocol, address.folder or source.folder
    settings = f"{folder}/experiment.json" if source.altered else str(protocol.get("name", source.experiment))
    words = ["python run_benchmark.py --protocol", escapes.shell(settings)]
    if replayed := str(protocol.get("replay") or ""):
        words = ["python run_benchmark.py --replay", escapes.shell(replayed.rpartition("@")[0] or replayed)]
        words += ["--protocol", escapes.shell(f"{folder}/experiment.json")]
    words += ["--strategies", *map(escapes.shell, strategies)]
    if source.learners != ("supervised",):
        words += ["--learner", *map(escapes.shell, learners)]
    if replayed or list(labels) != list(protocol.get("ladder") or protocol.get("budgets") or labels):
        words += ["--budgets", *map(str, labels)]
    named = source.altered or replayed
    if named and not source.experiment.startswith(f"{protocol.get('name', '')}-"):
        words += ["--name", escapes.shell(source.experiment)]
    return " ".join([*words, "--seeds", *map(str, seeds), *map(escapes.shell, address.options)])
