"""The interface of a section."""

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
    """A table or figure of a section.

    ``name`` is the name of its files, without suffix. ``make`` makes it for a view of the report and returns None where
    it does not apply. ``place`` says whether it is shown in README.md (a table on the web page too) or linked from
    there. ``wide`` is the place of the one for the wide view; None if the part is made for the first view only. ``alt``
    makes a figure's alternative text; None for the section's title. ``caption`` makes a sentence that stands below a
    figure; None for none.
    """

    name: str
    make: Callable[[Report, View], T | None]
    place: Place = "page"
    wide: Place | None = None
    alt: Callable[[Report], str] | None = None
    caption: Callable[[Report], str] | None = None


@dataclass(frozen=True)
class Section:
    """Everything that a report says of one thing; parts that a section does not have are None.

    ``head`` (lines of Markdown) and ``page_head`` (HTML) stand at the top of README.md and of the web page, ``notes``,
    which are sentences, below. ``readme`` (lines of Markdown) and ``page`` (HTML) stand below the tables.
    ``files`` are further files, contents by path within the report's folder.
    """

    title: str
    head: Callable[[Report], list[str]] | None = None
    page_head: Callable[[Report], str] | None = None
    notes: Callable[[Report], list[str]] | None = None
    table: Part[Table] | None = None
    figure: Part[Figure] | None = None
    readme: Callable[[Report], list[str]] | None = None
    page: Callable[[Report], str] | None = None
    files: Callable[[Report], Mapping[str, bytes]] | None = None
