"""What the first tables leave out is said at the head of the page, with commands that show and complete it."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import BUDGETS, write_experiment, write_run
from support.tiny import SCORES, bench, experiment, plugin

import run_benchmark
from benchmark.reports import Address, read_report, write_report
from benchmark.reports.sections.left_out import commands, gaps, head, page_head, sentences

SHORT = BUDGETS[:2]
ADDRESS = Address(("x/mnist",), ("--results-dir", "x"), "x/mnist", {"badge": "f.py:F"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two strategies with five seeds; badge has three, entropy three up to 40 labels, bald one that no other has."""
    root = write_experiment(tmp_path / "mnist")
    for name, seed in itertools.product(["random", "margin"], range(5)):
        write_run(root, name, seed)
    for seed in range(3):
        write_run(root, "badge", seed)
        write_run(root, "entropy", seed, SHORT)
    write_run(root, "bald", 9)
    return root


def test_it_says_what_is_lacking(root: Path) -> None:
    assert sentences(read_report(root)) == [
        "Left out of the tables and figures below, whose areas end at 80 labels: bald (seed 9, which the others do "
        "not share); entropy (3 of 5 seeds, up to 40 of 80 labels).",
        "Only in tables and figures of all strategies below (their names end in -all): badge (3 of 5 seeds).",
    ]
    assert [gap.keys for gap in gaps(read_report(root))] == [
        (("badge", "supervised"),),
        (("bald", "supervised"),),
        (("entropy", "supervised"),),
    ]


def test_its_commands_are_of_what_is_shared_and_of_all(root: Path) -> None:
    report = replace(read_report(root), address=ADDRESS)
    told = dict(commands(report, [("badge", "supervised")]))
    assert told == {
        "badge beside the others, on the seeds and labels that they share": "python run_benchmark.py --report x/mnist "
        "--strategies margin random f.py:F --seeds 0 1 2 --output mnist-3-seeds",
        "all runs of badge": "python run_benchmark.py --protocol mnist --strategies f.py:F --seeds 0 1 2 3 4 "
        "--results-dir x",
    }
    told = dict(commands(read_report(root)))
    assert "all runs of badge, bald, entropy" in told
    (short,) = (line for what, line in told.items() if what.startswith("entropy beside"))
    assert short.endswith("--seeds 0 1 2 --budgets 20 40 --output mnist-3-seeds-40-labels")
    assert not any(what.startswith("bald beside") for what in told)  # no seed is shared


def test_it_stands_at_the_head_of_both_pages(root: Path) -> None:
    write_report(root)
    for name, first in (("README.md", "- "), ("index.html", '<ul class="notes">')):
        text = (root / name).read_text()
        head = text[: text.index(f"{first}Compared" if first == "- " else first)]
        for words in (
            "entropy (3 of 5 seeds, up to 40 of 80 labels)",
            "--budgets 20 40",
            "all runs of badge, bald, entropy",
        ):
            assert words in head
    for name in ("badge", "bald", "entropy"):
        for seed in range(5):
            write_run(root, name, seed)
    (root / "runs" / "bald" / "supervised-seed9.jsonl").unlink()
    write_report(root)
    assert "Left out of the tables" not in (root / "README.md").read_text()
    assert "Only in tables" not in (root / "index.html").read_text()


def test_the_terminal_gives_commands_that_work(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_benchmark.main(["--report", str(root)]) == 0
    said = capsys.readouterr().out
    assert f"Left out of the tables and figures in {root}, whose areas end at 80 labels: bald (seed 9, " in said
    (command,) = re.findall(r"^  entropy beside .*: python run_benchmark.py (.*)$", said, flags=re.M)
    assert run_benchmark.main(shlex.split(command)) == 0
    shown = (tmp_path / "mnist-3-seeds-40-labels" / "tables" / "summary.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) +\| +(\d+) ", shown, flags=re.M))
    assert rows == {"random": "3", "margin": "3", "entropy": "3"}
    assert "Left out" not in capsys.readouterr().out


def test_what_was_just_computed_can_be_shown_and_completed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = plugin(tmp_path, SCORES)
    assert bench(tmp_path, "--seeds", "0", "1", "2") == 0
    capsys.readouterr()
    assert (
        bench(tmp_path, "--strategies", "random", mine, "--seeds", "0", "1", "--budgets", "10", "20", report=True) == 0
    )
    said = capsys.readouterr().out
    assert ": mine:Mine (2 of 3 seeds, up to 20 of 30 labels)." in said
    shows, completes = re.findall(r"^  .*mine:Mine.*: python run_benchmark.py (.*)$", said, flags=re.M)
    assert run_benchmark.main(shlex.split(shows)) == 0
    (folder,) = tmp_path.glob("*-2-seeds-20-labels")
    assert re.search(r"^\| mine:Mine§? +\| +2 ", (folder / "tables" / "summary.md").read_text(), flags=re.M)
    places = [f"--{place}-dir={tmp_path / place}" for place in ("data", "cache")]
    assert run_benchmark.main([*shlex.split(completes), *places, "--workers", "1", "--device", "cpu"]) == 0
    assert "Left out" not in capsys.readouterr().out
    table = (experiment(tmp_path) / "tables" / "summary.md").read_text()
    assert re.search(r"^\| mine:Mine§? +\| +3 ", table, flags=re.M)


def test_published_pages_have_it_in_their_notes_alone(root: Path) -> None:
    report = read_report(root)
    assert head(report)
    assert page_head(report)
    published = replace(report, source=replace(report.source, results_version="1.0"))
    assert not head(published)
    assert not page_head(published)
