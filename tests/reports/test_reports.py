"""Reports from lines on disk: selection, tables, the page, the console."""

from __future__ import annotations

import io
import itertools
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from support.report_lines import BUDGETS, accuracy_of, round_of, write_experiment, write_grid, write_run

from benchmark.reports import console_table, read_report, write_report
from benchmark.reports.statistics.curves import curves
from benchmark.reports.tables import render
from benchmark.reports.tables.cells import marked_best, thin_out
from benchmark.results.run_file import RunFile
from benchmark.results.store import read_experiment


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


# Curves


def test_curves_hold_every_round_in_the_protocols_order(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e", strategies=["random", "margin"])
    for strategy in ("badge", "margin", "random", "coreset"):
        write_run(root, strategy, 1)
        write_run(root, strategy, 0)
    frame = curves(read_experiment(root))
    assert list(frame.columns) == [
        *("strategy", "learner", "seed", "labels", "accuracy"),
        *("nll", "ece", "train_seconds", "query_seconds"),
    ]
    expected = [(s, k, b) for s in ("random", "margin", "badge", "coreset") for k in (0, 1) for b in BUDGETS]
    assert list(zip(frame["strategy"], frame["seed"], frame["labels"], strict=True)) == expected
    assert frame["accuracy"].tolist() == [accuracy_of(s, k, b) for s, k, b in expected]
    assert frame["query_seconds"].isna().tolist() == [b == BUDGETS[-1] for _, _, b in expected]


def test_a_torn_last_line_and_a_superseded_round_do_not_count(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "random", 0, [20, 40], tail='{"kind":"round","round":2,"labels":60,"accu')
    path = write_run(root, "random", 1, [20, 40])
    with RunFile(path, wait=False) as file:
        file.append_round(round_of(1, 40, accuracy=0.125))
    frame = curves(read_experiment(root))
    assert frame["labels"].tolist() == [20, 40, 20, 40]
    assert frame["accuracy"].tolist()[3] == 0.125


def test_selection_by_strategy_learner_seed_and_budget(root: Path) -> None:
    write_run(root, "margin", 0, learner="fixmatch")
    experiment = read_experiment(root)
    frame = curves(experiment, strategies=["margin"], learners=["fixmatch"], seeds=[0], budgets=[20, 60])
    assert list(zip(frame["learner"], frame["labels"], strict=True)) == [("fixmatch", 20), ("fixmatch", 60)]


def test_the_newest_complete_attempt_counts(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "margin", 0)
    write_run(root, "margin", 0, attempt=2, shift=0.02)
    write_run(root, "margin", 0, [20, 40], attempt=3, shift=0.04)
    write_run(root, "entropy", 0, [20, 40, 60])
    write_run(root, "entropy", 0, [20, 40], attempt=2, shift=0.04)
    frame = curves(read_experiment(root))
    final = frame.groupby("strategy")["accuracy"].last()
    assert final["margin"] == accuracy_of("margin", 0, 80) + 0.02
    assert final["entropy"] == accuracy_of("entropy", 0, 60)  # none complete: the one that reaches furthest
    shorter = curves(read_experiment(root), budgets=[20, 40])
    assert shorter[shorter["strategy"] == "margin"]["accuracy"].iloc[-1] == accuracy_of("margin", 0, 40) + 0.04
    notes = write_report(root).notes
    assert "margin: attempt 2 is shown (attempt 3 is not complete), seed 0." in notes
    assert "entropy is incomplete: seed 0 at 60 of 80 labels." in notes


def test_curves_csv_keeps_full_precision_and_rounds_seconds(root: Path) -> None:
    write_report(root)
    rows = (root / "curves.csv").read_text().splitlines()
    assert rows[1] == f"entropy,supervised,0,20,{accuracy_of('entropy', 0, 20)!r},{1 / 3!r},0.1,1.235,0.5"
    again = pd.read_csv(root / "curves.csv")
    pd.testing.assert_series_equal(again["nll"], curves(read_experiment(root))["nll"], check_exact=True)


@pytest.mark.parametrize("budgets", [None, [999]])
def test_an_experiment_without_a_complete_round_is_refused(tmp_path: Path, budgets: list[int] | None) -> None:
    root = write_experiment(tmp_path / "e")
    write_run(root, "random", 0, [] if budgets is None else BUDGETS)
    with pytest.raises(ValueError, match=r"'e' has no complete round .* run it first"):
        read_report(root, budgets=budgets)
    assert not (root / "README.md").exists()


# Tables


def test_tables_show_what_the_lines_say(root: Path) -> None:
    report = write_report(root)
    bare = pd.read_csv(root / "tables" / "accuracy.csv").set_index(["strategy", "labels"])
    for strategy, labels in itertools.product(("random", "margin"), BUDGETS):
        values = [accuracy_of(strategy, s, labels) for s in range(3)]
        row = bare.loc[(strategy, labels)]
        assert (row["mean"], row["sd"], row["n"]) == pytest.approx((np.mean(values), np.std(values, ddof=1), 3))
    text = (root / "tables" / "accuracy.md").read_text()
    mean, sd = (
        100 * f([accuracy_of("margin", s, 80) for s in range(3)]) for f in (np.mean, lambda v: np.std(v, ddof=1))
    )
    assert f"**{mean:.1f}** ± {sd:.1f}" in text
    tex = (root / "tables" / "accuracy.tex").read_text()
    assert rf"\textbf{{{mean:.1f}}} $\pm$ {sd:.1f}" in tex
    for said in ("seeds 0--2", "cpu (X)", "torch 2.15.0", "0123456789ab", "abcdef0", "fingerprint ffffffff"):
        assert said in tex
    assert report.accuracy["n"].eq(3).all()
    assert "| seeds" in text


def test_one_seed_shows_no_spread(tmp_path: Path) -> None:
    report = write_report(write_grid(tmp_path / "e", ["random", "margin"], seeds=1))
    text = (report.root / "tables" / "accuracy.md").read_text()
    assert "±" not in text
    assert "one seed" in text
    assert any("One seed only" in note for note in report.notes)


def test_bold_marks_equal_digits_but_not_everything() -> None:
    def bold(*means: float) -> list[bool]:
        return [cell.bold for cell in marked_best(pd.Series(means), pd.Series([math.nan] * len(means)), 1)]

    assert bold(0.9012, 0.9013, 0.8) == [True, True, False]
    assert bold(0.9, 0.9) == [False, False]
    assert bold(0.9, math.nan, 0.8) == [True, False, False]
    assert bold(0.9) == [False]


@pytest.mark.parametrize(("n", "most"), [(15, 10), (10, 10), (12, 10), (40, 10), (20, 6), (3, 6), (1, 6), (15, 6)])
def test_long_ladders_are_thinned_out_evenly(n: int, most: int) -> None:
    counts = list(range(20, 20 * n + 1, 20))
    shown = thin_out(counts, most)
    assert len(shown) <= most
    assert len(shown) >= min(n, most // 2)
    assert (shown[0], shown[-1]) == (counts[0], counts[-1])
    gaps = np.diff(shown)
    assert n == 1 or gaps.max() - gaps.min() <= 20


def test_a_long_ladder_prints_ten_columns_at_most_and_says_so(tmp_path: Path) -> None:
    budgets = list(range(20, 301, 20))
    root = write_grid(tmp_path / "e", ["random", "margin"], budgets=budgets)
    write_report(root)
    assert pd.read_csv(root / "tables" / "accuracy.csv")["labels"].nunique() == 15
    header = (root / "tables" / "accuracy.md").read_text().splitlines()[0]
    assert [int(n) for n in re.findall(r"\d+", header)] == [20, 60, 100, 140, 180, 220, 260, 300]
    assert "Shown are 8 of 15 label counts" in (root / "tables" / "accuracy.tex").read_text()


def test_mixed_machines_get_a_footnote(root: Path) -> None:
    write_run(root, "margin", 1, device="NVIDIA H200")
    write_run(root, "entropy", 2, engine_version=2)
    report = write_report(root)
    assert "On NVIDIA H200 instead of cpu (X): margin (seed 1)." in report.notes
    assert "On engine version 2 instead of engine version 1: entropy (seed 2)." in report.notes
    text = (root / "tables" / "summary.md").read_text()
    assert "| margin†" in text
    assert "| random " in text
    assert "† On NVIDIA H200" in text
    assert r"margin$^\dagger$" in (root / "tables" / "summary.tex").read_text()


NASTY = ["my_module:Mine[a=1,b=50%]", "[odd]", "*a&b#c$d^e~f{g}h\\i|<j>"]


def test_names_are_escaped(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "odd_50%", ["random", *NASTY], seeds=2)
    write_report(root)
    tex = (root / "tables" / "summary.tex").read_text()
    code = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert r"my\_module:Mine{[}a=1,b=50\%{]}" in code
    assert r"{*}a\&b\#c\$d\textasciicircum{}e\textasciitilde{}f\{g\}h\textbackslash{}i\textbar{}" in code
    assert not re.search(r"\\\\\s*[\[*]", code)  # no row starts with what \\ would take as its option
    assert len(set(re.findall(r"\\(?:begin|end)\{tabular\}", code))) == 2
    rows = [line for line in (root / "tables" / "summary.md").read_text().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert set(pd.read_csv(root / "tables" / "summary.csv")["strategy"]) == {"random", *NASTY}


def test_a_note_with_a_line_break_stays_inside_its_comment() -> None:
    table = render.Table("t", "t", pd.DataFrame(), ["a"], [[render.Cell("1")]], "one\ntwo", "three\nfour")
    assert r"% one two" in render.latex(table).splitlines()
    assert all(line[0] in "% \\" for line in render.latex(table).splitlines() if line)


TABLES = ("accuracy", "summary", "tests", "labels", "pairwise", "cost")
FIGURES = ("accuracy", "areas", "labels-saved", "pairwise", "calibration", "seconds")


def test_written_twice_gives_the_same_bytes(root: Path) -> None:
    """In another process, with another hash seed, from another working directory."""

    def contents() -> dict[str, bytes]:
        made = [p for p in root.rglob("*") if p.is_file() and "runs" not in p.parts]
        return {str(p.relative_to(root)): p.read_bytes() for p in made}

    write_report(root)
    first = contents()
    code = f"from pathlib import Path; from benchmark.reports import write_report; write_report(Path({str(root)!r}))"
    here = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": here, "PYTHONHASHSEED": "7"}, cwd="/")
    assert contents() == first
    assert set(first) == {
        *("curves.csv", "README.md", "index.html", "experiment.json", "tables/strategies.bib"),
        *(f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "md", "tex")),
        *(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf")),
    }


# The page, the console


def test_the_page_tells_what_ran_and_how_to_repeat_it(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin[a=1]"], notes="Too short for *hard* images.")
    page = write_report(root).root.joinpath("README.md").read_text()
    assert page.startswith("# mnist\n\nA test.\n\nToo short for \\*hard\\* images.\n\n")
    assert "python run_benchmark.py --protocol mnist --strategies 'margin[a=1]' random --seeds 0 1 2" in page
    assert "(figures/accuracy.png)" in page
    assert "f" * 64 in page
    for table in ("summary", "accuracy"):
        assert (root / "tables" / f"{table}.md").read_text().splitlines()[3] in page
    shorter = write_grid(tmp_path / "shorter", ["random"], seeds=1, budgets=[20, 40])
    write_report(shorter)
    assert "--seeds 0\n" in (shorter / "README.md").read_text()


def test_a_seed_left_out_is_named(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin", "entropy"], seeds=5)
    (root / "runs" / "margin" / "supervised-seed2.jsonl").unlink()
    report = write_report(root)
    assert "Left out at 20 to 80 labels: seed 2, which margin did not run." in report.notes
    assert report.summary["n"].tolist() == [4, 4, 4]
    assert report.summary.set_index("strategy").loc["entropy", "gain_n"] == 5  # random has that seed too
    assert "margin did not run" in (root / "README.md").read_text()
    assert any("absent: no run on disk." in note for note in read_report(root, ["random", "absent"]).notes)


def test_a_strategy_without_a_complete_run_is_shown_but_not_ranked(root: Path) -> None:
    for seed in range(3):
        write_run(root, "broken", seed, [20, 40])
    report = write_report(root)
    assert report.summary.set_index("strategy").loc["broken", "n"] == 0
    assert report.summary["labels"].eq(80).all()
    assert "Not in the comparison at 80 labels: broken." in report.notes
    assert report.accuracy.query("strategy == 'broken'")["labels"].tolist() == [20, 40]


def test_nothing_unfinished_is_left_behind(root: Path) -> None:
    write_report(root)
    assert not [path for path in root.rglob(".*") if path.is_file()]


@pytest.mark.parametrize(
    "strategies", [["random", "margin"], [f"typiclust[clusters={n}00,neighbours=20]" for n in range(9)]]
)
def test_the_console_table_fits_100_columns(tmp_path: Path, strategies: list[str]) -> None:
    report = write_report(write_grid(tmp_path / "e", strategies, budgets=list(range(1000, 15001, 1000))))
    out = io.StringIO()
    Console(file=out, width=100).print(console_table(report))
    assert "15000" in out.getvalue()
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 100
    for value in report.summary["final_mean"]:
        assert f"{100 * value:.1f} ±" in out.getvalue()


# Edges


def test_a_single_label_count_is_reported(tmp_path: Path) -> None:
    report = write_report(write_grid(tmp_path / "e", ["random", "margin"], budgets=[500]))
    assert (report.root / "figures" / "accuracy.png").stat().st_size > 5000
    assert report.summary["area_mean"].tolist() == report.summary["final_mean"].tolist()


def test_reports_need_no_torch() -> None:
    code = "import sys, benchmark.reports; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
