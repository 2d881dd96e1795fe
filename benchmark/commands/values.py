"""The values of options, each from its text or one line on how it is written; and options that there are not.

Loads no PyTorch: a mistyped command is told at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Sequence

from benchmark.experiment.kinds import mistaken
from benchmark.experiment.protocol import set_names
from benchmark.experiment.suggestions import nearest

_MOST_LISTED = 10  # numbers in a message


def unrecognised(words: Sequence[str], options: Collection[str]) -> str:
    """What to say of ``words`` that belong to none of the ``options``."""
    first = words[0]
    said = f"unrecognized arguments: {' '.join(words)}"
    if not first.startswith("-"):
        if wrong := mistaken(first, "an option"):
            return wrong
        return f"{said}: values follow an option, as in --dataset {_short(first)}"
    name = first.partition("=")[0]
    of_field = [field for field in set_names() if field.rpartition(".")[2] == name.lstrip("-").replace("-", "_")]
    if of_field:
        return f"{said}: use --set {of_field[0]}=…"
    return said + nearest(f"--{name.lstrip('-')}", options)


def numbers(option: str) -> Callable[[str], int]:
    """The type of ``option``, which takes whole numbers of at most 64 bits, their signs included."""

    def number(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise argparse.ArgumentTypeError(f"'{_short(text)}' is not a whole number{_apart(text, option)}")
        if len(text) > 20 or abs(int(text)) >= 2**63:
            raise argparse.ArgumentTypeError(f"'{_short(text)}' is not a whole number below {2**63:,}")
        return int(text)

    return number


def _apart(text: str, option: str) -> str:
    """How several numbers in one word, such as ``0-2`` or ``0,1,2``, are written; empty for anything else."""
    if re.fullmatch(r"[1-9][0-9]{0,2}(,0[0-9]{2})+", text):
        return f": write {option} {text.replace(',', '')}"
    parts = re.split(r"\s*[,;]\s*|\s+", text.strip("[](){} ,;"))
    if len(parts) > 1 and all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        return f": write {option} {' '.join(parts[:_MOST_LISTED])}{' …' * (len(parts) > _MOST_LISTED)}"
    match = re.fullmatch(r"([0-9]{1,9})\s*(?:-|–|\.{2,3}|:)\s*([0-9]{1,9})", text)
    if not match or int(match[1]) >= int(match[2]):
        return ""
    first, last = int(match[1]), int(match[2])
    if option == "--budgets":
        counts = sorted({first + round((last - first) * i / 4) for i in range(5)})
        return f": write each label count, as in {option} {' '.join(map(str, counts))}"
    if last - first < _MOST_LISTED:
        return f": write {option} {' '.join(map(str, range(first, last + 1)))}"
    return f": write {option} $(seq {first} {last})"


def one_of(*known: str) -> Callable[[str], str]:
    """The type of an option that takes one of the ``known`` words."""

    def word(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"invalid choice: '{_short(text)}'{nearest(text, known)} (choose from {', '.join(known)})"
            )
        return text

    return word


def positive(text: str) -> int:
    """A whole number from 1 to a million."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{_short(text)}' is not a whole number from 1 to 1,000,000")
    return int(text)


def resource(text: str) -> tuple[str, float]:
    """``NAME=AMOUNT`` with a positive amount of at most a million."""
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9_.:-]{0,99})=([0-9]{1,7}(?:\.[0-9]{1,4})?)", text)
    if not match or not 0 < float(match[2]) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{_short(text)}' is no amount of a resource, such as gpu=0.25 or cpu=2")
    return match[1], float(match[2])


def points(text: str) -> float:
    """A width in points of accuracy, above 0 and at most 100; as a share."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or not 0 < float(text) <= 100:
        raise argparse.ArgumentTypeError(f"'{_short(text)}' is no width in points, such as 2 or 0.5")
    return float(text) / 100


def seconds(text: str) -> float:
    """``90``, ``90s``, ``50m`` or ``2h`` in seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{_short(text)}' is no time: write 90s, 50m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
