"""What the page's first tables and figures leave out, why, and the commands that show it and complete it.

A strategy with fewer seeds than most stands in the tables of all strategies alone, one with fewer labels in none: means
of unequal seeds or label counts are not comparable. Whoever has just computed it is told at the head of the page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from benchmark.reports.commands import command
from benchmark.reports.data import Report
from benchmark.reports.sections.section import Section
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.words import count, names, ranges
from benchmark.results.editions import base_name, labelled
from benchmark.text import escapes

NAMED = 6  # strategies that a comment names
REPORTED = 3  # of more groups that differ in seeds and label counts, the commands of the largest are enough


class Gap(NamedTuple):
    """Strategies (with learners) that are ``left out`` alike: they have ``seeds``, of which ``shared`` are the page's,
    up to ``reach`` labels. ``elsewhere`` they stand in the tables of all strategies.
    """

    keys: tuple[Key, ...]
    seeds: tuple[int, ...]
    shared: tuple[int, ...]
    reach: int
    elsewhere: bool


def gaps(report: Report) -> list[Gap]:
    """What the first view leaves out, by what it has, the most strategies first."""
    first, end = report.views[0], report.end
    shown, wide = set(first.compared), set(report.views[-1].compared)
    alike: dict[tuple[tuple[int, ...], int, bool], list[Key]] = {}
    for key, own in groups(report.curves, GROUP).items():
        if key in shown:
            continue
        ends = own.groupby("seed")["labels"].max()
        reach = min(int(ends.max()), end)
        seeds = tuple(sorted(int(seed) for seed in ends.index[ends >= reach]))
        alike.setdefault((seeds, reach, key in wide), []).append(key)
    found = [
        Gap(tuple(who), seeds, tuple(seed for seed in seeds if seed in first.seeds), reach, elsewhere)
        for (seeds, reach, elsewhere), who in alike.items()
    ]
    return sorted(found, key=lambda gap: -len(gap.keys))


def sentences(report: Report, where: str = "below", wanted: Collection[Key] | None = None) -> list[str]:
    """What no table or figure of accuracies has, and what those of all strategies alone have; of the ``wanted``.

    ``where`` completes "the tables and figures".
    """
    words = {
        False: f"Left out of the tables and figures {where}, whose areas end at {report.end} labels",
        True: f"Only in tables and figures of all strategies {where} (their names end in -all)",
    }
    told: dict[bool, list[str]] = {}
    for gap in _wanted(report, wanted):
        told.setdefault(gap.elsewhere, []).append(f"{', '.join(names(gap.keys))} ({_why(report, gap)})")
    return [f"{said}: {'; '.join(told[elsewhere])}." for elsewhere, said in words.items() if elsewhere in told]


def _wanted(report: Report, wanted: Collection[Key] | None) -> list[Gap]:
    return [gap for gap in gaps(report) if wanted is None or not set(gap.keys).isdisjoint(wanted)]


def _why(report: Report, gap: Gap) -> str:
    """How many of the seeds and labels of the others there are."""
    most, parts = len(report.views[0].seeds), []
    if not gap.shared:
        parts.append(f"{count(len(gap.seeds), 'seed')} {ranges(gap.seeds)}, which the others do not share")
    elif len(gap.shared) < most:
        parts.append(f"{len(gap.shared)} of {most} seeds")
    if gap.reach < report.end:
        parts.append(f"up to {gap.reach} of {report.end} labels")
    return ", ".join(parts) or "incomplete"


def commands(report: Report, wanted: Collection[Key] | None = None) -> list[tuple[str, str]]:
    """Commands, each behind what it gives: the strategies beside the others on what they share, and all their runs."""
    found = _wanted(report, wanted)
    told = [
        (f"{_some(gap.keys)} beside the others, on the seeds and labels that they share", line)
        for gap in found
        if (line := _shows(report, gap))
    ]
    return [*told[:REPORTED], *_completes(report, found)]


def _some(keys: Sequence[Key]) -> str:
    """The names of strategies; of many, some."""
    told = names(keys)
    return ", ".join(told if len(told) <= NAMED else [*told[:NAMED], f"… ({len(told)} in all)"])


def _shows(report: Report, gap: Gap) -> str:
    """The command that reports a gap's strategies beside the page's; empty where they share no training but the first.

    It names strategies, unless it has all that lie there.
    """
    first, counts = report.views[0], sorted(set(report.curves["labels"].tolist()))
    if not gap.shared or gap.reach == counts[0] < report.end:
        return ""
    keys = [*first.compared, *gap.keys]
    who = list(dict.fromkeys(strategy for strategy, _ in keys))
    address, source = report.address, report.source
    words = ["--report", *(address.shown or [source.folder])]
    if source.published or set(who) != set(source.strategies):
        words += ["--strategies", *(_typed(report, strategy) for strategy in who)]
    if source.learners != ("supervised",):
        words += ["--learner", *dict.fromkeys(labelled(learner).text for _, learner in keys)]
    words += ["--seeds", *map(str, gap.shared)]
    if gap.reach < counts[-1]:
        words += ["--budgets", *(str(labels) for labels in counts if labels <= gap.reach)]
    if report.reference != REFERENCE:
        words += ["--baseline", report.reference]
    folder = f"{source.experiment}-{len(gap.shared)}-{count(len(gap.shared), 'seed')}"
    folder += f"-{gap.reach}-labels" if gap.reach < report.end else ""
    return " ".join(["python run_benchmark.py", *map(escapes.shell, [*words, "--output", folder])])


def _completes(report: Report, found: Sequence[Gap]) -> list[tuple[str, str]]:
    """The commands that compute what the strategies lack, one for all with the same learners.

    Without editions that no command computes any more.
    """
    learners: dict[str, list[str]] = {}
    for strategy, learner in (key for gap in found for key in gap.keys):
        if (base_name(strategy), base_name(learner)) == (strategy, learner):
            learners.setdefault(strategy, []).append(learner)
    alike: dict[tuple[str, ...], list[str]] = {}
    for strategy, own in learners.items():
        alike.setdefault(tuple(own), []).append(strategy)
    labels = tuple(sorted(n for n in set(report.curves["labels"].tolist()) if n <= report.end))
    seeds = tuple(report.views[0].seeds)
    told = []
    for learners_of, who in alike.items():
        typed = [_typed(report, strategy) for strategy in who]
        line = command(report.source, typed, list(learners_of), seeds, labels, report.address)
        told.append((f"all runs of {_some([(one, own) for one in who for own in learners_of])}", line))
    return told


def _typed(report: Report, strategy: str) -> str:
    return report.address.typed.get(strategy, labelled(strategy).text)


def head(report: Report) -> list[str]:
    """All of it as Markdown; nothing of published results, which the notes say enough of."""
    if report.source.results_version is not None:
        return []
    said = sentences(report)
    lines = [f"# {what}\n{line}" for what, line in commands(report)]
    block = [*escapes.markdown_fence("\n".join(lines).split("\n"), "sh"), ""] if lines else []
    return [line for text in said for line in (f"**{escapes.markdown(text)}**", "")] + block


def page_head(report: Report) -> str:
    """All of it as HTML, as in ``head``."""
    if report.source.results_version is not None:
        return ""
    said = "".join(f"<p><strong>{escapes.html(text)}</strong></p>" for text in sentences(report))
    block = escapes.html("\n".join(f"# {what}\n{line}" for what, line in commands(report)))
    return said + (f"<pre><code>{block}</code></pre>" if block else "")


SECTION = Section("Left out", head=head, page_head=page_head)
