"""An experiment and its replays side by side, from made-up lines."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.report_lines import BUDGETS, accuracy_of, change_rounds, write_experiment, write_grid, write_run

import run_benchmark
from benchmark import ENGINE_VERSION
from benchmark.reports.comparison.transfer import transfer
from benchmark.reports.data import read_report
from benchmark.reports.sections.replay import compute
from benchmark.reports.statistics.family import REPLAYED, SOURCE_ACCURACY
from benchmark.results.errors import StoreError
from benchmark.results.store import read_experiment

STRATEGIES = ["random", "margin", "entropy"]


def replay_of(root: Path, name: str, shift: dict[str, float], fingerprint: str, **protocol: Any) -> Path:
    """A replay of the experiment at ``root`` whose accuracies are the source's plus ``shift`` by strategy."""
    source = f"{root.name}@{read_experiment(root).fingerprint[:16]}"
    made = write_grid(root.parent / name, [], fingerprint=fingerprint, **(protocol | {"replay": source}))
    for strategy in STRATEGIES:
        for seed in range(3):
            path = write_run(made, strategy, seed, shift=shift.get(strategy, 0.0), fingerprint=fingerprint)
            own = {n: accuracy_of(strategy, seed, n) for n in BUDGETS}
            change_rounds(path, lambda r, own=own: replace(r, diagnostics={SOURCE_ACCURACY: own[r.num_labelled]}))
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "mnist", STRATEGIES, model={"name": "cnn", "parameters": {"width": 16}})


def area(strategy: str, seed: int, shift: float = 0.0) -> float:
    values = [accuracy_of(strategy, seed, n) + shift for n in BUDGETS]
    return sum((a + b) / 2 for a, b in itertools.pairwise(values)) / (len(values) - 1)


def test_rows_are_acquirers_and_columns_trainings(root: Path) -> None:
    wide = replay_of(root, "wide", {"margin": -0.1}, "1" * 64, model={"name": "cnn", "parameters": {"width": 32}})
    plain = replay_of(root, "plain", {}, "2" * 64, model={"name": "cnn", "parameters": {"width": 16}})
    found = transfer(*[read_experiment(root)], [read_experiment(one) for one in (wide, plain)])
    (table,) = found.tables
    assert table.header == ["acquired by", "seeds", "its own", "width 32", "plain"]
    rows = found.differences.set_index(["strategy", "training"])
    for strategy in STRATEGIES:
        for training, shift in (("its own", 0.0), ("width 32", -0.1 * (strategy == "margin")), ("plain", 0.0)):
            row = rows.loc[strategy, training]
            assert row["n"] == 3
            assert row["accuracy"] == pytest.approx(statistics.mean(area(strategy, s, shift) for s in range(3)))
            if strategy != "random":
                gains = [area(strategy, s, shift) - area("random", s) for s in range(3)]
                assert row["gain"] == pytest.approx(statistics.mean(gains))
                assert row["low"] <= row["gain"] <= row["high"]
    margin = next(row for row in table.rows if row[0].text == "margin")
    assert "(+" in margin[2].text
    assert "(−" in margin[3].text


def test_without_random_there_are_no_differences_to_it(root: Path) -> None:
    made = [replay_of(root, name, {}, digit * 64) for name, digit in (("a", "1"), ("b", "2"))]
    found = transfer(read_experiment(root), [read_experiment(one) for one in made], ["margin"])
    (table,) = found.tables
    assert found.differences["gain"].isna().all()
    accuracy = statistics.mean(area("margin", seed) for seed in range(3))
    assert [cell.text for cell in table.rows[0]] == ["margin", "3", *[f"{100 * accuracy:.1f}"] * 3]
    assert table.caption.endswith("each strategy's own: mean accuracy at 20 40 60 80 labels in %.")
    together = transfer(read_experiment(root), [read_experiment(one) for one in made], ["margin", "random"])
    assert "in %, and in parentheses the difference to random in the same training" in together.tables[0].caption


def test_a_training_is_called_by_what_differs_and_by_its_name_where_that_is_much(root: Path) -> None:
    """The source's description lacks fields of later releases, which its replays have at their defaults."""
    recipe = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 10}
    model = {"name": "cnn", "parameters": {"width": 16}}
    write_experiment(root, model=model, recipe=recipe)
    later = {"weight_decay_on": "all", "average_warmup": True, "label_smoothing": 0.0}
    fields = {"looks": 1, "embedding": "", "imbalance": 1.0, "replay": ""}
    trainings = {
        "same": {"model": model, "recipe": recipe | later},
        "other": {"model": {"name": "mlp", "parameters": {}}, "recipe": recipe | later | {"label_smoothing": 0.1}},
        "far": {"model": model, "recipe": {"optimizer": "adamw", "learning_rate": 0.2, "epochs": 5, "momentum": 0.0}},
    }
    made = [
        replay_of(root, name, {}, str(number) * 64, **(fields | training))
        for number, (name, training) in enumerate(trainings.items())
    ]
    (table,) = transfer(read_experiment(root), [read_experiment(one) for one in made]).tables
    assert table.header[3:] == ["plain", "model mlp, label_smoothing 0.1", "far"]
    assert "Plain is the training of mnist without the modules" in table.caption


def test_differences_are_to_the_edition_of_random_that_is_shown(root: Path) -> None:
    plain = replay_of(root, "plain", {}, "2" * 64)
    experiments = read_experiment(root), [read_experiment(plain)]
    older = transfer(*experiments, [f"{name}@engine{ENGINE_VERSION}" for name in STRATEGIES])
    gains = older.differences["gain"].dropna().tolist()
    assert len(gains) == 4  # of two strategies in two trainings
    assert gains == transfer(*experiments).differences["gain"].dropna().tolist()
    assert f"the difference to random (engine version {ENGINE_VERSION}) in" in older.tables[0].caption


def test_a_strategy_that_no_replay_shares_is_told(root: Path) -> None:
    plain = replay_of(root, "plain", {}, "2" * 64)
    for seed in range(3):
        write_run(root, "badge", seed)
    write_run(root, "bald", 0)
    write_run(plain, "bald", 1, fingerprint="2" * 64)
    experiments = read_experiment(root), [read_experiment(plain)]
    for asked, told in (
        (["random", "margin", "badge", "coreset"], "badge (none in plain), coreset (none in its own, plain)"),
        (None, "badge (none in plain), bald (no seed in common)"),
    ):
        (note,) = transfer(*experiments, asked).notes
        assert note == f"Left out, without a run at all label counts in every training: {told}."
    assert transfer(*experiments, ["random", "margin"]).notes == ()


def test_the_page_of_a_replay_does_not_call_the_source_its_own(root: Path) -> None:
    said = {"description": "MNIST at low budgets.", "notes": "Of Gal et al."}
    (about,) = read_report(replay_of(root, "cnn-replay", {}, "2" * 64, **said)).source.about
    assert about.startswith(
        "A replay: the labels are those that were acquired in mnist, and the training is that of cnn, "
    )
    assert read_report(root).source.about == ["A test."]


@pytest.mark.parametrize("alike", [True, False])
def test_its_own_is_the_learner_that_acquired_the_labels(root: Path, alike: bool) -> None:
    """Supervised learning where both did; runs with it that came later acquired others."""
    made = [read_experiment(replay_of(root, name, {}, digit * 64)) for name, digit in (("a", "1"), ("b", "2"))]
    before = transfer(read_experiment(root), made)
    for strategy, seed in itertools.product(STRATEGIES, range(3)):
        if alike:
            write_run(root, strategy, seed, learner="fixmatch", shift=0.2)
        else:  # those that were replayed are of fixmatch
            path = write_run(root, strategy, seed, learner="fixmatch")
            other = write_run(root, strategy, seed, shift=0.2)
            change_rounds(
                other, lambda r: replace(r, acquired_indices=tuple(1000 + index for index in r.acquired_indices))
            )
            assert path != other
    after = transfer(read_experiment(root), made)
    pd.testing.assert_frame_equal(after.differences, before.differences)
    assert after.tables[0].caption == before.tables[0].caption
    assert [row[1].text for row in after.tables[0].rows] == ["3"] * 3


def test_a_source_that_acquired_other_labels_with_each_learner_is_refused(root: Path) -> None:
    made = [read_experiment(replay_of(root, name, {}, digit * 64)) for name, digit in (("a", "1"), ("b", "2"))]
    for learner in ("supervised", "fixmatch"):
        path = write_run(root, "margin", 0, learner=learner)
        change_rounds(path, lambda r: replace(r, acquired_indices=tuple(1000 + index for index in r.acquired_indices)))
    with pytest.raises(StoreError, match="no learner of mnist acquired the labels that its replays train on"):
        transfer(read_experiment(root), made)


def test_every_training_has_a_column(root: Path) -> None:
    """Also where two replays have one name, in two folders; what would share a column all the same is refused."""
    made = [replay_of(root, "wide", {"margin": 0.1}, "1" * 64)]
    (root.parent / "more").mkdir()
    made.append(made[0].rename(root.parent / "more" / "wide"))
    made[0] = replay_of(root, "wide", {}, "2" * 64)
    found = transfer(read_experiment(root), [read_experiment(one) for one in made])
    assert found.tables[0].header[2:] == ["its own", *map(str, made)]
    rows = found.differences.set_index(["strategy", "training"])["accuracy"]
    assert rows["margin", str(made[1])] == pytest.approx(rows["margin", str(made[0])] + 0.1)
    many = {"recipe": {"optimizer": "sgd", "learning_rate": 0.3, "epochs": 7, "momentum": 0.1, "weight_decay": 0.5}}
    own = [replay_of(root, "its own", {}, "3" * 64, **many), made[0]]
    with pytest.raises(StoreError, match="two trainings are called 'its own': rename the folder of a replay"):
        transfer(read_experiment(root), [read_experiment(one) for one in own])


def test_only_replays_of_the_first_stand_beside_it(root: Path) -> None:
    other = write_grid(root.parent / "other", STRATEGIES)
    plain = replay_of(root, "plain", {}, "2" * 64)
    with pytest.raises(StoreError, match="other is no replay of mnist"):
        transfer(read_experiment(root), [read_experiment(plain), read_experiment(other)])


def test_the_command_writes_the_matrix(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [replay_of(root, name, {}, digit * 64) for name, digit in (("a", "1"), ("b", "2"))]
    command = ["--compare", *map(str, [root, *made]), "--output", str(root.parent / "out")]
    assert run_benchmark.main(command) == 0
    assert "acquired by" in capsys.readouterr().out
    assert "| acquired by" in (root.parent / "out" / "comparison.md").read_text()
    assert run_benchmark.main([*command, "--learner", "supervised"]) == 2
    assert "--learner has no effect" in capsys.readouterr().err


def test_a_replay_says_what_its_labels_are_worth(root: Path) -> None:
    """The split of a strategy's accuracy into its labels' part and its training's."""
    made = replay_of(root, "plain", {"margin": 0.05, "entropy": -0.02}, "3" * 64)
    report = read_report(made)
    found, inference = compute(report).set_index("strategy"), report.inference
    for strategy, shift in (("margin", 0.05), ("entropy", -0.02), ("random", 0.0)):
        row = found.loc[strategy]
        assert row["own"] == pytest.approx(statistics.mean(area(strategy, s) for s in range(3)))
        assert row["replayed"] == pytest.approx(row["own"] + shift)
        change = inference.of(REPLAYED).loc[(strategy, "supervised"), "difference"]
        assert change == pytest.approx(-shift, abs=1e-9)
    assert inference.verdicts(("margin", "supervised"), REPLAYED)["area"] == "worse"
    assert inference.of("random").loc[("margin", "supervised"), "difference"] == pytest.approx(
        statistics.mean(area("margin", s, 0.05) - area("random", s) for s in range(3))
    )
    assert compute(read_report(root)).empty
