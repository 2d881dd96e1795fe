"""Two layers of results: what is published is only read; a user's own runs lie on top of it and are written.

In a checkout of the suite the user's layer is the git-ignored ``results/own/``, elsewhere ``results/`` of the current
directory. An experiment has the same name in both layers. Where it has another fingerprint, its published runs are
left out: they are of another experiment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.experiment.keys import RunKey
from benchmark.experiment.kinds import mistaken
from benchmark.experiment.suggestions import nearest
from benchmark.results import failures, store
from benchmark.results.compact import PackedRuns
from benchmark.results.errors import Damaged, StoreError
from benchmark.results.records import Experiment, RunRecord, RunSummary

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS, OWN = "results", "own"
_OF_A_CHECKOUT = ("run_benchmark.py", "benchmark", RESULTS)


@dataclass(frozen=True)
class Folders:
    """An experiment's folders: ``written`` is the only one that is written to, ``read`` have its runs, own ones first.

    ``written`` need not exist, nor be among ``read``.
    """

    written: Path
    read: tuple[Path, ...]

    def experiment(self) -> Experiment:
        """The experiment with the runs of all folders. Raises StoreError where there is none."""
        found, damaged = [], []
        for root in filter(is_experiment, self.read):
            try:
                found.append(store.read_experiment(root))
            except Damaged as damage:
                damaged.append(store.left_out(root, damage))
        if not found:
            return store.read_experiment(self.read[0])  # which says so
        top, *below = found
        if len(self.read) == 1:
            return top
        alike = [top, *(other for other in below if other.fingerprint == top.fingerprint)]
        published = self.read[-1]
        runs = PackedRuns(run for experiment in alike for run in experiment.runs)
        failed = (failure for experiment in reversed(alike) for failure in experiment.failures)
        looks = max(experiment.looks for experiment in alike)
        return replace(
            top,
            protocol=top.protocol if looks == top.looks else {**top.protocol, "looks": looks},
            root=self.read[0],
            published=published,
            results_version=alike[-1].results_version,
            runs=runs,
            left_out=tuple(note for experiment in alike for note in experiment.left_out) + tuple(damaged),
            failures=tuple(failures.open_failures(failed, runs)),
        )

    def attempts(self, key: RunKey, fingerprint: str) -> tuple[list[RunSummary], dict[int, str]]:
        """The attempts at a run in all folders by their number; of two with the same number the user's own is last.

        Also what is wrong with those left out (see ``store.attempts``), by their numbers.
        """
        found: list[RunSummary] = []
        left_out: dict[int, str] = {}
        for root in reversed(self.read):
            records, damaged = store.attempts(root, key, fingerprint)
            found += records
            sound = [record.attempt for record in records]
            left_out = {number: why for number, why in left_out.items() if number not in sound} | damaged
        return sorted(found, key=lambda record: record.attempt), left_out

    def is_own(self, record: RunSummary) -> bool:
        """Whether a run lies where this command may write."""
        return record.path.is_relative_to(self.written)


@dataclass(frozen=True)
class Layers:
    """``own`` is where runs and reports are written; ``published``, None for none, is only read."""

    own: Path
    published: Path | None = None

    def folders(self, name: str) -> Folders:
        """The folders of the experiment called ``name``, whether or not there is one."""
        own = self.own / name
        if self.published is None or not is_experiment(self.published / name):
            return Folders(own, (own,))
        return Folders(own, (own, self.published / name))

    def find(self, given: Path) -> Folders:
        """The folders of the experiment that is called ``given`` or lies there.

        A name, or a folder in the user's layer, stands for both layers; a published folder for the published runs
        alone. A folder in neither layer is read and written by itself. Raises StoreError where there is no experiment.
        """
        path = Path(os.path.abspath(given))  # not resolved: an experiment's folder may be a link
        layer = path.parent.resolve()
        if self.published is not None and layer == self.published.resolve() and is_experiment(path):
            return Folders(self.own / path.name, (given,))
        if is_experiment(path) and layer != self.own.resolve():
            return Folders(given, (given,))
        folders = self.folders(path.name)
        is_name = given.name == str(given)
        in_a_layer = layer in [root.resolve() for root in (self.own, self.published) if root is not None]
        if (is_name or in_a_layer) and any(map(is_experiment, folders.read)):
            return folders
        if not path.exists():
            near = nearest(given.name, self._names()) if is_name or in_a_layer else ""
            raise StoreError(f"there is no folder {given}, and no experiment of that name among the results{near}")
        wrong = mistaken(given, "an experiment")
        raise StoreError(wrong or f"{given} holds no experiment: there is no experiment.json in it")

    def _names(self) -> list[str]:
        """The names of the experiments in both layers."""
        roots = [root for root in (self.own, self.published) if root is not None]
        return sorted({found.parent.name for root in roots for found in root.glob("*/experiment.json")})


def find_layers(results: Path | None, published: Path | None, here: Path) -> Layers:
    """The layers as seen from the directory ``here``; ``results`` and ``published`` are given by the user, or None.

    Raises StoreError for a published folder that does not exist, or that the user's own runs would be written to
    although nobody said so.
    """
    checkout = next((folder for folder in (here, *here.parents) if is_checkout(folder)), None)
    if results is not None:
        own = results
    elif checkout is None:
        own = Path(RESULTS)
    else:
        own = (Path() if checkout == here else checkout) / RESULTS / OWN
    if published is None:
        source = checkout or (CHECKOUT if is_checkout(CHECKOUT) else None)
        below = source / RESULTS if source is not None else None
    elif published.is_dir():
        below = published
    else:
        what = "it is no folder" if published.exists() else "there is no such folder"
        raise StoreError(f"--published {published}: {what}")
    if below is None or below.resolve() != (here / own).resolve():
        return Layers(own, below)
    if results is None:
        raise StoreError(f"--published {published} is where your own runs go: give them another --results-dir")
    return Layers(own)


def is_checkout(folder: Path) -> bool:
    """Whether ``folder`` is a copy of the suite's repository."""
    return all((folder / name).exists() for name in _OF_A_CHECKOUT)


def is_experiment(root: Path) -> bool:
    """Whether an experiment lies at ``root``."""
    return (root / "experiment.json").is_file()


def compared(folders: Sequence[Folders]) -> list[Experiment]:
    """The experiments at ``folders``, to be compared with one another.

    Where one side is the published runs that lie below another side's own, the own ones alone stand on that side: no
    run is compared with itself. Raises StoreError for an experiment that is named twice.
    """
    there = [[root.resolve() for root in one.read if is_experiment(root)] for one in folders]
    for one, roots in zip(folders, there, strict=True):
        if roots and there.count(roots) > 1:
            raise StoreError(f"{one.written.name} is named twice: name each experiment once")
    alone = {one.read[0].resolve() for one in folders if len(one.read) == 1}
    return [
        (replace(one, read=one.read[:1]) if len(one.read) > 1 and one.read[1].resolve() in alone else one).experiment()
        for one in folders
    ]


def with_published(experiment: Experiment, wanted: Callable[[RunRecord], bool]) -> Experiment:
    """The experiment with all of the user's own runs, but only the ``wanted`` ones of those that are published."""
    runs = (run for run in experiment.runs if not experiment.is_published(run) or wanted(run))
    return replace(experiment, runs=PackedRuns(runs))


def beside_own(experiment: Experiment) -> tuple[Experiment, tuple[int, ...] | None]:
    """The user's own runs beside the published ones that compare with them, and the label counts of the comparison.

    Those are the published runs of the learners and seeds, and the label counts, that the user's own runs have. Where
    there are no runs of one's own, or nothing is published, all runs and None for all label counts.
    """
    own = PackedRuns(run for run in experiment.runs if run.rounds and not experiment.is_published(run))
    if not own or len(own) == len(experiment.runs):
        return experiment, None
    kinds = {(run.key.learner, run.key.seed) for run in own}
    counts = sorted({count for run in own for count in run.label_counts})
    return with_published(experiment, lambda run: (run.key.learner, run.key.seed) in kinds), tuple(counts)
