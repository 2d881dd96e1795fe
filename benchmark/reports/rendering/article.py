"""A two-column article in LaTeX that has every table and figure of a report, and cites everything in its bibliography.

It shows how they look in print, and its lines can be copied into a paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from benchmark.reports.rendering.tables.table import PACKAGES
from benchmark.text import escapes

ARTICLE = "article.tex"
_FLOATS = 4  # up to so many are kept waiting for a place; LaTeX gives up at some more


def article(
    title: str, tables: Sequence[str], figures: Sequence[tuple[str, str, bool]], bibliography: str, source: str
) -> str:
    """The article. Paths are relative to it; figures have a path, a caption and whether they take both columns."""
    floats = [rf"\input{{{path}}}" for path in tables]
    floats += [_figure(*figure) for figure in figures]
    placed = [text + (_CLEAR if i % _FLOATS == _FLOATS - 1 else "") for i, text in enumerate(floats)]
    return "\n".join(
        [
            "% pdflatex article; bibtex article; pdflatex article; pdflatex article",
            r"\documentclass[twocolumn]{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage[letterpaper,textwidth=7in,columnsep=0.4in,textheight=9in]{geometry}",
            rf"\usepackage{{{','.join(PACKAGES)}}}",
            r"\usepackage{url}",
            rf"\title{{{escapes.latex(title)}}}",
            r"\date{}",
            r"\begin{document}",
            r"\maketitle",
            r"\sloppy",
            escapes.latex(source),
            r"\nocite{*}",
            *placed,
            r"\bibliographystyle{plain}",
            rf"\bibliography{{{bibliography.removesuffix('.bib')}}}",
            r"\end{document}",
            "",
        ]
    )


_CLEAR = "\n\\clearpage"


def _figure(path: str, caption: str, both: bool) -> str:
    """A figure in its own width, with its label."""
    kind = "figure*" if both else "figure"
    label = re.sub("[^A-Za-z0-9-]+", "-", PurePosixPath(path).stem)
    return "\n".join(
        [
            rf"\begin{{{kind}}}[t]",
            r"  \centering",
            rf"  \includegraphics{{{path}}}",
            rf"  \caption{{{escapes.latex(caption)}.}}",
            rf"  \label{{fig:{label}}}",
            rf"\end{{{kind}}}",
        ]
    )
