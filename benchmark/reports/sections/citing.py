"""What to cite: a bibliography of the suite and of a report's protocol, strategies and learners."""

from __future__ import annotations

from benchmark.reports.bibliography import BIBLIOGRAPHY, bibliography, suite
from benchmark.reports.data import Report
from benchmark.reports.sections.section import Section
from benchmark.text import escapes


def readme(report: Report) -> list[str]:
    """How to cite the suite, as Markdown."""
    return [
        "## How to cite",
        "",
        "`tables/strategies.bib` has the papers of the strategies, the learners and the protocol, and this entry:",
        "",
        *escapes.markdown_fence(suite([report.source]).split("\n"), "bibtex"),
        "",
    ]


def files(report: Report) -> dict[str, bytes]:
    """The bibliography beside the tables."""
    return {f"tables/{BIBLIOGRAPHY}": bibliography([report.source]).encode()}


SECTION = Section("How to cite", readme=readme, files=files)
