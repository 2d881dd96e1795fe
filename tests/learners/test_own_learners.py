"""Learners of a user's own: named, identified by their sources, and run from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny import bench, experiment, run_lines

from benchmark import learners
from benchmark.experiment.keys import RunKey
from benchmark.learners import LEARNERS
from benchmark.results.paths import run_path

MINE = """\
from benchmark.learners import Learner
from helper import STEPS
from benchmark.learners.supervised import fit


class MyLearner(Learner):
    '''As supervised, with steps of its own.'''

    version = 2

    def __init__(self, share: float = 1.0):
        if share <= 0:
            raise ValueError("share must be positive")
        self.share = share

    def fit(self, task):
        return fit(task, steps=round(self.share * STEPS))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("STEPS = 12\n")
    return tmp_path


def test_every_learner_of_the_suite_states_its_version() -> None:
    assert {name: cls.__dict__.get("version") for name, cls in LEARNERS.items()} == dict.fromkeys(LEARNERS, 1)


def test_names_and_parameters(mine: Path) -> None:
    (built,) = learners.named([f"{mine}/mine.py:MyLearner[share=2]"])
    assert built.canonical == "mine:MyLearner[share=2.0]"
    assert built.version == 2
    source = learners.source_of(built.canonical)
    assert source is not None
    assert source.location == f"{mine.resolve()}/mine.py:MyLearner"
    assert learners.source_of("supervised") is None


def test_two_files_of_one_name_are_two_learners(mine: Path) -> None:
    for folder, steps in (("a", 3), ("b", 4)):
        (mine / folder).mkdir()
        (mine / folder / "mine.py").write_text(MINE)
        (mine / folder / "helper.py").write_text(f"STEPS = {steps}\n")
    named = learners.named([f"{mine}/{folder}/mine.py:MyLearner[share=2]" for folder in ("a", "b")])
    assert [learner.canonical for learner in named] == ["a/mine:MyLearner[share=2.0]", "b/mine:MyLearner[share=2.0]"]
    sources = [learners.source_of(learner.canonical) for learner in named]
    assert len({source.sha256 for source in sources if source is not None}) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}/absent.py:MyLearner", "there is no file"),
        ("{}/mine.py:Mylearner", "has no Learner class 'Mylearner': did you mean MyLearner?"),
        ("{}/mine.py:MyLearner[share=0]", "share must be positive"),
        ("{}/mine.py:MyLearner[sahre=1]", "has no parameter 'sahre': did you mean share?"),
        ("{}/helper.py:STEPS", "has no Learner class 'STEPS'"),
    ],
)
def test_what_cannot_be_had_is_one_line(mine: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    assert bench(mine, "--learner", text.format(mine)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_name_in_a_file_is_not_imported(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "learner_of_nobody.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(mine))
    with pytest.raises(ValueError, match="is a user's own: name it with --learner"):
        learners.build("learner_of_nobody:MyLearner")


def test_a_learner_from_end_to_end(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In worker processes; a changed helper is computed anew, and what is there is not."""
    asked = ("--learner", f"{mine}/mine.py:MyLearner", "supervised", "--seeds", "0", "--strategies", "random")
    assert bench(mine, *asked, "--workers", "2") == 0
    lines = run_lines(mine)
    key = RunKey("random", "mine:MyLearner", 0)
    first = lines[str(run_path(Path(), key).relative_to("runs"))]
    assert first[1:] == lines["random/supervised-seed0.jsonl"][1:]  # as many steps, the same streams
    assert (first[0]["key"]["learner"], first[0]["learner_version"]) == ("mine:MyLearner", 2)
    assert len(first[0]["learner_source_sha256"]) == 64
    assert first[0]["strategy_source_sha256"] is None
    assert bench(mine, *asked) == 0
    assert "2 of 2 runs are in" in capsys.readouterr().out
    (mine / "helper.py").write_text("STEPS = 13\n")
    assert bench(mine, *asked) == 0
    assert "random × mine:MyLearner, seed 0: the learner's source has changed" in capsys.readouterr().out
    second = run_lines(mine)[str(run_path(Path(), key, attempt=2).relative_to("runs"))]
    assert second[0]["learner_source_sha256"] != first[0]["learner_source_sha256"]
    assert second[1]["accuracy"] != first[1]["accuracy"]


def test_its_runs_are_verified_where_it_is_named(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = f"{mine}/mine.py:MyLearner"
    assert bench(mine, "--learner", own, "--seeds", "0", "--strategies", "random") == 0
    assert bench(mine, "--verify", str(experiment(mine)), "--learner", own) == 0
    assert "differs" not in capsys.readouterr().out  # the table's cells are wrapped
    (mine / "helper.py").write_text("STEPS = 13\n")
    assert bench(mine, "--verify", str(experiment(mine)), "--learner", own) == 2
    assert "left out: mine:MyLearner: no run was computed by its present source" in capsys.readouterr().out
