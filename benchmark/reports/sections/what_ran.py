"""What ran, and the commands that run it again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.reports.commands import command
from benchmark.reports.data import Report
from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.web.markup import facts
from benchmark.reports.sections.section import Section
from benchmark.reports.statistics.seeds import GROUP
from benchmark.reports.statistics.tidy import RUN, pieces, places
from benchmark.reports.words import count, ranges
from benchmark.results.editions import base_name, labelled
from benchmark.text import escapes

SOLVED = ("linear",)  # models that have no use for a recipe


def readme(report: Report) -> list[str]:
    """The settings, and the commands, as Markdown."""
    source, protocol = report.source, report.source.protocol
    replays, again = bool(protocol.get("replay")), commands(report.curves, source)
    words = ["python run_benchmark.py --report", escapes.shell(source.folder)]
    if report.flags is not None:
        words += [*map(escapes.shell, report.flags), "--output", escapes.shell(report.root.name)]
    return [
        "## What ran",
        "",
        *(f"- {escapes.markdown(key)}: {escapes.markdown(value)}" for key, value in settings(report)),
        "",
        "## Run it again",
        "",
        *([*escapes.markdown_fence(again), ""] if again else []),
        *([escapes.markdown(shown), ""] if (shown := _editions(source)) else []),
        *(["`experiment.json` has all settings.", ""] if source.altered else []),
        *(
            [f"A class of your own is named by its file, as in `path/to/{file}`.", ""]
            if (file := _file(source))
            else []
        ),
        *(
            ["`--replay` takes the folder, or the file, of that name; `experiment.json` has all settings.", ""]
            * replays
        ),
        "Finished runs are not recomputed; `--fresh` recomputes them as a further attempt. All numbers come from the",
        "records in `runs/`; `curves.csv`, `tables/` and `figures/` are derived from them:",
        "",
        *escapes.markdown_fence([" ".join(words)]),
        "",
    ]


def page(report: Report) -> str:
    """The settings, and the commands, as HTML."""
    command = escapes.html("\n".join(commands(report.curves, report.source)))
    shown = escapes.html(_editions(report.source))
    return "\n".join(
        [
            "<section><h2>What ran</h2>",
            facts(headline(report.source)),
            f"<details><summary>All settings</summary>{facts(settings(report))}</details>",
            f"{f'<pre><code>{command}</code></pre>' if command else ''}{f'<p>{shown}</p>' if shown else ''}</section>",
        ]
    )


def settings(report: Report) -> list[tuple[str, str]]:
    """All settings by name."""
    source, protocol = report.source, report.source.protocol
    elsewhere = {
        "name",
        "description",
        "papers",
        "notes",
        "dataset",
        "budgets",
        "ladder",
        "strategies",
        "learners",
        "seeds",
    }
    counts = set(report.curves["labels"].tolist())
    trained = (r for run in report.runs for r in run.rounds if r.num_labelled in counts and not r.shared_training)
    hours = math.fsum(record.seconds.train for record in trained) / 3600
    return [
        ("protocol", f"{protocol.get('name', source.experiment)}, fingerprint {source.fingerprint}"),
        ("dataset", source.dataset),
        ("labels", " ".join(map(str, sorted(counts)))),
        ("strategies", ", ".join(source.strategies)),
        ("learners", ", ".join(source.learners)),
        ("seeds", ranges(source.seeds)),
        *((key, field(key, protocol)) for key, value in protocol.items() if key not in elsewhere and value != ""),
        ("runs", f"{sum(1 for _ in places(report.curves, RUN))}, {hours:.2f} hours of training"),
        (count(len(source.devices), "device"), ", ".join(source.devices)),
        ("software", f"{source.software}; engine {' / '.join(map(str, source.engines))}"),
        *([("plugins", ", ".join(source.plugins))] if source.plugins else []),
    ]


def field(key: str, protocol: Mapping[str, Any]) -> str:
    """A field of the protocol as text; empty entries of a table are left out."""
    if key == "recipe" and protocol.get("model", {}).get("name") in SOLVED:
        return "none, for the model is solved, not trained"
    return _said(protocol[key]) or "none"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        named = {key: _said(inner) for key, inner in value.items() if inner not in ([], {}, None, "")}
        return ", ".join(text if key == "name" else f"{key} {text}" for key, text in named.items())
    if isinstance(value, list):
        between = " " if all(isinstance(v, (int, float)) for v in value) else ", "
        return between.join(map(_said, value))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def headline(source: Provenance) -> list[tuple[str, str]]:
    """The settings by name that a reader needs to check a number."""
    return [
        ("protocol", str(source.protocol.get("name", source.experiment))),
        ("fingerprint", source.fingerprint),
        *(
            (f"data set {who}", f"SHA-256 {sha256}" + f" ({note})" * bool(note))
            for who, sha256, note in source.datasets
        ),
        ("seeds", ranges(source.seeds)),
        ("device", ", ".join(source.devices)),
        ("software", ", ".join(f"{library} {' / '.join(versions)}" for library, versions in source.versions.items())),
        ("engine", " / ".join(map(str, source.engines))),
        ("commit", ", ".join(source.commits)),
    ]


def commands(curves: pd.DataFrame, source: Provenance) -> list[str]:
    """A command for each group of strategies and learners with the same seeds and label counts, the largest first.

    Without editions that are shown by name: see ``_editions``.
    """
    plans: dict[
        tuple[tuple[int, ...], tuple[int, ...]], dict[str, list[str]]
    ] = {}  # seeds and labels: strategies: learners
    for (strategy, learner), rows in pieces(curves, GROUP):
        if (base_name(strategy), base_name(learner)) != (strategy, learner):
            continue
        plan = tuple(sorted(set(rows["seed"].tolist()))), tuple(sorted(set(rows["labels"].tolist())))
        plans.setdefault(plan, {}).setdefault(strategy, []).append(learner)
    parts: list[tuple[list[str], list[str], tuple[int, ...], tuple[int, ...]]] = []
    for (seeds, labels), learners_of in plans.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for strategy, learners in learners_of.items():
            alike.setdefault(tuple(learners), []).append(strategy)
        parts += [(strategies, list(learners), seeds, labels) for learners, strategies in alike.items()]
    parts.sort(key=lambda part: -len(part[0]) * len(part[1]) * len(part[2]) * len(part[3]))
    return [command(source, *part) for part in parts]


def _editions(source: Provenance) -> str:
    """A sentence on what is shown of a named edition, which no command computes; empty for none."""
    shown = [labelled(label).text for label in (*source.strategies, *source.learners) if base_name(label) != label]
    return f"Not computed again, but shown by --report: {', '.join(shown)}." if shown else ""


def _file(source: Provenance) -> str:
    """The first plugin as ``--strategies`` takes it from a file, without wrappers: ``mine.py:Mine``; empty for none."""
    for name in source.plugins:
        if found := re.search(r"(?:^|:)(\w+):(\w+)(?:\[|$)", base_name(name)):
            return f"{found[1]}.py:{found[2]}"
    return ""


SECTION = Section("What ran", readme=readme, page=page)
