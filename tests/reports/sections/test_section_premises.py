"""The section of premises: what a report says of a degenerate strategy, in every place, instead of ranking it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import change_rounds, write_experiment, write_grid, write_run

from benchmark.reports import write_report
from benchmark.reports.data import Report
from benchmark.results.records import RoundRecord

SEEDS = range(10)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Strategies that are all better than random; badge ranks at chance."""
    root = tmp_path_factory.mktemp("premises") / "made-up"
    write_experiment(root)
    for strategy in ("random", "margin", "entropy", "badge"):
        for seed in SEEDS:
            path = write_run(root, strategy, seed, shift=0.1 * (strategy == "badge"))
            if strategy == "badge":
                change_rounds(path, at_chance)
    return write_report(root)


def at_chance(record: RoundRecord) -> RoundRecord:
    return replace(record, diagnostics={"loss_rank.pool.auroc": 0.52, "premise.my_own": 7.0})


def test_the_notes_say_what_it_was_and_do_not_call_it_better(report: Report) -> None:
    page = (report.root / "README.md").read_text().partition("![")[0]
    notes = [line for line in page.splitlines() if line.startswith("- ")]
    (verdict,) = [note for note in notes if "badge" in note]
    assert verdict.startswith("- § Ranks at chance, not ranked – in most rounds the AUROC of the predicted loss")
    assert verdict.endswith(": badge (0.52).")
    (said,) = [note for note in notes if note.startswith("- Compared with random")]
    assert "margin" in said
    assert "badge" not in said


def test_its_rows_are_marked_and_captions_say_why(report: Report) -> None:
    for table in ("summary", "accuracy", "tests", "premises"):
        text = (report.root / "tables" / f"{table}.md").read_text()
        assert re.search(r"^\| badge§ +\|", text, flags=re.MULTILINE)
        if table != "premises":
            assert "§ Not ranked: badge (ranks at chance)." in text


def test_it_has_no_rank(report: Report) -> None:
    (block,) = re.findall(r'id="data">(.*?)</script>', (report.root / "index.html").read_text(), flags=re.DOTALL)
    ranked = {name for one in json.loads(block)["overview"]["settings"] for name in one["areas"]}
    assert ranked == {"entropy", "margin", "random"}


def test_it_is_not_the_best_of_the_overview(report: Report) -> None:
    page = (report.root / "index.html").read_text()
    found = re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert found
    row = json.loads(found[1])["overview"]
    assert row["best"] == "margin"
    assert row["seeds"] == "10"
    assert {strategy for one in row["settings"] for strategy in one["areas"]} == {"random", "margin", "entropy"}


def test_the_table_has_every_premise_that_was_measured(report: Report) -> None:
    data = pd.read_csv(report.root / "tables" / "premises.csv")
    assert len(data) == 4 * 3  # the last round has no query
    assert data.groupby("strategy")["premise.my_own"].max().dropna().to_dict() == {"badge": 7.0}
    text = (report.root / "tables" / "premises.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| badge§")]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["ranks at chance", "10"]
    assert "0.52" in row


def test_without_a_query_there_is_no_table(tmp_path: Path) -> None:
    root = tmp_path / "made-up"
    write_experiment(root)
    write_run(root, "random", 0, [20])
    written = write_report(root)
    assert not written.source.unranked.degenerate
    assert not (root / "tables" / "premises.md").exists()


def test_the_caption_names_the_rounds_that_there_are(tmp_path: Path) -> None:
    def caption(root: Path) -> str:
        return (write_report(root).root / "tables" / "premises.md").read_text()

    assert "means over seeds and the rounds from 20 to 40 labels. Classes" in caption(
        write_grid(tmp_path / "a", ["random", "margin"], budgets=[20, 40, 60])
    )
    root = write_grid(tmp_path / "b", ["random", "margin"], budgets=[20, 40])
    assert "means over seeds and the round at 20 labels. Classes" in caption(root)
    for seed in range(3):
        write_run(root, "entropy", seed, [20, 40, 60, 80])
    assert "the rounds from 20 to 60 labels, as far as a strategy ran. Classes" in caption(root)
    replay = write_grid(tmp_path / "c", ["random", "margin"], budgets=[20, 40, 60], replay=f"mnist@{'a' * 8}")
    assert "labels; a batch is here all that was acquired up to the next of the replayed label counts. C" in caption(
        replay
    )


def test_no_table_gives_its_verdict_without_saying_that_it_is_not_ranked(report: Report) -> None:
    for name in ("summary", "tests", "signs"):
        for suffix in (".md", ".tex"):
            text = (report.root / "tables" / (name + suffix)).read_text()
            (row,) = [line for line in text.splitlines() if re.match(r"\W*badge(§|\\S)", line)]
            assert "not ranked (better)" in row
            assert "better" not in row.replace("not ranked (better)", "")
    assert "not ranked (better)" in (report.root / "index.html").read_text()
    verdicts = pd.read_csv(report.root / "tables" / "summary.csv").set_index("strategy")["verdict"]
    assert verdicts["badge"] == "not ranked (better)"
    assert "ranked" not in verdicts["margin"]
