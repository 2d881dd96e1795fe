"""Writes docs/strategies.md, learners.md, protocols.md, reproduction.md, and tables of README.md and docs/recipes.

python -m docs.generate
"""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import strategies
from benchmark import learners
from benchmark.experiment import Protocol, library
from benchmark.learners import online, semi_supervised
from benchmark.reports import read_report
from benchmark.reports.citing import bibliographies
from benchmark.reports.tables.cells import points
from docs import headline, recipe, reproduction
from docs.reproduction import RESULTS
from strategies import registry
from strategies.api.base import Strategy

PAGE = Path(__file__).with_name("strategies.md")
LEARNERS = Path(__file__).with_name("learners.md")
PROTOCOLS = Path(__file__).with_name("protocols.md")
UNPUBLISHED = "digits"  # whoever tries the suite has runs of it, and git ignores them
BIBLIOGRAPHY = Path(strategies.__file__).with_name("strategies.bib")

INTRODUCTION = """\
# Strategies

Written by `python -m docs.generate` from the classes themselves; change those.

Costs are those of choosing n of N unlabelled images, with L labelled ones, C classes, embeddings of D dimensions and
K Monte-Carlo samples, once the network's outputs are there. *Needs* is what a protocol has to offer; a group leaves
out what the protocol cannot run, and a purchase above the largest one that a strategy can choose in reasonable time.
Parameters go in brackets, as in `bald[samples=50]`. *In our runs* is the difference to random of the area under the
budget curve in points, paired by seed, with its 95 % t-interval, not corrected for the number of comparisons; from the
lines in `results/`.
"""

ABOUT_LEARNERS = """\
# Learners

Written by `python -m docs.generate` from the classes and files themselves; change those.

How a network is fitted to the labels that were bought, and to the unlabelled images: an axis of the grid beside the
strategy (`--learner supervised "fixmatch[mu=3]"`). Any strategy works with any learner. None of them is ever told how
many of its pseudo-labels are right: that is judged once a training is over, for the figures.
"""

ABOUT_PROTOCOLS = """\
# Protocols

Written by `python -m docs.generate` from `benchmark/protocols/*.toml`; change those.

A protocol is a named experiment. Its fingerprint is the SHA-256 of all that changes a round's numbers: data set,
beginning of the label counts, network, recipe, features, and how labels are chosen at first, scored and answered.
Strategies, learners, seeds, the number of rounds and all words are no part of it: runs that differ in these alone lie
in one folder and are compared. Two experiments of one fingerprint were made alike; of two, no number can be compared
across. What is not listed is not used. `--set FIELD=VALUE` changes a field (`--set recipe.epochs=50`), and with it the
fingerprint and the folder's name.
"""

WRAPPERS = """\
## Wrappers

Around any strategy X that buys the highest of its scores, also one of your own, with its parameters in its own
brackets: `power:bald[samples=50]`, `power[beta=2]:mine.py:Mine`.
"""

NEEDS = {
    "dropout": "dropout in the network",
    "features": "self-supervised features",
    "previous_probs": "the predictions of the round before",
    "cross_fit": "a second training on a part of the labels",
    "oracle": "the true labels (a diagnostic, no strategy)",
}

_ACCENTS = {"`": "\N{COMBINING GRAVE ACCENT}", "'": "\N{COMBINING ACUTE ACCENT}", '"': "\N{COMBINING DIAERESIS}"}
_ACCENTS |= {"^": "\N{COMBINING CIRCUMFLEX ACCENT}", "~": "\N{COMBINING TILDE}", "c": "\N{COMBINING CEDILLA}"}
_ACCENTS |= {"v": "\N{COMBINING CARON}", "u": "\N{COMBINING BREVE}", "=": "\N{COMBINING MACRON}"}
_LETTERS = {"i": "ı", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ss": "ß", "ae": "æ", "&": "&"}


def page() -> str:
    """The whole of docs/strategies.md."""
    papers = references(BIBLIOGRAPHY.read_text(encoding="utf-8"))
    named = {name: registry.resolve(name).build() for name in registry.names()}
    table = ["| strategy | groups | needs | largest purchase |", "| :-- | :-- | :-- | --: |"]
    for name, strategy in named.items():
        purchase = "" if strategy.max_batch is None else f"{strategy.max_batch:,}"
        needs = ", ".join(NEEDS[need] for need in sorted(strategy.needs))
        table.append(f"| [{name}](#{name.replace(':', '')}) | {', '.join(strategy.groups)} | {needs} | {purchase} |")
    wrappers = WRAPPERS + "\n" + "".join(f"- `{name}:X` {line}\n" for name, line in registry.wrappers().items())
    seen = our_runs()
    sections = [section(name, strategy, papers, seen.get(name, ())) for name, strategy in named.items()]
    return "\n".join([INTRODUCTION, "\n".join(table) + "\n", wrappers, *sections])


def our_runs(results: Path = RESULTS) -> dict[str, list[str]]:
    """For each strategy what the experiments that are a protocol's own say of it, a phrase for each, in words."""
    seen: dict[str, list[str]] = defaultdict(list)
    for name in library.names():
        if name == UNPUBLISHED or not (results / name / "experiment.json").exists():
            continue
        report = read_report(results / name, learners=["supervised"])
        first = min(report.curves["labels"])
        for _, row in report.views[-1].summary.iterrows():
            if row["gain_n"] > 1 and first < row["labels"]:
                gain, low, high = (points(row[f"gain_{end}"], 1) for end in ("mean", "low", "high"))
                where = f"`{name}`, {first:,} to {row['labels']:,} labels, {row['gain_n']} seeds"
                seen[row["strategy"]].append(f"{gain} [{low}, {high}] ({where})")
    return seen


def section(name: str, strategy: Strategy, papers: dict[str, str], seen: Sequence[str] = ()) -> str:
    """What there is to know of one strategy; ``seen`` are phrases of ``our_runs``."""
    facts = {
        "Groups": ", ".join(strategy.groups),
        "Parameters": _parameters(name),
        "Needs": ", ".join(NEEDS[need] for need in sorted(strategy.needs)) or "nothing beyond the network's outputs",
        "Cost": strategy.cost,
        "Largest purchase": "" if strategy.max_batch is None else f"{strategy.max_batch:,} images",
        "Remarks": strategy.remarks,
        "In our runs": "; ".join(seen),
        "Paper": papers[strategy.paper] if strategy.paper else "",
    }
    summary = re.sub("``(.*?)``", r"`\1`", strategy.summary)
    return f"## {name}\n\n{summary}\n\n" + "".join(f"- **{key}:** {value}\n" for key, value in facts.items() if value)


def learners_page() -> str:
    """The whole of docs/learners.md."""
    papers = references(bibliographies())
    shared = [_markdown(inspect.getdoc(module) or "") for module in (semi_supervised, online)]
    sections = [ABOUT_LEARNERS, "## What they share\n", *(f"{text}\n" for text in shared)]
    for name, cls in learners.LEARNERS.items():
        defaults = registry.parameter_defaults(cls)
        facts = {
            "Parameters": ", ".join(f"`{key}={value}`" for key, value in defaults.items()) or "none",
            "Paper": papers[cls.paper] if cls.paper else "",
        }
        text = _markdown(inspect.getdoc(cls) or "")
        told = "".join(f"- **{key}:** {value}\n" for key, value in facts.items() if value)
        method = _markdown(inspect.getdoc(inspect.getmodule(cls)) or "")
        sections.append(f"## {name}\n\n{text}\n\n{told}\n{method}\n")
    return "\n".join(sections)


def _markdown(docstring: str) -> str:
    """A docstring as Markdown: code in single backticks; indented formulas are code blocks as they stand."""
    return re.sub("``(.*?)``", r"`\1`", docstring)


def protocols_page() -> str:
    """The whole of docs/protocols.md."""
    papers = references(bibliographies())
    known = [library.load(name) for name in library.names()]
    table = ["| protocol | data set | labels | network | fingerprint |", "| :-- | :-- | :-- | :-- | :-- |"]
    table += [
        f"| [{p.name}](#{p.name}) | {p.dataset} | {p.budgets[0]:,} to {p.budgets[-1]:,} in {len(p.budgets)} rounds "
        f"| {p.model.name} | `{p.fingerprint[:8]}` |"
        for p in known
    ]
    return "\n".join([ABOUT_PROTOCOLS, "\n".join(table) + "\n", *(protocol_section(p, papers) for p in known)])


def protocol_section(p: Protocol, papers: dict[str, str]) -> str:
    """What there is to know of one protocol."""
    told = {"name", "description", "notes", "papers", "budgets", "ladder", "features"}
    facts = {
        "labels": " ".join(map(str, p.budgets)),
        **{key: _said(value) for key, value in p.to_dict().items() if key not in told},
        "features": _said(p.to_dict()["features"]) if p.features else "none",
        "fingerprint": f"`{p.fingerprint}`",
    }
    lines = [f"- **{key}:** {value}\n" for key, value in facts.items()]
    lines += [f"- **paper:** {papers[key]}\n" for key in p.papers]
    return f"## {p.name}\n\n{p.description}\n\n{p.notes}\n\n{''.join(lines)}"


def _said(value: Any) -> str:
    """A field in words; tables leave out what is empty or nothing."""
    if isinstance(value, dict):
        named = {key: _said(inner) for key, inner in value.items() if inner not in ([], {}, None, "")}
        return ", ".join(text if key == "name" else f"{key} {text}" for key, text in named.items())
    if isinstance(value, list):
        return (
            " ".join(map(_said, value))
            if all(isinstance(v, (int, float)) for v in value)
            else ", ".join(map(_said, value))
        )
    return str(value).lower() if isinstance(value, bool) else str(value)


def references(bibliography: str) -> dict[str, str]:
    """The entries of a .bib file, each as a line: authors, title, venue, year, note. Raises ValueError."""
    found: dict[str, str] = {}
    for entry in re.split(r"^@", bibliography, flags=re.MULTILINE)[1:]:
        begin = re.match(r"\w+\{([\w-]+),\n", entry)
        if begin is None:
            raise ValueError(f"not an entry of BibTeX: @{entry[:60]}")
        fields = dict(re.findall(r"^\s+(\w+)\s*=\s*\{(.*?)\},?$", entry, flags=re.MULTILINE | re.DOTALL))
        if begin[1] in found or not {"author", "title", "year"} <= fields.keys():
            raise ValueError(f"{begin[1]}: an entry appears once, with author, title and year")
        venue = next((fields[key] for key in ("journal", "booktitle", "institution", "school") if key in fields), "")
        where = " ".join(filter(None, [venue, fields.get("volume"), fields.get("number")]))
        parts = [_authors(fields["author"]), f"*{fields['title']}*", where, fields["year"], fields.get("note")]
        found[begin[1]] = _plain(", ".join(filter(None, parts)) + ".")
    return found


def _parameters(name: str) -> str:
    spec = registry.resolve(name)
    own = ", ".join(f"`{key}={value}`" for key, value in registry.parameter_defaults(spec.cls).items())
    if spec.inner is None:
        return own or "none"
    return f"{own}; those of {spec.inner.name}: {_parameters(spec.inner.name)}"


def _authors(names: str) -> str:
    """``A, B and C`` of BibTeX's ``Surname, Given and …``."""
    people = [" ".join(reversed(person.split(", ", 1))) for person in re.split(r"\s+and\s+", names)]
    return " and ".join(filter(None, [", ".join(people[:-1]), people[-1]]))


def _plain(text: str) -> str:
    """Text without LaTeX's braces, dashes and accents."""
    text = re.sub(r"\{?\\(ss|ae|[ioOlL&])(?![A-Za-z])\}?", lambda m: _LETTERS[m[1]], text)
    text = re.sub(r"""\{?\\([`'"^~=cvu])\s*\{?(\w)\}?\}?""", lambda m: m[2] + _ACCENTS[m[1]], text)
    return " ".join(unicodedata.normalize("NFC", re.sub("[{}]", "", text)).replace("--", "–").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    LEARNERS.write_text(learners_page(), encoding="utf-8")
    PROTOCOLS.write_text(protocols_page(), encoding="utf-8")
    reproduction.PAGE.write_text(reproduction.page(), encoding="utf-8")
    headline.README.write_text(headline.readme(), encoding="utf-8")
    recipe.PAGE.write_text(recipe.page(), encoding="utf-8")
