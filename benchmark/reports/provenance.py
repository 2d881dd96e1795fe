"""Where numbers come from: protocol, data, devices and versions, from the headers of the runs behind them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.experiment.keys import RunKey
from benchmark.reports.unranked import Unranked
from benchmark.reports.words import count, name, ranges
from benchmark.results.layers import OWN
from benchmark.results.records import Experiment, RunHeader, RunRecord

LIBRARIES = ("acqbench", "python", "torch", "torchvision", "numpy")


@dataclass(frozen=True)
class Provenance:
    """What the headers of a report's runs say; each tuple has all distinct values, the most frequent first.

    ``marked`` are the strategies (with learners) with runs on another device or torch version than most, or on data
    that differ from the published ones; ``footnotes`` say which. ``plugins`` are the strategies from source files of
    their own, ``unranked`` those that are shown and not ranked. ``results_version`` is that of published results, None
    for others. ``published`` says in a sentence how many of the runs are published, where they are shown beside others.
    ``folder`` is the experiment's folder as a command takes it.
    """

    experiment: str
    results_version: str | None
    protocol: Mapping[str, Any]
    fingerprint: str
    strategies: tuple[str, ...]
    learners: tuple[str, ...]
    seeds: tuple[int, ...]
    datasets: tuple[tuple[str, str, str], ...]  # name, SHA-256, note
    devices: tuple[str, ...]
    engines: tuple[int, ...]
    versions: dict[str, tuple[str, ...]]
    commits: tuple[str, ...]
    plugins: tuple[str, ...]
    unranked: Unranked
    marked: frozenset[tuple[str, str]]
    footnotes: tuple[str, ...]
    published: str = ""
    folder: str = ""

    @property
    def altered(self) -> bool:
        """Whether the settings are not those of the protocol of that name, or there is none of that name."""
        return bool(self.protocol.get("name", self.experiment) != self.experiment) and not self.protocol.get("replay")

    @property
    def about(self) -> list[str]:
        """The protocol's description and notes, where it has any.

        Those of a replay's protocol are of the experiment that trains so, not of the replay.
        """
        if replayed := str(self.protocol.get("replay") or "").partition("@")[0]:
            training = str(self.protocol.get("name", self.experiment)).removesuffix("-replay")
            return [
                f"A replay: the labels are those that were acquired in {replayed}, and the training is that of "
                f'{training}, except where the settings under "What ran" differ.'
            ]
        return [self.protocol[key] for key in ("description", "notes") if self.protocol.get(key)]

    @property
    def dataset(self) -> str:
        """Name, first 12 digits of the checksum and note of each data set."""
        return "; ".join(
            f"{name}, SHA-256 {sha256[:12]}" + (f" ({note})" if note else "") for name, sha256, note in self.datasets
        )

    @property
    def software(self) -> str:
        """All libraries with their versions, and the commits."""
        libraries = [f"{library} {' / '.join(versions)}" for library, versions in self.versions.items()]
        return f"{', '.join(libraries)}; {count(len(self.commits), 'commit')} {', '.join(self.commits)}"

    @property
    def sentence(self) -> str:
        """All that a reader needs to check a number, for captions."""
        version = f"results version {self.results_version}, " if self.results_version else ""
        return (
            f"Protocol {self.protocol.get('name', self.experiment)}, {version}fingerprint {self.fingerprint[:8]}; "
            f"{count(len(self.learners), 'learner')} {', '.join(self.learners)}; "
            f"{count(len(self.seeds), 'seed')} {ranges(self.seeds)}. "
            f"Dataset {self.dataset}. {count(len(self.devices), 'Device')} {', '.join(self.devices)}. "
            f"{self.software}."
        )


def provenance(
    experiment: Experiment,
    runs: Sequence[RunRecord],
    degenerate: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
) -> Provenance:
    """The provenance of ``runs``, those that the report shows; ``degenerate`` as in ``Unranked``."""
    found: dict[Any, Counter[Any]] = defaultdict(Counter)  # how often what they say occurs
    published = 0
    for run in runs:
        published += experiment.is_published(run)
        for what, value in _said(run.header):
            found[what][value] += 1
    several = len(found["learner"]) > 1
    marked: set[tuple[str, str]] = set()
    footnotes = []
    for axis in ("device", "torch"):
        usual, *others = _frequent(found[axis])
        for other in others:
            keys = [run.key for run in runs if (axis, other) in _said(run.header)]
            marked |= {(key.strategy, key.learner) for key in keys}
            footnotes.append(f"On {other} instead of {usual}: {_in_words(keys, several)}.")
    if not all(found["remark"]):
        marked |= {(run.key.strategy, run.key.learner) for run in runs if run.header.dataset.remark}
    footnotes += data_footnotes(run.header for run in runs)
    return Provenance(
        experiment=experiment.name,
        results_version=experiment.results_version if experiment.published is None or published == len(runs) else None,
        protocol=experiment.protocol,
        fingerprint=experiment.fingerprint,
        strategies=tuple(found["strategy"]),
        learners=tuple(found["learner"]),
        seeds=tuple(sorted(found["seed"])),
        datasets=_frequent(found["dataset"]),
        devices=_frequent(found["device"]),
        engines=_frequent(found["engine"]),
        versions={library: _frequent(found["of", library]) for library in LIBRARIES if found["of", library]},
        commits=_frequent(found["commit"]),
        plugins=tuple(found["plugin"]),
        unranked=Unranked(tuple(found["diagnostic"]), degenerate or {}),
        marked=frozenset(marked),
        footnotes=tuple(footnotes),
        published=_published(published, len(runs), experiment.results_version),
        folder=_folder(experiment),
    )


def _folder(experiment: Experiment) -> str:
    """``results/<name>`` for a protocol of the suite, wherever its runs lie; else as seen from the checkout, or from
    the folder that holds the one of results: the same text wherever that is.
    """
    if experiment.protocol.get("name", experiment.name) == experiment.name or experiment.protocol.get("replay"):
        return f"results/{experiment.name}"
    above = experiment.root.resolve().parent
    return f"{f'results/{OWN}' if above.name == OWN else above.name}/{experiment.root.name}"


def _said(header: RunHeader) -> Iterator[tuple[Any, Any]]:
    """What a header says, by what it is."""
    libraries = header.environment.libraries
    yield "strategy", header.key.strategy
    yield "learner", header.key.learner
    yield "seed", header.key.seed
    yield "device", header.environment.device
    yield "torch", f"torch {libraries.get('torch', 'unknown')}"
    yield "dataset", (header.dataset.name, header.dataset.sha256, header.dataset.note)
    yield "remark", header.dataset.remark
    yield "engine", header.engine_version
    yield "commit", header.commit or "unknown"
    for library in LIBRARIES:
        if library in libraries:
            yield ("of", library), libraries[library]
    if header.strategy_source_sha256:
        yield "plugin", header.key.strategy
    if header.diagnostic:
        yield "diagnostic", header.key.strategy


def _published(some: int, runs: int, version: str | None) -> str:
    """How many of the runs are published, in a sentence; empty for none."""
    if not some:
        return ""
    which = "All runs shown are" if some == runs else f"{some} of the {runs} runs shown {'is' if some == 1 else 'are'}"
    return f"{which} published" + (f" (results version {version})." if version else ".")


def data_footnotes(headers: Iterable[RunHeader]) -> list[str]:
    """Which runs are on data that differ from the published ones, and in how many images: a sentence for each copy."""
    learners, number = set[str](), 0
    keys: dict[str, list[RunKey]] = defaultdict(list)
    for header in headers:
        number += 1
        learners.add(header.key.learner)
        if remark := header.dataset.remark:
            keys[remark].append(header.key)
    return [
        f"On {remark}: {'all runs' if len(on_them) == number else _in_words(on_them, len(learners) > 1)}."
        for remark, on_them in keys.items()
    ]


def _in_words(keys: Iterable[RunKey], several: bool) -> str:
    """Strategies (with learners, where there are ``several``) and seeds of runs."""
    seeds: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key in keys:
        seeds[key.strategy, key.learner].add(key.seed)
    return ", ".join(f"{name(*who, several)} ({count(len(s), 'seed')} {ranges(sorted(s))})" for who, s in seeds.items())


def _frequent(values: Counter[Any]) -> tuple[Any, ...]:
    """The distinct values, the most frequent first; ties in the order of first occurrence."""
    return tuple(value for value, _ in values.most_common())
