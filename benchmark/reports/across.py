"""Strategies across the experiments of a selection: tables, figures, a page, an article and its bibliography."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.reports.bibliography import BIBLIOGRAPHY, bibliography
from benchmark.reports.data import report_of
from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.article import ARTICLE, Drawn, article
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.across import across_figure
from benchmark.reports.rendering.figures.critical_difference import rank_figure
from benchmark.reports.rendering.tables import table as tables
from benchmark.reports.rendering.tables.across import across_table, warm_up_table
from benchmark.reports.rendering.tables.table import Table, markdown
from benchmark.reports.rendering.web.across import TITLE, WARM_UP, across_sections, rank_tests_of
from benchmark.reports.rendering.web.markup import document
from benchmark.reports.settings import settings_of
from benchmark.reports.statistics.across import Across, Setting, across
from benchmark.reports.statistics.seeds import REFERENCE
from benchmark.reports.target import ACROSS, check_target
from benchmark.reports.words import count, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.editions import named
from benchmark.results.errors import StoreError
from benchmark.results.records import Experiment
from benchmark.text import escapes

TITLES = {"across": TITLE, "warm-up": WARM_UP}
NARROW = "-single"  # ends the name of a figure's file for one column
CAPTIONS = {"across": TITLE, "critical-difference": "Critical-difference diagram of mean ranks"}


@dataclass(frozen=True)
class Selection:
    """The ``settings`` of a selection, what is ``found`` across them, its ``tables`` by name of their files, the
    ``notes``: the verdicts of each experiment, and the ``sources`` of all of it."""

    settings: Sequence[Setting]
    found: Across
    tables: Mapping[str, Table]
    notes: tuple[str, ...]
    sources: tuple[Provenance, ...]


def compare_across(
    experiments: Sequence[Experiment],
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    budgets: Collection[int] | None = None,
    reference: str | None = None,
) -> Selection:
    """The selected runs of each experiment (see ``data.report_of``), and what is found across them.

    Differences are to ``reference``, by default random, which is always among the strategies.
    Raises StoreError for an experiment that is named twice, or without selected runs, and where fewer than two settings
    have the reference and another strategy.
    """
    names = [one.name for one in experiments]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StoreError(
            f"{twice[0]} is named twice: --report takes each experiment once; runs of two folders of one "
            "experiment belong together in one of them, see docs/clusters.md"
        )
    against = reference or REFERENCE
    if strategies is not None and against not in [named(text).name for text in strategies]:
        strategies = [*strategies, against]
    reports = [report_of(one, strategies, learners, seeds, budgets, reference=against) for one in experiments]
    settings = [one for report in reports for one in settings_of(report)]
    if len(settings) < 2:
        raise StoreError(
            f"{len(settings)} of the selected experiments {'has' if len(settings) == 1 else 'have'} runs of {against} "
            "and of another strategy with the same learner and seeds: a report across experiments takes two"
        )
    without = [report.source.experiment for report in reports if not settings_of(report)]
    notes = [f"{report.source.experiment}: {report.sentence}" for report in reports if report.sentence]
    if without:
        notes.append(f"Left out, without runs of {against} and of another strategy: {', '.join(without)}.")
    found = across(settings)
    shown = {
        "across": across_table(found, settings),
        "warm-up": warm_up_table(settings, found.table["strategy"].tolist()),
    }
    sources = " ".join(report.source.sentence for report in reports)
    return Selection(
        settings,
        found,
        {name: replace(table, label=name, source=sources) for name, table in shown.items()},
        tuple(notes),
        tuple(report.source for report in reports),
    )


def write_across(selection: Selection, folder: Path) -> None:
    """Write tables/ with a bibliography, figures/, README.md, index.html and an article of them into ``folder``.

    Raises StoreError as ``check_target`` does.
    """
    check_target(folder, ACROSS)
    for name, table in selection.tables.items():
        tables.write(table, folder / "tables" / name)
    drawn = _figures(selection)
    for name, figure in drawn.items():
        style.save(figure, folder / "figures" / name)
    write_atomically(folder / "tables" / BIBLIOGRAPHY, bibliography(selection.sources).encode())
    title = " and ".join(dict.fromkeys(one.experiment for one in selection.settings))
    lines = [f"# {escapes.markdown(title)}", "", *(f"- {escapes.markdown(note)}" for note in selection.notes), ""]
    lines += [f"![{TITLE}](figures/{name}.png)\n" for name in drawn if not name.endswith(NARROW)]
    lines += [f"## {TITLES[name]}\n\n{markdown(table)}" for name, table in selection.tables.items()]
    write_atomically(folder / "README.md", "\n".join(lines).encode())
    made_from = "; ".join(
        f"protocol {one.protocol.get('name', one.experiment)}, {count(len(one.seeds), 'seed')} {ranges(one.seeds)}"
        for one in selection.sources
    )
    printed = article(
        title,
        [f"tables/{name}.tex" for name in selection.tables],
        [
            Drawn(
                f"figures/{name}.pdf",
                f"{CAPTIONS[name]} ({made_from}): {style.remark_of(figure)}".removesuffix(": "),
                figure.get_figwidth() > style.ONE_COLUMN,
                f"figures/{name}{NARROW}.pdf" if name + NARROW in drawn else "",
            )
            for name, figure in drawn.items()
            if not name.endswith(NARROW)
        ],
        f"tables/{BIBLIOGRAPHY}",
        " ".join(source.sentence for source in selection.sources),
    )
    write_atomically(folder / ARTICLE, printed.encode())
    notes = "".join(f"<li>{escapes.html(note)}</li>" for note in selection.notes)
    header = f"<div><h1>{escapes.html(title)}</h1></div>"
    main = f'<ul class="notes">{notes}</ul>{across_sections(selection.settings)}'
    write_atomically(folder / "index.html", document(title, header, main, {}).encode())


def _figures(selection: Selection) -> dict[str, Figure]:
    """The figures by name of their files; the diagram of ranks where ranks can be tested."""
    reference = selection.settings[0].reference
    found: dict[str, Figure | None] = {}
    widths: dict[str, style.Columns | None] = {"across": None, f"across{NARROW}": 1}
    for name, columns in widths.items():
        with style.page(columns):
            found[name] = across_figure(selection.found, reference)
    ranks = rank_tests_of(selection.settings)
    found["critical-difference"] = None if ranks is None else rank_figure(ranks)
    return {name: figure for name, figure in found.items() if figure is not None}
