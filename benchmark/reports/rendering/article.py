"""A two-column article in LaTeX that has every table and figure of a report, and cites everything in its bibliography.

It shows how they look in print, and its lines can be copied into a paper. Of a figure in two widths it has the one that
suits it; a comment names the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from benchmark.reports.rendering.tables.table import PACKAGES
from benchmark.text import escapes

ARTICLE = "article.tex"
_FLOATS = 4  # up to so many are kept waiting for a place; LaTeX gives up at some more


class Drawn(NamedTuple):
    """A figure's path, its caption, and whether it takes ``both`` columns.

    ``variant`` is the path of the file in which it takes one column in place of both, or both in place of one; empty
    without one.
    """

    path: str
    caption: str
    both: bool
    variant: str = ""


def article(title: str, tables: Sequence[str], figures: Sequence[Drawn], bibliography: str, source: str) -> str:
    """The article. Paths are relative to it."""
    floats = [rf"\input{{{path}}}" for path in tables]
    floats += map(_figure, figures)
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


def _figure(figure: Drawn) -> str:
    """A figure in its own width, with its label; a comment names its file of the other width."""
    path, caption, both, variant = figure
    kind, other = ("figure*", "figure") if both else ("figure", "figure*")
    label = re.sub("[^A-Za-z0-9-]+", "-", PurePosixPath(path).stem)
    room = "one column" if both else "both columns"
    return "\n".join(
        [
            *([f"% For {room}: {variant} in the environment {other}."] if variant else []),
            rf"\begin{{{kind}}}[t]",
            r"  \centering",
            rf"  \includegraphics{{{path}}}",
            rf"  \caption{{{escapes.latex(caption.rstrip('.'))}.}}",
            rf"  \label{{fig:{label}}}",
            rf"\end{{{kind}}}",
        ]
    )
