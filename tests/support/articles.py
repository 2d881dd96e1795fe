"""Compiling the article of a selection, where there is a TeX for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.reports.bibliography import read_entries
from benchmark.reports.rendering.tables.table import PACKAGES


def check_article(paper: Path) -> None:
    """Compile the article in ``paper``: it has all that it refers to, and no line is too long or a float too high.

    Skips the test where there is no TeX.
    """
    if shutil.which("pdflatex") is None or shutil.which("bibtex") is None:
        pytest.skip("compiling an article needs pdflatex and bibtex")
    if subprocess.run(["kpsewhich", *(f"{name}.sty" for name in PACKAGES)], capture_output=True).returncode:
        pytest.skip(f"compiling an article needs the LaTeX packages {', '.join(PACKAGES)}")
    for command in (["pdflatex"], ["bibtex"], ["pdflatex"], ["pdflatex"]):
        flags = ["-interaction=nonstopmode", "-halt-on-error"] if command == ["pdflatex"] else []
        done = subprocess.run(
            [*command, *flags, "article"], cwd=paper, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-2000:]
    log = (paper / "article.log").read_text(errors="replace")
    assert not re.findall(r"^LaTeX Warning: (?:Reference|Citation|Float too large).*|undefined references", log, re.M)
    wide = [float(points) for points in re.findall(r"^Overfull \\hbox \(([\d.]+)pt too wide\)", log, flags=re.M)]
    assert max(wide, default=0) < 1
    listed = set(re.findall(r"\\bibitem\{(\w+)\}", (paper / "article.bbl").read_text()))
    assert listed == set(read_entries((paper / "tables" / "strategies.bib").read_text()))
