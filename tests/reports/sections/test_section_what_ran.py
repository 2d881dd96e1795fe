"""What ran, and how to run it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import change_rounds, write_grid

from benchmark.experiment import load
from benchmark.models import factory
from benchmark.reports import write_report
from benchmark.reports.sections import what_ran
from benchmark.results.records import Seconds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", ["random", "margin", "entropy"])


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


def test_a_solved_model_has_no_recipe_on_the_page() -> None:
    assert {name for name in factory.MODELS if factory.class_of(name).solved} == set(what_ran.SOLVED)
    solved = what_ran.field("recipe", load("cifar10-embeddings").to_dict())
    assert solved == "none, for the model is solved, not trained"
    assert what_ran.field("recipe", load("mnist").to_dict()).startswith("optimizer ")


def test_fields_read_as_text() -> None:
    protocol = load("mnist").override(**{"model.parameters": {"width": 8}}).to_dict()
    assert what_ran.field("model", protocol) == "cnn, parameters width 8"
    assert what_ran.field("warm_start", protocol) == "false"
    assert what_ran.field("features", {**protocol, "features": None}) == "none"


def test_hours_count_a_shared_training_once(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin"], seeds=1, budgets=[20, 40, 60])
    for strategy in ("random", "margin"):
        change_rounds(
            root / "runs" / strategy / "supervised-seed0.jsonl",
            lambda record, shares=strategy == "margin": replace(
                record, seconds=Seconds(3600.0, 1.0, 1.0), shared_training=shares and record.round == 0
            ),
        )
    assert "runs: 2, 5.00 hours of training" in write_report(root).root.joinpath("README.md").read_text()
