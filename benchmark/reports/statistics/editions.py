"""Which runs a report shows: one edition of everything, or an older one that is asked for by name.

Reports read records alone, so that those of a folder do not depend on the code that reads them. What is newest on disk
is shown: the newest engine version of all runs; of these, one source of the network; of each learner and strategy the
newest version, and of several sources that of the highest attempt (then of the most runs). ``present`` takes its place
for what a command has just computed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchmark import ENGINE_VERSION
from benchmark.reports.words import count
from benchmark.results.compact import PackedRuns
from benchmark.results.editions import Edition, Named, base_name, edition_of, named
from benchmark.results.errors import StoreError
from benchmark.results.records import RunRecord

Present = Mapping[tuple[str, str], Edition]
Part = tuple[int, str | None]  # the version and the source of a strategy or of a learner
_Counted = tuple[str, str, Edition, int]  # runs that are counted together: strategy, learner, edition, attempt


class Choice(NamedTuple):
    """The runs of one edition, under the names of their rows; ``notes`` say what was left out.

    ``strategies`` and ``learners`` are the rows' names that were asked for, None for all.
    """

    runs: Sequence[RunRecord]
    strategies: list[str] | None
    learners: list[str] | None
    notes: list[str]


def choose(
    runs: Sequence[RunRecord],
    strategies: Collection[str] | None = None,
    learners: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    present: Present | None = None,
) -> Choice:
    """The runs to show of those at hand; names may ask for an older edition (``benchmark.results.editions``).

    ``present`` are the editions that strategies with learners have now; for others it is what is newest on disk.
    Raises StoreError where two engine versions are asked for at once.
    """
    asked = [None if names is None else [named(text) for text in names] for names in (strategies, learners)]
    now = dict(present or {})
    shown = _Shown(runs, now, _engine(runs, asked, now))
    rows, left_out = PackedRuns(), Counter[_LeftOut]()
    for run in runs:
        if seeds is not None and run.key.seed not in seeds:
            continue
        labels, why = _labels(run, shown, asked)
        if all(labels):
            key = replace(run.key, strategy=labels[0], learner=labels[1])
            rows.add(run if key == run.key else replace(run, header=replace(run.header, key=key)))
        elif why is not None:
            left_out[why] += 1
    notes = [why.note(number) for why, number in left_out.items()]
    if shown.engine not in (None, ENGINE_VERSION):
        notes.insert(
            0,
            f"All runs are of engine version {shown.engine}; the present one is {ENGINE_VERSION}, which neither counts "
            "them as done nor pairs new runs with them.",
        )
    names = [None if some is None else [one.label for one in some] for some in asked]
    return Choice(rows, names[0], names[1], notes)


def shown_as(name: str, labels: Collection[str]) -> str:
    """The row of a strategy among ``labels``: ``name``, or its one named edition where only that is shown."""
    editions = [label for label in labels if base_name(label) == name]
    return editions[0] if name not in labels and len(editions) == 1 else name


class _Shown:
    """What is shown of engine, network, learners and strategies."""

    def __init__(self, runs: Sequence[RunRecord], now: Mapping[tuple[str, str], Edition], engine: int | None) -> None:
        self.engine = engine
        mine = Counter(
            (run.key.strategy, run.key.learner, edition_of(run.header), run.attempt)
            for run in runs
            if run.header.engine_version == engine
        )
        self.model = next((edition.model_source_sha256 for edition in now.values()), None)
        if not now:
            self.model = _newest(mine, lambda edition: (1, edition.model_source_sha256))[1]
        self.learners = {key[1]: _learner(edition) for key, edition in now.items()}
        self.strategies = {key[0]: _strategy(edition) for key, edition in now.items()}
        mine = Counter({kind: n for kind, n in mine.items() if kind[2].model_source_sha256 == self.model})
        for learner in dict.fromkeys(learner for _, learner, _, _ in mine):
            some = {kind: n for kind, n in mine.items() if kind[1] == learner}
            self.learners.setdefault(learner, _newest(some, _learner))
        for strategy in dict.fromkeys(strategy for strategy, _, _, _ in mine):
            some = {kind: n for kind, n in mine.items() if kind[0] == strategy}
            self.strategies.setdefault(strategy, _newest(some, _strategy))


def _engine(
    runs: Iterable[RunRecord], asked: Sequence[list[Named] | None], now: Mapping[tuple[str, str], Edition]
) -> int | None:
    strategies = asked[0] or []
    engines = {one.engine for one in strategies}
    if len(engines) > 1:
        raise StoreError(
            "runs of two engine versions are never paired: name all strategies of one, as in "
            f"--strategies {' '.join(f'{one.name}@engine{max(filter(None, engines))}' for one in strategies)}"
        )
    if engines and (engine := engines.pop()) is not None:
        return engine
    if now:
        return next(iter(now.values())).engine_version
    return max((run.header.engine_version for run in runs), default=None)


class _LeftOut(NamedTuple):
    """Why runs that were asked for are not shown; ``who`` they are of, and ``how`` to show them."""

    what: str
    who: str = ""
    how: str = ""

    def note(self, number: int) -> str:
        verb = "is" if number == 1 else "are"
        return f"{self.who}{number} {count(number, 'run')} of {self.what} {verb} left out{self.how}."


def _labels(
    run: RunRecord, shown: _Shown, asked: Sequence[list[Named] | None]
) -> tuple[tuple[str, str], _LeftOut | None]:
    """The names of a run's row, empty where it is not shown; and why not, if its names were asked for."""
    key, edition = run.key, edition_of(run.header)
    names = (key.strategy, key.learner)
    nowhere = ("", "")
    if any(some is not None and all(name != one.name for one in some) for some, name in zip(asked, names, strict=True)):
        return nowhere, None
    if (engine := edition.engine_version) != shown.engine:
        how = f"; to show them, add @engine{engine} to each of --strategies (random@engine{engine})"
        return nowhere, _LeftOut(f"engine version {engine}", how=how)
    if edition.model_source_sha256 != shown.model:
        return nowhere, _LeftOut("another source of the network")
    labels = []
    parts = (_strategy(edition), _learner(edition))
    present = (shown.strategies[key.strategy], shown.learners[key.learner])
    for some, name, part, now, flag in zip(asked, names, parts, present, ("strategies", "learner"), strict=True):
        mine = [Named(name)] if some is None else [one for one in some if one.name == name]
        current = [one for one in mine if part == now and one.version is None and one.source is None]
        chosen = next((one for one in [*current, *mine] if one in current or one.fits(*part)), None)
        if chosen is None:
            if part == now or Named(name) not in mine:
                return nowhere, None
            what, tag = (f"version {part[0]}", f"{part[0]}")
            if part[0] == now[0]:
                tag = (part[1] or "")[:8]
                what = f"source {tag}" if tag else "the suite's own"
            how = f"; add {name}@{tag} to --{flag} to show them" if tag else ""
            return nowhere, _LeftOut(what, f"{name}: ", how)
        labels.append(chosen.label)
    return (labels[0], labels[1]), None


def _strategy(edition: Edition) -> Part:
    return edition.strategy_version, edition.strategy_source_sha256


def _learner(edition: Edition) -> Part:
    return edition.learner_version, edition.learner_source_sha256


def _newest(runs: Mapping[_Counted, int], part: Callable[[Edition], Part]) -> Part:
    """The newest version and, among its sources, that of the highest attempt, then of the most runs."""
    attempts, counts = defaultdict[Part, int](int), Counter[Part]()
    for (_, _, edition, attempt), number in runs.items():
        key = part(edition)
        attempts[key] = max(attempts[key], attempt)
        counts[key] += number
    return max(counts, key=lambda key: (key[0], attempts[key], counts[key], key[1] or ""), default=(1, None))
