"""The table of departures: none is unexplained, and none is told of what does not depart."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from docs.departures import rows, section
from strategies import registry
from strategies.api import Departure, ScoreStrategy
from strategies.registry import parameter_defaults, presets_of, resolve

WITH_PAPER = [name for name in registry.names() if resolve(name).cls.paper and not resolve(name).source_sha256]


@pytest.mark.parametrize("name", WITH_PAPER)
def test_every_departure_of_a_published_strategy_is_explained(name: str) -> None:
    spec = resolve(name)
    found = rows(name, spec.cls)
    assert all(cell.strip() and "|" not in cell and "\n" not in cell for row in found for cell in row)
    assert len({row.what for row in found}) == len(found)
    authors = presets_of(spec.cls).get("authors")
    if authors is not None:
        text = f"{spec.wrapper}[preset=authors]:margin" if spec.wrapper else f"{name}[preset=authors]"
        same = all(parameter_defaults(spec.cls)[key] == value for key, value in authors.items())
        assert ("preset=authors" not in resolve(text).canonical) == same  # the bare name, or a row of its own


def made_up(authors: dict[str, Any], *told: Departure) -> type[ScoreStrategy]:
    class MadeUp(ScoreStrategy):
        paper = "settles2009"
        presets: ClassVar = {"authors": authors}
        departures: ClassVar = told

        def __init__(self, depth: int = 3, rate: float = 0.5) -> None:
            pass

    return MadeUp


def test_a_row_of_a_parameter_has_both_values() -> None:
    cls = made_up({"depth": 7, "rate": 0.5}, Departure("depth", "cost"), Departure("pool", "none", "theirs", "ours"))
    assert [tuple(row) for row in rows("x", cls)] == [
        ("x", "`depth`", "`7`", "`3`", "cost"),
        ("x", "pool", "theirs", "ours", "none"),
    ]
    own = made_up({"depth": 3}, Departure("rate", "theirs has none", "no such thing", "a rate of 0.5"))
    assert [tuple(row) for row in rows("x", own)] == [
        ("x", "`rate`", "no such thing", "a rate of 0.5", "theirs has none")
    ]
    assert rows("x", made_up({"depth": 3, "rate": 0.5})) == []


@pytest.mark.parametrize(
    ("authors", "told", "message"),
    [
        ({"depth": 7, "rate": 0.5}, (), "x: depth departs without a reason"),
        ({"rate": 0.5}, (), "x: depth departs without a reason"),
        ({"depth": 7, "rate": 0.5}, (Departure("depth", ""),), "'`depth`' lacks a side or a reason"),
        ({"depth": 7, "rate": 0.5}, (Departure("depth", "a"), Departure("depth", "b")), "has 2 departures"),
        ({"depth": 3, "rate": 0.5}, (Departure("depth", "why not"),), "x: depth does not depart"),
        ({"depth": 7, "rate": 0.5}, (Departure("depth", "cost", "7", "3"),), "both sides of depth are known"),
        ({"depth": 3, "rate": 0.5}, (Departure("pool", "cost", "theirs"),), "'pool' lacks a side or a reason"),
        ({"depth": 3}, (Departure("rate", "ours alone"),), "'rate' lacks a side or a reason"),
    ],
)
def test_an_unexplained_row_is_refused(authors: dict[str, Any], told: tuple[Departure, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows("x", made_up(authors, *told))


def test_the_section_names_what_departs_and_what_does_not() -> None:
    names = ("random", "margin", "falcun", "bald", "mean-std", "power:margin", "power:entropy", "softrank:margin")
    text = section(resolve(name) for name in names)
    assert "\npublic code: margin, falcun.\n" in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")] == [
        "| strategy",
        "| :--",
        "| bald, mean-std",
        "| power:X, softrank:X",
    ]
