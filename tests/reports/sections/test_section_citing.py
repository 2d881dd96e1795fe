"""What to cite: strategies.bib beside the tables, the suite's own entry, the protocols' papers, the generated pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.report_lines import write_experiment, write_run

from benchmark.experiment import library
from benchmark.experiment.library import experiment_name
from benchmark.learners import LEARNERS
from benchmark.reports import bibliography as citing
from benchmark.reports import read_report
from docs.generate import BIBLIOGRAPHY, PROTOCOLS, learners_page, protocols_page, references
from docs.generate import LEARNERS as LEARNERS_PAGE

ROOT = Path(__file__).resolve().parents[3]


def bibliography(root: Path, strategies: list[str], **described: object) -> str:
    write_experiment(root, **described)
    for strategy in strategies:
        source = "0" * 64 if ":" in strategy and "/" in strategy else None
        write_run(root, strategy, 0, strategy_source_sha256=source)
    return citing.bibliography([read_report(root).source])


def test_the_entries_are_those_of_what_ran(tmp_path: Path) -> None:
    ran = [
        "random",
        "margin",
        "power[beta=2]:bald[samples=50]",
        "learning-loss[ranking=ranknet]",
        "/a{b}@c.py:Mine",
        "gone",
    ]
    text = bibliography(tmp_path / "e", ran, papers=["gal2017", "yoo2019"])
    entries = citing.read_entries(text)
    assert set(entries) == {"acqbench", "gal2017", "yoo2019", "scheffer2001", "kirsch2023", "houlsby2011"}
    own = citing.read_entries(BIBLIOGRAPHY.read_text(encoding="utf-8"))
    assert all(entries[key] == own[key] for key in entries if key != "acqbench")
    assert set(references(text.replace("  note   = {Version", "  year = {2020},\n  note = {Version"))) == set(entries)
    lines = text.splitlines()
    assert "% the protocol e, learning-loss[ranking=ranknet]" in lines
    assert "% Not part of the suite, to be cited as their authors ask: /abc.py:Mine, gone" in lines
    assert not [line for line in lines if line.startswith("%") and set(line) & set("@{}")]


def test_an_experiment_without_papers_cites_the_suite(tmp_path: Path) -> None:
    assert list(citing.read_entries(bibliography(tmp_path / "e", ["random"]))) == ["acqbench"]


def test_every_strategy_of_the_bibliography_is_found_by_key() -> None:
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    assert list(citing.read_entries(text)) == re.findall(r"^@\w+\{(.*),$", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("strategy", "layers"),
    [
        ("margin", ["margin"]),
        ("bald[samples=50]", ["bald"]),
        ("power:bald[samples=50]", ["power", "bald"]),
        ("softmax[beta=2]:power:a.py:B[c=1]", ["softmax", "power", "a.py:B"]),
        ("powerful:X", ["powerful:X"]),
    ],
)
def test_layers_from_the_outside_in(strategy: str, layers: list[str]) -> None:
    assert citing.strategy_layers(strategy, ("power", "softmax")) == layers


def test_the_suites_entry_is_that_of_citation_cff(tmp_path: Path) -> None:
    stated = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    entry = citing.read_entries(bibliography(tmp_path / "e", ["random"]))["acqbench"]
    for field, pattern in (("title", r'^title: "(.*)"'), ("author", r'^  - name: "(.*)"')):
        (said,) = re.findall(pattern, stated, flags=re.MULTILINE)
        assert re.search(rf"{field}\s+= \{{+{re.escape(said)}\}}+,", entry)
    assert "Version 0.1.0, protocol e, fingerprint ffffffff, commit abcdef0" in entry


@pytest.mark.parametrize("name", library.names())
def test_every_protocol_says_how_it_relates_to_the_literature(name: str) -> None:
    own = library.load(name)
    assert own.notes.endswith(".")
    assert set(own.papers) <= set(references(citing.bibliographies()))


def test_every_learners_paper_is_known_and_cited(tmp_path: Path) -> None:
    known = set(references(citing.bibliographies())) - set(references(BIBLIOGRAPHY.read_text(encoding="utf-8")))
    assert known == {cls.paper for cls in LEARNERS.values()} - {""}
    root = write_experiment(tmp_path / "e", papers=["lee2013"])
    for learner in ("supervised", "pseudo-label[mu=3]", "fixmatch"):
        write_run(root, "random", 0, learner=learner)
    text = citing.bibliography([read_report(root).source])
    assert set(citing.read_entries(text)) == {"acqbench", "lee2013", "sohn2020"}
    assert "% the protocol e, the learner pseudo-label[mu=3]" in text.splitlines()


def test_the_learners_page_is_what_the_classes_say() -> None:
    assert LEARNERS_PAGE.read_text(encoding="utf-8") == learners_page(), "out of date: python -m docs.generate"


def test_papers_and_notes_leave_the_fingerprint() -> None:
    own = library.load("digits")
    assert own.override(papers=["yoo2019"], notes="else").fingerprint == own.fingerprint
    assert experiment_name(own.override(papers=["yoo2019"], notes="else")) == "digits"


def test_the_protocols_page_is_what_the_files_say() -> None:
    assert PROTOCOLS.read_text(encoding="utf-8") == protocols_page(), "out of date: python -m docs.generate"
