"""Published results below, a user's own on top: which folders these are, and which runs count."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.report_lines import write_experiment, write_grid, write_run

from benchmark.experiment.keys import RunKey
from benchmark.reports.data import report_of
from benchmark.reports.statistics.curves import select
from benchmark.results.errors import StoreError
from benchmark.results.layers import Folders, Layers, beside_own, compared, find_layers, with_published
from benchmark.results.paths import run_path
from benchmark.results.records import Experiment

RANDOM0 = RunKey("random", "supervised", 0)


def checkout(folder: Path) -> Path:
    for name in ("benchmark", "results", "examples/deep"):
        (folder / name).mkdir(parents=True)
    (folder / "run_benchmark.py").touch()
    return folder


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Published: random and margin, seeds 0 to 2, up to 80 labels. The user's own: nothing."""
    write_grid(tmp_path / "published" / "mnist", ["random", "margin"])
    return Layers(tmp_path / "own", tmp_path / "published")


def read(layers: Layers, name: str = "mnist") -> Experiment:
    return layers.folders(name).experiment()


def test_in_a_checkout_ones_own_runs_go_to_a_folder_that_git_ignores(tmp_path: Path) -> None:
    here = checkout(tmp_path / "suite")
    assert find_layers(None, None, here) == Layers(Path("results/own"), here / "results")
    for inside in (here / "examples" / "deep", here / "results"):
        assert find_layers(None, None, inside) == Layers(here / "results" / "own", here / "results")
    ignored = (Path(__file__).resolve().parents[2] / ".gitignore").read_text().splitlines()
    assert "/results/own/" in ignored
    assert not [line for line in ignored if "results" in line and "own" not in line and "failures" not in line]


def test_elsewhere_they_go_to_the_current_directory(tmp_path: Path) -> None:
    found = find_layers(None, None, tmp_path)
    assert found.own == Path("results")
    assert found.published == Path(__file__).resolve().parents[2] / "results"  # of the checkout that the code is in
    (tmp_path / "results").mkdir()  # a project of one's own is no checkout
    (tmp_path / "benchmark").mkdir()
    assert find_layers(None, None, tmp_path) == found


def test_an_explicit_folder_goes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = checkout(tmp_path / "suite")
    assert find_layers(tmp_path / "mine", None, here) == Layers(tmp_path / "mine", here / "results")
    (tmp_path / "theirs").mkdir()
    assert find_layers(None, tmp_path / "theirs", here) == Layers(Path("results/own"), tmp_path / "theirs")
    with pytest.raises(StoreError, match=r"--published .*/nowhere: there is no such folder"):
        find_layers(None, tmp_path / "nowhere", here)


@pytest.mark.parametrize("spelled", ["results", "./results/", "../suite/results", "examples/../results"])
def test_the_published_folder_itself_is_written_only_if_it_is_named(tmp_path: Path, spelled: str) -> None:
    here = checkout(tmp_path / "suite")
    assert find_layers(Path(spelled), None, here) == Layers(Path(spelled))
    (here / "results" / "own").mkdir()
    with pytest.raises(StoreError, match=r"--published .* is where your own runs go: give them another --results-dir"):
        find_layers(None, here / "results" / "own", here)


def test_the_folders_are_found_through_links(tmp_path: Path) -> None:
    here = checkout(tmp_path / "suite")
    (tmp_path / "link").symlink_to(here / "results")
    assert find_layers(tmp_path / "link", None, here) == Layers(tmp_path / "link")


def test_a_name_stands_for_both_layers_and_a_published_folder_for_itself(layers: Layers, tmp_path: Path) -> None:
    assert layers.published is not None
    own, published = layers.own / "mnist", layers.published / "mnist"
    both = Folders(own, (own, published))
    for given in ("mnist", str(own), f"{own}/", f"{own}/../mnist"):
        assert layers.find(Path(given)) == both
    assert layers.find(published) == Folders(own, (published,))  # read by itself, and never written to
    elsewhere = write_experiment(tmp_path / "elsewhere" / "mnist")
    assert layers.find(elsewhere) == Folders(elsewhere, (elsewhere,))
    for given in ("cifar10", str(tmp_path / "mnist"), str(own / "runs"), str(layers.published), ".", "/"):
        with pytest.raises(
            StoreError, match=r"holds no experiment|not an experiment|there is no folder .*, and no exp"
        ):
            layers.find(Path(given))


def test_what_is_not_published_is_found_where_it_would_be(layers: Layers) -> None:
    """Reports name results/<experiment> in their commands, wherever they lie."""
    assert layers.published is not None
    own = write_experiment(layers.own / "digits")
    assert layers.find(layers.published / "digits") == Folders(own, (own,))
    assert layers.find(Path("digits")) == Folders(own, (own,))


def test_a_published_experiment_that_is_a_link_is_not_written_to(layers: Layers, tmp_path: Path) -> None:
    assert layers.published is not None
    write_experiment(tmp_path / "store" / "mnist-2")
    (layers.published / "linked").symlink_to(tmp_path / "store" / "mnist-2")
    assert layers.find(layers.published / "linked").written == layers.own / "linked"


@pytest.mark.parametrize(("own", "published"), [(1, 5), (5, 1), (8, 5)])
def test_looks_at_either_layer_count_for_both(layers: Layers, own: int, published: int) -> None:
    assert layers.published is not None
    write_experiment(layers.own / "mnist", looks=own)
    write_experiment(layers.published / "mnist", looks=published)
    assert report_of(read(layers)).inference.level == pytest.approx(0.05 / max(own, published))


def test_the_runs_of_both_layers_are_one_experiment(layers: Layers) -> None:
    own = write_experiment(layers.own / "mnist")
    write_run(own, "mine:Mine", 0)
    found = read(layers)
    assert (found.name, found.root, found.published) == ("mnist", own, layers.folders("mnist").read[1])
    assert len(found.runs) == 7
    assert [run.key.strategy for run in found.runs if not found.is_published(run)] == ["mine:Mine"]
    source = report_of(found).source
    assert source.published == "6 of the 7 runs shown are published."
    assert report_of(found, ["mine:Mine"]).source.published == ""
    assert report_of(found, ["random"], seeds=[1]).source.published == "All runs shown are published."


def test_runs_of_another_fingerprint_are_not_mixed_in(layers: Layers) -> None:
    own = write_experiment(layers.own / "mnist", fingerprint="a" * 64)
    write_run(own, "mine:Mine", 0, fingerprint="a" * 64)
    found = read(layers)
    assert (found.fingerprint, [run.key.strategy for run in found.runs]) == ("a" * 64, ["mine:Mine"])


@pytest.mark.parametrize(
    ("own", "attempt", "shown", "note"),
    [
        (80, 1, "own", "random: your own run is shown, not the published one, seed 0."),
        (80, 2, "own", "random: your own run is shown, not the published one, seed 0."),
        (40, 1, "published", "random: the published run is shown (your own is not complete), seed 0."),
        (40, 2, "published", "random: the published run is shown (your own is not complete), seed 0."),
    ],
)
def test_a_complete_run_of_ones_own_is_shown_instead_of_the_published_one(
    layers: Layers, own: int, attempt: int, shown: str, note: str
) -> None:
    root = write_experiment(layers.own / "mnist")
    write_run(root, "random", 0, [n for n in (20, 40, 60, 80) if n <= own], attempt=attempt)
    found = read(layers)
    selection = select(found, ["random"])
    assert [found.is_published(run) for run in selection.runs] == [shown == "published", True, True]
    assert selection.notes == [note]


def test_a_longer_run_of_ones_own_supersedes_the_beginning_that_is_published(layers: Layers) -> None:
    root = write_experiment(layers.own / "mnist", [20, 40, 60, 80, 100])
    write_run(root, "random", 0, [20, 40, 60, 80, 100])
    selection = select(read(layers), ["random"], seeds=[0])
    assert [run.label_counts[-1] for run in selection.runs] == [100]
    assert selection.notes == []


def test_attempts_are_numbered_over_both_layers(layers: Layers) -> None:
    own = write_experiment(layers.own / "mnist")
    folders = layers.folders("mnist")
    for attempt in (1, 2):
        write_run(own, "random", 0, attempt=attempt)
    public = folders.read[1]
    assert [run.path for run in folders.attempts(RANDOM0, "f" * 64)[0]] == [
        run_path(public, RANDOM0),
        run_path(own, RANDOM0),
        run_path(own, RANDOM0, 2),
    ]
    assert [folders.is_own(run) for run in folders.attempts(RANDOM0, "f" * 64)[0]] == [False, True, True]


def test_only_the_published_runs_that_were_asked_for(layers: Layers) -> None:
    own = write_experiment(layers.own / "mnist")
    write_run(own, "mine:Mine", 5)
    found = with_published(read(layers), lambda run: run.key == RunKey("margin", "supervised", 2))
    assert [(run.key.strategy, run.key.seed) for run in found.runs] == [("mine:Mine", 5), ("margin", 2)]


def test_beside_ones_own_runs_stand_the_published_ones_that_compare_with_them(layers: Layers) -> None:
    assert beside_own(read(layers)) == (read(layers), None)  # nothing of one's own: all that is published
    own = write_experiment(layers.own / "mnist")
    write_run(own, "mine:Mine", 2, [20, 40])
    write_run(own, "mine:Mine", 7, [20, 40, 60])
    write_run(own, "mine:Mine", 1, [])  # begun: no number yet
    found, budgets = beside_own(read(layers))
    keys = {(run.key.strategy, run.key.seed) for run in found.runs if found.is_published(run)}
    assert keys == {("random", 2), ("margin", 2)}
    assert budgets == (20, 40, 60)


def test_no_run_is_compared_with_itself(layers: Layers) -> None:
    own = write_experiment(layers.own / "mnist")
    write_run(own, "random", 0, shift=0.1)
    write_grid(layers.own / "mnist-2", ["random"])
    public = layers.folders("mnist").read[1]
    first, second = compared([layers.find(public), layers.find(Path("mnist"))])
    assert (len(first.runs), len(second.runs)) == (6, 1)
    first, second = compared([layers.find(Path("mnist-2")), layers.find(Path("mnist"))])
    assert (len(first.runs), len(second.runs)) == (3, 7)


def test_an_experiment_is_not_compared_with_itself(layers: Layers, tmp_path: Path) -> None:
    public = layers.folders("mnist").read[1]
    write_grid(layers.own / "mnist-2", ["random"])
    (tmp_path / "link").symlink_to(layers.own / "mnist-2")
    for given in (
        [Path("mnist"), Path("mnist")],
        [Path("mnist"), public],  # there is nothing of one's own
        [Path("mnist-2"), layers.own / "mnist-2"],
        [Path("mnist-2"), Path("mnist"), tmp_path / "link"],
    ):
        with pytest.raises(StoreError, match=r"^mnist(-2)? is named twice: name each experiment once$"):
            compared([layers.find(one) for one in given])
