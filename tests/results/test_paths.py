"""Paths of runs: readable for the suite's names, different for different runs, fit for any file system."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.experiment.keys import RunKey
from benchmark.learners import LEARNERS
from benchmark.results.paths import WRAPPERS, attempt_of, attempt_paths, lock_path, run_path, slug, traces_path
from strategies import registry

RESULTS = Path(__file__).resolve().parents[2] / "results"

# Names near to those of the suite, in which readable forms could coincide, and any text at all.
PIECES = (
    *("power", "softmax", "subset", "a", "A", "b-c", "-", "--", "_", "=", "[", "]", ":", ",", ".", "1", "2.0", "-1"),
    *(
        "k=1",
        "[k=1]",
        "[k=1,m=b]",
        "True",
        "true",
        "None",
        "none",
        "\\",
        "é",
        "e\u0301",
        "机",
        "'",
        " ",
        "~",
        "con",
        "/",
    ),
)
pieces = st.sampled_from(PIECES)
names = st.one_of(st.lists(pieces, min_size=1, max_size=9).map("".join), st.text(min_size=1, max_size=400))
keys = st.builds(RunKey, names, names, st.integers(0, 2**63 - 1))


@pytest.mark.parametrize(
    ("canonical", "component"),
    [
        ("badge", "badge"),
        ("typiclust[neighbours=5]", "typiclust-neighbours=5"),
        ("power:bald", "power-bald"),
        ("softmax[beta=2.0]:bald[samples=9]", "softmax-beta=2.0-bald-samples=9"),
        (
            "pseudo-label[mu=3,strong=True,threshold=0.95]",
            "pseudo-label-mu=3-strong=True-threshold=0.95",
        ),
        ("x[rate=1e-05,shift=-0.5]", "x-rate=1e-05-shift=-0.5"),
    ],
)
def test_names_of_the_suite_stay_readable(canonical: str, component: str) -> None:
    assert slug(canonical) == component


def test_every_name_of_the_suite_is_its_own_component() -> None:
    for name in (*(name for name in registry.names() if ":" not in name), *LEARNERS):
        assert slug(name) == name
    assert set(registry.wrapper_summaries()) <= set(WRAPPERS)


@pytest.mark.parametrize(
    "canonical",
    [
        *("power-margin", "softmax-beta=2.0-bald", "Badge", "mine:Mine", "../../etc/passwd", "..", ".", "[]", "=1"),
        *(
            "aux",
            "com1",
            "x[a=true]",
            "x[a='1,b=2']",
            "x[a=y.]",
            "badge ",
            "naïve",
            "机器",
            "\ud800",
            "x" * 300,
            "a--b",
        ),
    ],
)
def test_other_names_are_told_apart_by_a_digest(canonical: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._=+-]*--[0-9a-f]{16}", slug(canonical))


@given(names, names)
def test_two_names_never_share_a_component(first: str, second: str) -> None:
    assert (slug(first).lower() == slug(second).lower()) == (first == second)


@given(st.data())
def test_names_with_the_same_readable_form_do_not_share_a_component(data: st.DataObject) -> None:
    first = data.draw(names)
    alike = (slug(first), first.lower(), first.upper(), first + ".", first.replace(":", "-"))
    second = data.draw(st.sampled_from(alike))
    assert (slug(first).lower() == slug(second).lower()) == (first == second)


@given(keys)
def test_every_component_does_on_every_file_system(key: RunKey) -> None:
    path = run_path(Path("root"), key, attempt=999_999)
    parts = (*path.relative_to("root/runs").parts, *lock_path(path).relative_to("root/.locks").parts)
    for part in (*parts, traces_path(path).name):
        assert re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9._=+-]*[A-Za-z0-9])?", part)
        assert len(part.encode()) <= 130
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", part.lower())


@given(keys, keys, st.integers(1, 10**6), st.integers(1, 10**6))
def test_two_runs_share_neither_path_nor_lock(first: RunKey, second: RunKey, one: int, other: int) -> None:
    root = Path("root")
    paths = run_path(root, first, one), run_path(root, second, other)
    same = (first, one) == (second, other)
    assert (str(paths[0]).lower() == str(paths[1]).lower()) == same
    assert (str(lock_path(paths[0])).lower() == str(lock_path(paths[1])).lower()) == same
    assert (attempt_of(paths[0]), attempt_of(paths[1])) == (one, other)


@given(key=keys)
def test_every_path_can_be_created_and_is_found_again(key: RunKey, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("any")
    path = run_path(root, key, 2)
    for made in (path, lock_path(path), traces_path(path)):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("")
    assert attempt_paths(root, key) == [path]


@pytest.mark.parametrize("learner", ["x.2", "x-seed3.2", "fixmatch[weight=3.0]", "x[a=b-seed0.7]", "x.2.jsonl"])
def test_dots_and_seeds_in_a_learners_name_are_no_attempt(learner: str) -> None:
    path = run_path(Path("root"), RunKey("badge", learner, 0))
    assert attempt_of(path) == 1
    assert attempt_of(run_path(Path("root"), RunKey("badge", learner, 0), 3)) == 3


def test_published_runs_lie_where_their_keys_say() -> None:
    from benchmark.results.store import read_run

    for path in sorted(RESULTS.glob("mnist*/runs/*/*-seed0.jsonl")):
        record = read_run(path)
        assert record is not None
        assert run_path(path.parents[2], record.key, record.attempt) == path
