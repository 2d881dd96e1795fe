"""Writing a report: a loop over its sections."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

from matplotlib.figure import Figure

from benchmark.reports.bibliography import BIBLIOGRAPHY
from benchmark.reports.data import Report, read_report
from benchmark.reports.rendering.article import ARTICLE, Drawn, article
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.lines import coloured
from benchmark.reports.rendering.tables import table as tables
from benchmark.reports.rendering.tables.table import Table, markdown
from benchmark.reports.rendering.web.overview import write_overview
from benchmark.reports.rendering.web.page import WIDE_TITLE, Picture, experiment_page
from benchmark.reports.sections import examples
from benchmark.reports.sections.catalogue import SECTIONS
from benchmark.reports.sections.section import Part, Place, Section
from benchmark.reports.statistics.seeds import Key
from benchmark.reports.statistics.tidy import write_curves
from benchmark.reports.statistics.views import WIDE
from benchmark.reports.target import SELECTED, check_target
from benchmark.reports.words import count, ranges
from benchmark.results.atomic import write_atomically
from benchmark.results.errors import StoreError
from benchmark.text import escapes

T = TypeVar("T")
TITLES = [section.title + tail for tail in ("", WIDE_TITLE) for section in SECTIONS]
NARROW_AND_WIDE: dict[style.Columns, str] = {1: "-single", 2: "-double"}  # suffixes of figures of another width


class Made(NamedTuple, Generic[T]):
    """A table or figure of a report: name of its files, title, place on the page, alternative text and caption.

    The place ``variant`` is that of a figure that another one shows in another width.
    """

    name: str
    title: str
    place: Place | Literal["variant"]
    alt: str
    content: T
    caption: str = ""


def notes_of(report: Report) -> list[str]:
    """The notes of all sections: verdicts, then what limits the comparison."""
    return [note for section in SECTIONS if section.notes is not None for note in section.notes(report)]


def tables_of(report: Report) -> list[Made[Table]]:
    """The tables of all sections: those of the first view, then those of the wide one."""
    source = report.source
    return [
        made._replace(
            content=replace(
                made.content,
                label=f"{source.experiment}-{made.name}",
                source=source.sentence,
                footnotes=source.footnotes,
            )
        )
        for made in _make(report, lambda section: section.table)
    ]


def figures_of(report: Report, columns: style.Columns | None = None) -> list[Made[Figure]]:
    """The figures of all sections: those of the first view, then those of the wide one.

    They are as wide as so many ``columns`` of a paper, where they can be; None for what suits each. A strategy in
    colour is in colour in all of them.
    """
    unranked = report.source.unranked
    strong = frozenset[Key]().union(*(coloured(view.ranking, view.reference, unranked) for view in report.views))
    with style.page(columns, strong | {key for key in report.ranking if key[0] in report.source.plugins}):
        return _make(report, lambda section: section.figure)


def _make(report: Report, part_of: Callable[[Section], Part[T] | None]) -> list[Made[T]]:
    found = []
    for view in report.views:
        tail = WIDE_TITLE if view.suffix else ""
        for section in SECTIONS:
            part = part_of(section)
            if part is None:
                continue
            place = part.wide if view.suffix else part.place
            content = None if place is None else part.make(report, view)
            if place is not None and content is not None:
                alt = (section.title if part.alt is None else part.alt(report)) + tail
                caption = "" if part.caption is None else part.caption(report)
                found.append(Made(part.name + view.suffix, section.title + tail, place, alt, content, caption))
    return found


def write_report(root: Path, baseline: str | None = None, target: float | None = None) -> Report:
    """Read and write the report of all runs at ``root``: see ``read_report`` and ``write``."""
    report = read_report(root, baseline=baseline, target=target)
    write(report)
    return report


def write(report: Report) -> None:
    """Write a report into its experiment's folder, see ``write_files``, and the overview, index.html, in that above."""
    write_files(report)
    write_overview(report.root.resolve().parent)


def write_selection(report: Report, folder: Path) -> None:
    """Write a report of selected runs into ``folder``: see ``write_files``; and an article that has all of it.

    Raises StoreError as ``check_target`` does.
    """
    check_target(folder, SELECTED)
    shown = replace(report, root=folder)
    printed, drawn = write_files(shown)
    content = article(
        f"Selected runs of {report.source.experiment}",
        [f"tables/{one.name}.tex" for one in printed],
        _in_print(report, drawn),
        f"tables/{BIBLIOGRAPHY}",
        report.source.sentence,
    )
    write_atomically(folder / ARTICLE, content.encode())


def _in_print(report: Report, drawn: Sequence[Made[Figure]]) -> list[Drawn]:
    """The figures of an article, in the width that suits each, with captions of what they show and are made from."""
    source, names = report.source, {one.name for one in drawn}
    first, last = (int(end) for end in (report.curves["labels"].min(), report.curves["labels"].max()))
    made_from = (
        f"{source.datasets[0][0]} (protocol {source.protocol.get('name', source.experiment)}, "
        f"{count(len(source.seeds), 'seed')} {ranges(source.seeds)}, "
        f"{first if first == last else f'{first} to {last}'} labels)"
    )
    found = []
    for one in drawn:
        both, remark = one.content.get_figwidth() > style.ONE_COLUMN, style.remark_of(one.content)
        variant = one.name + NARROW_AND_WIDE[1 if both else 2]
        if one.place != "variant":
            caption = f"{one.alt} on {made_from}" + (f": {remark}" if remark else "")
            found.append(
                Drawn(f"figures/{one.name}.pdf", caption, both, f"figures/{variant}.pdf" if variant in names else "")
            )
    return found


def write_files(report: Report) -> tuple[list[Made[Table]], list[Made[Figure]]]:
    """Write curves.csv, tables/, figures/, README.md and index.html of a report into its folder.

    Removes tables and figures of an earlier report that do not apply any more. The same records give the same bytes.
    Returns the tables and figures.
    """
    root = report.root
    for folder in (root / "tables", root / "figures"):
        if folder.is_symlink():
            raise StoreError(f"{folder} is a symbolic link: a report writes and removes files in it; delete the link")
    write_curves(report.curves, root / "curves.csv")
    printed, drawn, notes = tables_of(report), _all_figures(report), notes_of(report)
    for table in printed:
        tables.write(table.content, root / "tables" / table.name)
    for figure in drawn:
        style.save(figure.content, root / "figures" / figure.name)
    _remove(root / "tables", [section.table for section in SECTIONS], printed, tables.SUFFIXES)
    _remove(root / "figures", [section.figure for section in SECTIONS], drawn, style.SUFFIXES)
    for section in SECTIONS:
        for path, content in section.files(report).items() if section.files is not None else ():
            write_atomically(root / path, content)
    write_atomically(root / "README.md", results_page(report, notes, printed, drawn).encode())
    shown = [(table.title, table.content) for table in printed if table.place == "page"]
    texts = [section.page(report) for section in SECTIONS if section.page is not None]
    heads = [section.page_head(report) for section in SECTIONS if section.page_head is not None]
    page = experiment_page(report, notes, shown, texts, _pictures(drawn), TITLES, heads)
    write_atomically(root / "index.html", page.encode())
    return printed, drawn


def _pictures(drawn: Sequence[Made[Figure]]) -> list[Picture]:
    """The figures of a page, in the width that suits each."""
    names = {one.name for one in drawn}
    return [
        Picture(
            one.title,
            one.name,
            one.alt,
            both=one.content.get_figwidth() > style.ONE_COLUMN,
            narrow=one.name + NARROW_AND_WIDE[1] in names,
            photographs=one.name == examples.NAME,
        )
        for one in drawn
        if one.place != "variant"
    ]


def _all_figures(report: Report) -> list[Made[Figure]]:
    """All figures, and after them those for both columns again for one, for phones; of a selection, the reverse too."""
    natural = figures_of(report)
    found = list(natural)
    widths = {one.name: one.content.get_figwidth() for one in natural}
    for columns, suffix in NARROW_AND_WIDE.items():
        if columns == 1 or report.flags is not None:
            found += [
                one._replace(name=one.name + suffix, place="variant")
                for one in figures_of(report, columns)
                if one.content.get_figwidth() != widths[one.name]
            ]
    return found


def _remove(folder: Path, parts: Sequence[Part[T] | None], made: Sequence[Made[T]], suffixes: Sequence[str]) -> None:
    """Remove the files of parts that an earlier report had and this one has not."""
    kept = {one.name for one in made}
    for part, wide, width, suffix in itertools.product(parts, ("", WIDE), ("", *NARROW_AND_WIDE.values()), suffixes):
        if part is not None and part.name + wide + width not in kept:
            (folder / f"{part.name}{wide}{width}{suffix}").unlink(missing_ok=True)


def _caption(figure: Made[Figure], said: Sequence[str]) -> list[str]:
    """The lines of a figure's caption, none where the page has ``said`` it already."""
    return [escapes.markdown(figure.caption), ""] if figure.caption and figure.caption not in said else []


def results_page(
    report: Report, notes: Sequence[str], printed: Sequence[Made[Table]], drawn: Sequence[Made[Figure]]
) -> str:
    """README.md: what is left out, notes, figures and tables, links to those not shown, and the sections' texts."""
    source = report.source
    shown = [figure for figure in drawn if figure.place == "page"]
    more = [f"- {one.title}: [figure](figures/{one.name}.png)" for one in drawn if one.place == "linked"]
    more += [f"- {one.title}: [table](tables/{one.name}.md)" for one in printed if one.place == "linked"]
    lines = [
        f"# {escapes.markdown(source.experiment)}",
        "",
        *(line for words in source.about for line in (escapes.markdown(words), "")),
        *(line for section in SECTIONS if section.head is not None for line in section.head(report)),
        *(f"- {escapes.markdown(note)}" for note in notes),
        "",
        *(line for one in shown for line in (f"![{one.alt}](figures/{one.name}.png)", "", *_caption(one, notes))),
    ]
    for one in printed:
        if one.place == "page":
            lines += [f"## {one.title}", "", markdown(one.content, source=False)]
    lines += ["## More", "", *more, ""] if more else []
    lines += [line for section in SECTIONS if section.readme is not None for line in section.readme(report)]
    return "\n".join(lines)
