"""What a section of a report is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.table import Table
from benchmark.reports.statistics.views import View

Place = Literal["page", "linked"]
T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """A table or a figure of a section.

    ``name`` is that of its files, without suffix. ``make`` draws it for a view of the report, or gives None where the
    report has nothing for it. ``place`` says whether it is shown on the results page (a table also on the web page) or
    linked from there. ``wide`` is the place of the one made for the wide view; None for a part that is made once,
    whatever the views. ``alt`` describes a figure to those who do not see it, by default with the section's title.
    """

    name: str
    make: Callable[[Report, View], T | None]
    place: Place = "page"
    wide: Place | None = None
    alt: str = ""


@dataclass(frozen=True)
class Section:
    """Everything of one thing that a report says; what does not apply is None, or empty.

    ``notes`` are sentences for the top of the pages, ``readme`` lines of Markdown and ``page`` HTML that stand below
    the tables, and ``files`` what else to write, contents by path in the report's folder.
    """

    title: str
    notes: Callable[[Report], list[str]] | None = None
    table: Part[Table] | None = None
    figure: Part[Figure] | None = None
    readme: Callable[[Report], list[str]] | None = None
    page: Callable[[Report], str] | None = None
    files: Callable[[Report], Mapping[str, bytes]] | None = None
