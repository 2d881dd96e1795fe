"""What is said of the strategies: docs/strategies.md, the bibliography, --list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.report_lines import accuracy_of, write_experiment, write_run

from benchmark.reports import read_report
from docs.generate import BIBLIOGRAPHY, NEEDS, PAGE, our_runs, page, references
from strategies import registry
from strategies.api import registration

ROOT = Path(__file__).resolve().parents[2]
OWN = [name for name in registry.names() if registry.resolve(name).source_sha256 is None]
PAPERS = references(BIBLIOGRAPHY.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's own strategies, whatever another test has registered."""
    own = {name: cls for name, cls in registration.REGISTERED.items() if name in OWN}
    monkeypatch.setattr(registration, "REGISTERED", own)


def test_the_page_is_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "out of date: python -m docs.generate"


def test_the_page_tells_differences_to_random_by_seed(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist", [20, 40])
    for seed in range(3):
        write_run(root, "random", seed, [20, 40])
        write_run(root, "margin", seed, [20, 40], shift=0.01 * seed)
        write_run(root, "margin", seed, [20, 40], learner="fixmatch")
        write_run(root, "entropy", seed, [20, 40], shift=0.1, strategy_version=7)
    write_run(root, "badge", 0, [20, 40])
    told = our_runs(tmp_path)
    gains = [accuracy_area("margin", seed) - accuracy_area("random", seed) + seed for seed in range(3)]
    assert list(told) == ["margin"]  # a single seed tells nothing, nor does another version of the strategy
    (phrase,) = told["margin"]
    report = read_report(root)
    own = report.summary_of(report.views[0]).set_index(["strategy", "learner"]).loc[("margin", "supervised")]
    interval = f"[{100 * own['low']:+.1f}, {100 * own['high']:+.1f}]"
    assert phrase.startswith(f"{own['verdict']}, {sum(gains) / 3:+.1f} {interval}")
    assert phrase.endswith("] (`mnist`, 20 to 40 labels, 3 seeds)")


def accuracy_area(strategy: str, seed: int) -> float:
    """The area over two label counts, in %."""
    return 100 * sum(accuracy_of(strategy, seed, labels) for labels in (20, 40)) / 2


@pytest.mark.parametrize("name", OWN)
def test_every_strategy_says_what_it_costs_and_where_it_comes_from(name: str) -> None:
    strategy = registry.resolve(name).build()
    assert strategy.cost
    assert strategy.remarks.endswith((".", ")."))
    assert set(strategy.needs) <= set(NEEDS)
    assert strategy.max_batch is None or strategy.max_batch >= 1
    if not {"baseline", "diagnostic"} & set(strategy.groups):  # these have no author
        assert strategy.paper in PAPERS


def test_no_paper_is_without_a_strategy() -> None:
    assert set(PAPERS) <= {registry.resolve(name).build().paper for name in OWN}


def test_references_are_plain_text() -> None:
    assert not [line for line in PAPERS.values() if set(line) & set("{}\\") or "--" in line]


def test_a_reference_is_read_as_it_stands() -> None:
    entry = (
        "@article{a2020,\n  author = {Husz{\\'a}r, Ferenc and {\\O}ster, {\\c C}. and\n    B{\\i}y{\\i}k, Erdem},\n"
        "  title = {An {A}BC: one--two},\n  journal = {Letters \\& Notes},\n  volume = {3},\n  year = {2020},\n"
        "  note = {arXiv 1.2},\n}\n"
    )
    assert references(entry) == {
        "a2020": "Ferenc Huszár, Ç. Øster and Erdem Bıyık, *An ABC: one–two*, Letters & Notes 3, 2020, arXiv 1.2."
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "@misc{a,\n  author = {B, C},\n  year = {2020},\n}\n",
            "a: an entry appears once, with author, title and year",
        ),
        ("@misc{a,\n  author = {B, C},\n  title = {D},\n  year = {2020},\n}\n" * 2, "a: an entry appears once"),
        ("@misc a\n", "not an entry of BibTeX: @misc a"),
    ],
)
def test_a_broken_bibliography_is_told(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        references(entry)


def test_the_list_names_everything_and_needs_no_scikit_learn() -> None:
    script = "import sys, run_benchmark; run_benchmark.main(['--list']); sys.exit('sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr or "scikit-learn is imported"
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {*OWN, "power:X", "softmax:X", "softrank:X"} <= lines.keys()
    assert lines["bald"].endswith(" [core, bayesian; needs dropout; presets: authors; houlsby2011]")
    assert lines["greedy-oracle"].endswith(" [diagnostic; needs oracle; at most 100 images per batch]")
