"""Standard output and error that do not fail for what their encoding lacks."""

from __future__ import annotations

import codecs
import sys

_ERRORS = "acqbench-degrade"
_PLAIN = dict(
    zip(
        "–—−…±×≤≥∞→‘’“”†‡·•βσ",
        ("-", "-", "-", "...", "+/-", "x", "<=", ">=", "inf", "->", "'", "'", '"', '"', "+", "++", "*", "*", "b", "sd"),
        strict=True,
    )
)


def _degrade(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that the encoding lacks: see ``codecs.register_error``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = "".join(_PLAIN.get(c, c.encode("unicode_escape").decode()) for c in lacking)
    return shown, error.end


codecs.register_error(_ERRORS, _degrade)


def let_streams_degrade() -> None:
    """Have standard output and error replace what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
