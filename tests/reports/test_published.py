"""The published results: every table follows from the lines that lie beside it, byte for byte."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.experiment import from_dict, load
from benchmark.reports import write_report
from benchmark.results.store import read_experiment

RESULTS = Path(__file__).resolve().parents[2] / "results"
PUBLISHED = sorted(p.parent.name for p in RESULTS.glob("*/experiment.json"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_follow_from_the_lines(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    shutil.copytree(RESULTS / name / "runs", root / "runs")
    shutil.copy(RESULTS / name / "experiment.json", root)
    write_report(root)
    files = ["curves.csv", "README.md", *(f"tables/{p.name}" for p in (RESULTS / name / "tables").iterdir())]
    for file in files:
        assert (root / file).read_bytes() == (RESULTS / name / file).read_bytes(), f"{name}/{file} is out of date"
    assert files_of(RESULTS / name) == files_of(root)  # none that a report has ceased to make


def files_of(folder: Path) -> set[str]:
    return {f"{part}/{path.name}" for part in ("tables", "figures") for path in (folder / part).iterdir()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_runs_are_the_protocols_own_as_far_as_they_go(name: str) -> None:
    experiment = read_experiment(RESULTS / name)
    written = from_dict(json.loads((RESULTS / name / "experiment.json").read_text())["protocol"])
    if written.name.endswith("-replay"):  # at label counts of its own; it chooses nothing, and so needs no features
        trained, own = load(written.name.removesuffix("-replay")), written
        assert (written.model, written.features) == (trained.model, None)
    else:
        trained = own = load(name)
    assert written.recipe == trained.recipe
    assert experiment.fingerprint == own.fingerprint
    for run in experiment.runs:
        reached = len(run.label_counts)
        assert reached >= 2 or reached == len(own.budgets), f"{run.path} has less than two rounds"
        assert run.label_counts == list(own.budgets[:reached]), f"{run.path} leaves the protocol's label counts"
        assert "dirty" not in (run.header.commit or "dirty"), f"{run.path}: not from committed code"
