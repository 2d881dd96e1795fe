"""Any text as part of a CSV, LaTeX, Markdown, HTML or BibTeX file, of a shell command, or of a figure.

All of them show characters that cannot be seen (control characters, directional marks, halves of surrogate pairs) as
Python writes them, such as ``\\x1b``.
"""

from __future__ import annotations

import html as standard
import re
import shlex
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def visible(text: str, keep: str = "") -> str:
    """The text with every character that cannot be seen, but those in ``keep``, written as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _written(c) for c in text)


def one_line(text: str) -> str:
    """The text with spaces for line breaks and other white space, and otherwise ``visible``."""
    return visible(" ".join(text.split()))


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()


def csv(text: str) -> str:
    """A cell of words: what a spreadsheet would take for a formula gets an apostrophe; numbers stay as they are."""
    shown = visible(text)
    return "'" + shown if _FORMULA.match(shown) and not _NUMBER.fullmatch(shown) else shown


def csv_table(table: pd.DataFrame, float_format: str | None = None, header: bool = True) -> str:
    """The table as a CSV file, titles and columns of text by ``csv``; without titles unless ``header``."""
    safe = table.copy()
    for column in safe.columns:
        if safe[column].dtype.kind not in "biuf":
            safe[column] = [csv(value) if isinstance(value, str) else value for value in safe[column]]
    safe.columns = [csv(str(title)) for title in safe.columns]
    return safe.to_csv(index=False, lineterminator="\n", float_format=float_format, header=header)


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|\\[tr]")  # the four in full width too; a tab or return
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]inf")


def latex(text: str) -> str:
    """Text on one line for LaTeX. Characters that need a package beyond its defaults are written as ``\\u673a``."""
    return _LATEX_SPECIAL.sub(lambda match: _latex_of(match[0]), one_line(text))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # an option of \\ at the start of a row
    "]": "{]}",
    "*": "{*}",  # the same
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "§": r"\S{}",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    **{character: "\\" + character for character in "{}$&#_%"},
    **{character: character + "{}" for character in "-',"},  # two of which would become another sign
    **dict(zip("αβγδεζηθικλμνξπρστυφχψω", (  # ο is an o
        *(r"$\alpha$", r"$\beta$", r"$\gamma$", r"$\delta$", r"$\epsilon$", r"$\zeta$", r"$\eta$", r"$\theta$"),
        *(r"$\iota$", r"$\kappa$", r"$\lambda$", r"$\mu$", r"$\nu$", r"$\xi$", r"$\pi$", r"$\rho$", r"$\sigma$"),
        *(r"$\tau$", r"$\upsilon$", r"$\phi$", r"$\chi$", r"$\psi$", r"$\omega$"),
    ), strict=True)),
}  # fmt: skip
_DOUBLED = "-',"
_PLAIN_LETTERS = r"\x20-\x7e\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f"  # ASCII and the letters of Latin-1 and Extended-A
_ASCII_SPECIAL = re.escape("".join(c for c in _LATEX if c.isascii() and c not in _DOUBLED))
_LATEX_SPECIAL = re.compile(rf"([{_DOUBLED}])(?=\1)|[{_ASCII_SPECIAL}]|[^{_PLAIN_LETTERS}]")


def _latex_of(character: str) -> str:
    known = _LATEX.get(character)
    return known if known is not None else r"\textbackslash{}" + _written(character)[1:]


def bibtex(text: str) -> str:
    """Text within a BibTeX field: as LaTeX has it, but with parentheses for braces, which BibTeX counts."""
    return latex(text.replace("{", "(").replace("}", ")"))


def bibtex_comment(text: str) -> str:
    """A line that BibTeX skips."""
    return f"% {re.sub(r'[@{}]', '', one_line(text))}"


def markdown(text: str) -> str:
    """Text on one line for GitHub-flavoured Markdown, in and outside tables: no markup, HTML, entity or link."""
    shown = re.sub(r"([\\`*_\[\]<>|~#$]|&(?=[#A-Za-z])|:(?=//)|(?<=www)\.)", r"\\\1", one_line(text))
    return re.sub(r"^(?:([-+])(?= |$)|(=+|-{2,})$|(\d{1,9})([.)])(?= |$))", _no_block, shown)


def _no_block(match: re.Match[str]) -> str:
    """The beginning of a list or the underline of a heading, with a backslash before its first sign."""
    number, sign = match[3], match[4]
    return f"{number}\\{sign}" if number else f"\\{match[0]}"


def markdown_fence(lines: list[str], language: str = "") -> list[str]:
    """Lines as a block of code, between fences longer than any in them."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]


def html(text: str) -> str:
    """Text for HTML or SVG, in an element or between the quotes of an attribute."""
    return standard.escape(visible(text, keep="\n"))


def shell(text: str) -> str:
    """A word of a shell command, on one line; what cannot be seen as in bash's ``$'…'``."""
    if text.isprintable():
        return shlex.quote(text)
    shown = (
        chr(b) if 0x20 <= b < 0x7F and b not in b"\\'" else f"\\x{b:02x}" for b in text.encode(errors="surrogatepass")
    )
    return f"$'{''.join(shown)}'"


def figure(text: str) -> str:
    """Text of a figure, without mathematics (see ``style.RC``); what the font cannot draw is written as ``\\u673a``."""
    shown, glyphs = visible(text, keep="\n"), _glyphs()
    return "".join(c if ord(c) in glyphs or c == "\n" else _written(c) for c in shown)


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """The characters in DejaVu Sans, the font of all figures, which comes with matplotlib."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))).get_charmap())
