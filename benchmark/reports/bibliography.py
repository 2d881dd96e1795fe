"""Bibliographies: the suite's own entry and the papers of what ran."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from benchmark.experiment.papers import LEARNER_PAPERS
from benchmark.reports.provenance import Provenance
from benchmark.reports.words import count
from benchmark.results.editions import base_name
from benchmark.text import escapes

BIBLIOGRAPHY = "strategies.bib"  # among the tables
YEAR = 2026  # of the suite's present release
BIBLIOGRAPHIES = (("strategies", "strategies.bib"), ("benchmark.experiment", "learners.bib"))  # packages and files


def bibliography(sources: Sequence[Provenance]) -> str:
    """A .bib file: the suite and the papers of protocols, strategies and learners; a comment names what each is for.

    Strategies that are not of the suite are named as such: only their authors know what to cite.
    """
    from strategies import registry  # here: it takes PyTorch, which a report loads only for what strategies declare

    known = {name: registry.resolve(name).cls.paper for name in registry.names()}
    wrappers = {name: registry.resolve(f"{name}:margin").cls.paper for name in registry.wrapper_summaries()}
    meant: dict[str, list[str]] = {}
    for source in sources:
        for key in source.protocol.get("papers", ()):
            meant.setdefault(key, []).append(f"the protocol {source.protocol['name']}")
    others = []
    for strategy, plugin in _strategies(sources).items():
        layers = strategy_layers(strategy, tuple(wrappers))
        if layers[-1] not in known or plugin:
            others.append(strategy)
        papers = [*(wrappers[layer] for layer in layers[:-1]), known.get(layers[-1], "")]
        for key in dict.fromkeys(filter(None, papers)):
            meant.setdefault(key, []).append(strategy)
    for learner in dict.fromkeys(base_name(learner) for source in sources for learner in source.learners):
        paper = LEARNER_PAPERS.get(learner.partition("[")[0])
        if paper is not None:
            meant.setdefault(paper, []).append(f"the learner {learner}")
    entries = read_entries(bibliographies())
    parts = [suite(sources)]
    parts += [
        f"{escapes.bibtex_comment(', '.join(who))}\n{entries[key]}" for key, who in meant.items() if key in entries
    ]
    if unknown := [str(key) for key in meant if key not in entries]:
        parts.append(escapes.bibtex_comment(f"Not in the suite's bibliography: {', '.join(unknown)}"))
    if others:
        parts.append(
            escapes.bibtex_comment(f"Not part of the suite, to be cited as their authors ask: {', '.join(others)}")
        )
    return "\n\n".join(parts) + "\n"


def bibliographies() -> str:
    """The suite's own .bib files, concatenated."""
    texts = [resources.files(package).joinpath(name).read_text(encoding="utf-8") for package, name in BIBLIOGRAPHIES]
    return "\n".join(texts)


def _strategies(sources: Sequence[Provenance]) -> dict[str, bool]:
    """All strategies, in the order of the sources, and whether one of these has it from a source file of its own.

    Editions of one strategy are one.
    """
    found: dict[str, bool] = {}
    for source in sources:
        for label in source.strategies:
            name = base_name(label)
            found[name] = found.get(name, False) or label in source.plugins
    return found


def suite(sources: Sequence[Provenance]) -> str:
    """The suite's own entry, as CITATION.cff has it, for exactly what ``sources`` describe."""
    versions = dict.fromkeys(version for source in sources for version in source.versions.get("acqbench", ("unknown",)))
    commits = dict.fromkeys(commit for source in sources for commit in source.commits)
    protocols = [
        f"protocol {escapes.bibtex(str(source.protocol.get('name', source.experiment)))}, fingerprint "
        f"{source.fingerprint[:8]}"
        for source in sources
    ]
    return "\n".join(
        [
            "@misc{acqbench,",
            "  title  = {acqbench: a benchmark suite for acquisition strategies in deep active learning},",
            "  author = {{The acqbench authors}},",
            f"  year   = {{{YEAR}}},",
            f"  note   = {{Version {escapes.bibtex(' / '.join(versions))}, {', '.join(protocols)}, "
            f"{count(len(commits), 'commit')} {escapes.bibtex(', '.join(commits))}}},",
            "}",
        ]
    )


def strategy_layers(strategy: str, wrappers: tuple[str, ...]) -> list[str]:
    """The names in a canonical strategy, outermost first: power[beta=2]:bald[samples=50] gives power, bald."""
    layers = []
    pattern = re.compile(rf"({'|'.join(map(re.escape, wrappers))})(?:\[[^\]]*\])?:(.+)", flags=re.DOTALL)
    while match := pattern.fullmatch(strategy):
        layers.append(match[1])
        strategy = match[2]
    return [*layers, strategy.partition("[")[0]]


def read_entries(text: str) -> dict[str, str]:
    """The entries of a .bib file by key, verbatim; each must begin and end at the start of a line."""
    return {match[1]: match[0] for match in re.finditer(r"^@\w+\{([^,\s]+),\n.*?^\}", text, flags=re.M | re.S)}
