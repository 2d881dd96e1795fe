"""Everything that can be named."""

from __future__ import annotations

import re

from rich.text import Text

from benchmark.data import datasets
from benchmark.experiment import load, names
from benchmark.learners import LEARNERS, Learner
from benchmark.models import factory
from benchmark.text.terminal import Terminal
from strategies import registry
from strategies.api import Strategy


def show_list(console: Terminal) -> int:
    """Print everything that can be named, a line each."""
    sections = {
        "strategies": {name: _described(registry.resolve(name).build()) for name in registry.names()},
        "wrappers": {f"{name}:X": summary for name, summary in registry.wrapper_summaries().items()},
        "installed plugins": {name: f"entry point {where}" for name, where in registry.installed().items()},
        "groups": {group: ", ".join(registry.members(group)) for group in registry.groups()},
        "learners": {name: _cited(learner) for name, learner in LEARNERS.items()},
        "data sets": {name: datasets.describe(name) for name in datasets.names()},
        "models": {name: _first_line(model) for name, model in factory.MODELS.items()},
        "protocols": {name: load(name).description for name in names()},
    }
    for heading, lines in ((heading, lines) for heading, lines in sections.items() if lines):
        console.print(Text(heading, "bold"))
        for name, line in lines.items():
            console.entry(name, line)
    return 0


def _described(strategy: Strategy) -> str:
    """A strategy's summary; in brackets groups, needs, the largest acquisition batch and the paper's key."""
    facts = [
        ", ".join(strategy.groups),
        f"needs {', '.join(sorted(strategy.needs))}" if strategy.needs else "",
        f"at most {strategy.max_batch} images per batch" if strategy.max_batch is not None else "",
        f"presets: {', '.join(strategy.presets)}" if strategy.presets else "",
        strategy.paper,
    ]
    return f"{strategy.summary} [{'; '.join(filter(None, facts))}]"


def _cited(learner: type[Learner]) -> str:
    return f"{_first_line(learner)} [{learner.paper}]" if learner.paper else _first_line(learner)


def _first_line(thing: object) -> str:
    return re.split(r"\n", (thing.__doc__ or "").strip())[0]
