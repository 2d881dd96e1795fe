"""Which runs there are, which are done, and where the others go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.report_lines import header_of, round_of
from support.tiny import PROTOCOL, SCORES, plugin

from benchmark import ENGINE_VERSION
from benchmark.campaign.campaign import notes
from benchmark.campaign.plan import RunPlan, plan, unroll
from benchmark.experiment import Protocol, library
from benchmark.experiment.keys import RunKey
from benchmark.results import environment
from benchmark.results.layers import Folders
from benchmark.results.paths import run_path
from benchmark.results.run_file import RunFile
from strategies.registry import Spec, resolve

Write = Callable[..., Path]


@pytest.fixture
def tiny(tmp_path: Path) -> Protocol:
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    return library.load(str(tmp_path / "tiny.toml"))


@pytest.fixture
def write(tmp_path: Path, tiny: Protocol) -> Write:
    def write(spec: Spec, rounds: int, attempt: int = 1, **changes: Any) -> Path:
        """A run of ``spec``, seed 0, with so many rounds on disk."""
        facts = {
            "fingerprint": tiny.fingerprint,
            "engine_version": ENGINE_VERSION,
            "environment": replace(HERE, **{name: changes.pop(name) for name in OF_PLACES if name in changes}),
            "strategy_source_sha256": spec.source_sha256,
            **changes,
        }
        key = RunKey(spec.canonical, "supervised", 0)
        path = run_path(tmp_path, key, attempt)
        with RunFile(path) as file:
            file.append_header(header_of(facts.pop("key", key), 10, **facts))
            for number in range(rounds):
                file.append_round(round_of(number, 10 * (number + 1), 10))
        return path

    return write


def plan_one(tiny: Protocol, root: Path, spec: Spec, *, fresh: bool = False, device: str = "cpu") -> RunPlan:
    (planned,) = plan(tiny, [of(spec)], Folders(root, (root,)), device, fresh)
    return planned


RANDOM = resolve("random")
HERE = environment.record(torch.device("cpu"))
OF_PLACES = ("device", "libraries", "cpu_capability", "num_threads", "switches")


def of(spec: Spec) -> tuple[RunKey, Spec]:
    """The supervised run of a strategy with seed 0."""
    return RunKey(spec.canonical, "supervised", 0), spec


def test_seed_by_seed_and_what_trains_alone_after_the_first() -> None:
    """All of a seed before the next; the runs that share round 0 wait for the one that trains it, others need not."""
    specs = [resolve(name) for name in ("learning-loss", "random", "semi-supervised-learning-loss", "badge", "bald")]
    runs = unroll(specs, ("supervised",), (3, 1))
    assert [key.seed for key, _ in runs] == [3] * 5 + [1] * 5
    order = ["random", "learning-loss", "semi-supervised-learning-loss", "badge", "bald"]
    assert [key.strategy for key, _ in runs] == order * 2


def test_every_learner_of_a_seed_before_the_next_seed() -> None:
    runs = unroll([RANDOM], ("supervised", "other"), (0, 1))
    assert [(key.seed, key.learner) for key, _ in runs] == [
        (0, "supervised"),
        (0, "other"),
        (1, "supervised"),
        (1, "other"),
    ]
    assert [str(key) for key, _ in runs[:2]] == ["random, seed 0", "random × other, seed 0"]


def test_nothing_on_disk(tiny: Protocol, tmp_path: Path) -> None:
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path) == (False, run_path(tmp_path, of(RANDOM)[0]))


@pytest.mark.parametrize(("rounds", "done"), [(0, False), (2, False), (3, True), (4, True)])
def test_done_is_all_that_was_asked_for(tiny: Protocol, tmp_path: Path, write: Write, rounds: int, done: bool) -> None:
    path = write(RANDOM, rounds)
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path, planned.note) == (done, path, "")


def test_a_shorter_ladder_is_done_earlier_and_a_longer_one_goes_on(
    tiny: Protocol, tmp_path: Path, write: Write
) -> None:
    path = write(RANDOM, 3)
    assert plan_one(tiny.override(budgets=[10, 20]), tmp_path, RANDOM).done
    longer = plan_one(tiny.override(budgets=[10, 20, 30, 40]), tmp_path, RANDOM)
    assert (longer.done, longer.path) == (False, path)


ELSEWHERE = [
    *({"libraries": environment.libraries() | {name: "1.0"}} for name in ("torch", "numpy", "scipy", "scikit-learn")),
    {"device": "cuda (some GPU)"},
    {"device": "cpu (some processor)"},
    {"cpu_capability": "DEFAULT"},
    {"cpu_capability": "unknown"},
    {"num_threads": 16},
    {"switches": {**HERE.switches, "mkldnn": not HERE.switches["mkldnn"]}},
]


@pytest.mark.parametrize("changes", ELSEWHERE)
def test_what_was_begun_elsewhere_is_computed_beside(
    tiny: Protocol, tmp_path: Path, write: Write, changes: dict[str, Any]
) -> None:
    """Going on would join two halves that no one machine could repeat."""
    write(RANDOM, 2, **changes)
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path.name) == (False, "supervised-seed0.2.jsonl")
    assert planned.note.startswith("random, seed 0: started elsewhere (")
    assert planned.note.endswith("); recomputed as attempt 2")


@pytest.mark.parametrize("changes", ELSEWHERE)
def test_what_was_finished_elsewhere_is_done(
    tiny: Protocol, tmp_path: Path, write: Write, changes: dict[str, Any]
) -> None:
    path = write(RANDOM, 3, **changes)
    assert plan_one(tiny, tmp_path, RANDOM).done
    longer = plan_one(tiny.override(budgets=[10, 20, 30, 40]), tmp_path, RANDOM)
    assert longer.path != path


OTHER_EDITIONS = {
    "engine_version": (
        ENGINE_VERSION + 1,
        f"computed by version {ENGINE_VERSION + 1} of the engine, which is at {ENGINE_VERSION}",
    ),
    "strategy_version": (2, "computed by version 2 of the strategy, which is at 1"),
    "learner_version": (3, "computed by version 3 of the learner, which is at 1"),
    "strategy_source_sha256": ("1" * 64, "the plugin's source has changed"),
    "learner_source_sha256": ("1" * 64, "the learner's source has changed"),
    "model_source_sha256": ("1" * 64, "the network's source has changed"),
}


@pytest.mark.parametrize("field", OTHER_EDITIONS)
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_run_by_other_code_is_neither_done_nor_resumed(
    tiny: Protocol, tmp_path: Path, write: Write, field: str, rounds: int
) -> None:
    value, said = OTHER_EDITIONS[field]
    path = write(RANDOM, rounds, **{field: value})
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path.name) == (False, "supervised-seed0.2.jsonl")
    assert planned.note == f"random, seed 0: {said}; recomputed as attempt 2"
    write(RANDOM, 1, attempt=2)
    going_on = plan_one(tiny, tmp_path, RANDOM)
    assert (going_on.path, going_on.note) == (planned.path, "")
    anew = plan_one(tiny, tmp_path, RANDOM, fresh=True)
    assert not anew.done
    assert anew.path != path


def test_other_libraries_do_not_matter(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    path = write(RANDOM, 2, libraries={**environment.libraries(), "python": "0", "acqbench": "0"})
    assert plan_one(tiny, tmp_path, RANDOM).path == path


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_any_device_of_the_kind_goes_on(
    tiny: Protocol, tmp_path: Path, write: Write, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(RANDOM, 2, device="cuda (NVIDIA H200)")
    assert plan_one(tiny, tmp_path, RANDOM, device="cpu").path != path
    monkeypatch.setattr(environment, "device_name", lambda device: f"{device.type} (NVIDIA H200)")
    monkeypatch.setattr(environment, "_switches", lambda device: HERE.switches)
    assert plan_one(tiny, tmp_path, RANDOM, device=device).path == path


def test_fresh_computes_anew_beside_and_goes_on_with_what_it_began(
    tiny: Protocol, tmp_path: Path, write: Write
) -> None:
    write(RANDOM, 2)
    first = plan_one(tiny, tmp_path, RANDOM, fresh=True)
    assert (first.done, first.path.name) == (False, "supervised-seed0.2.jsonl")
    write(RANDOM, 1, attempt=2)
    assert plan_one(tiny, tmp_path, RANDOM, fresh=True).path == first.path
    write(RANDOM, 0, attempt=3, device="cuda (elsewhere)")
    assert plan_one(tiny, tmp_path, RANDOM, fresh=True).path.name == "supervised-seed0.4.jsonl"


def test_fresh_after_a_finished_one_is_the_next(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    write(RANDOM, 3)
    write(RANDOM, 3, attempt=2)
    assert plan_one(tiny, tmp_path, RANDOM, fresh=True).path.name == "supervised-seed0.3.jsonl"


def test_the_newest_finished_one_counts(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    write(RANDOM, 3)
    second = write(RANDOM, 3, attempt=2)
    write(RANDOM, 1, attempt=3)
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path) == (True, second)


def test_a_plugin_whose_source_has_changed_is_computed_anew(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    before = resolve(plugin(tmp_path, SCORES))
    path = write(before, 3)
    assert plan_one(tiny, tmp_path, resolve(f"{tmp_path}/mine.py:Mine")).done
    after = resolve(plugin(tmp_path, SCORES + "    # better\n"))
    assert after.canonical == before.canonical == "mine:Mine"
    planned = plan_one(tiny, tmp_path, after)
    assert (planned.done, planned.path.name) == (False, "supervised-seed0.2.jsonl")
    assert planned.note == "mine:Mine, seed 0: the plugin's source has changed; recomputed as attempt 2"
    write(after, 1, attempt=2)
    going_on = plan_one(tiny, tmp_path, after)
    assert (going_on.path, going_on.note) == (planned.path, "")
    again = plan_one(tiny, tmp_path, before)  # the change was taken back: its finished run is still there
    assert (again.done, again.path) == (True, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "0" * 64}, "its fingerprint is 00000000, not "),
        ({"key": RunKey("random", "supervised", 1)}, "it holds 'random, seed 1', not 'random, seed 0'"),
        ({"key": RunKey("badge", "supervised", 0)}, "it holds 'badge, seed 0', not 'random, seed 0'"),
        ({"key": RunKey("random", "other", 0)}, "it holds 'random × other, seed 0', not 'random, seed 0'"),
    ],
)
def test_a_strangers_file_is_left_out_and_its_run_computed(
    tiny: Protocol, tmp_path: Path, write: Write, changes: dict[str, Any], message: str
) -> None:
    strange = write(RANDOM, 3, **changes)
    before = strange.read_bytes()
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path.name) == (False, "supervised-seed0.2.jsonl")
    assert planned.note.startswith("random, seed 0: recomputed as attempt 2; left out: runs/random/")
    assert message in planned.note
    assert planned.note.endswith(f"--doctor {tmp_path} shows all problems")
    assert strange.read_bytes() == before


def test_a_damaged_file_is_left_out_and_its_run_computed(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    path = write(RANDOM, 2)
    path.write_bytes(path.read_bytes().replace(b'"accuracy":0.', b'"accuracy":1.', 1))
    planned = plan_one(tiny, tmp_path, RANDOM)
    assert (planned.done, planned.path.name) == (False, "supervised-seed0.2.jsonl")
    assert "seed0.jsonl: line 2: its content does not match its checksum" in planned.note
    write(RANDOM, 1, attempt=2)
    going_on = plan_one(tiny, tmp_path, RANDOM)
    assert (going_on.path, going_on.note) == (planned.path, "")
    path.rename(path.with_name("supervised-seed0.3.jsonl"))  # damaged behind a good one: neither is gone on with
    assert plan_one(tiny, tmp_path, RANDOM).path.name == "supervised-seed0.4.jsonl"
    assert plan_one(tiny, tmp_path, RANDOM, fresh=True).path.name == "supervised-seed0.4.jsonl"
    write(RANDOM, 3, attempt=4)
    assert plan_one(tiny, tmp_path, RANDOM).done


def test_an_interrupted_fresh_pass_goes_on_where_it_stopped(tiny: Protocol, tmp_path: Path, write: Write) -> None:
    margin = resolve("margin")
    runs = [of(RANDOM), of(margin)]
    write(RANDOM, 3)
    write(margin, 3)
    write(RANDOM, 3, attempt=2)
    again = plan(tiny, runs, Folders(tmp_path, (tmp_path,)), "cpu", fresh=True)
    assert [(p.done, p.path.name) for p in again] == [
        (True, "supervised-seed0.2.jsonl"),
        (False, "supervised-seed0.2.jsonl"),
    ]
    write(margin, 3, attempt=2)
    following = plan(tiny, runs, Folders(tmp_path, (tmp_path,)), "cpu", fresh=True)
    assert {(p.done, p.path.name) for p in following} == {(False, "supervised-seed0.3.jsonl")}


@pytest.mark.parametrize(("count", "who"), [(1, "a, seed 0"), (2, "a, seed 0 and 1 other run")])
def test_why_runs_are_not_continued_is_said_once(count: int, who: str) -> None:
    keys = [RunKey("a", "supervised", seed) for seed in range(count)]
    plans = [RunPlan(key, resolve("margin"), Path("/nowhere"), note=f"{key}: recomputed as attempt 2") for key in keys]
    assert notes(plans) == [f"{who}: recomputed as attempt 2"]
