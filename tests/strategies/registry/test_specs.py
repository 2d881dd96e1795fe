"""The spec language: each canonical form reads back to itself, and what cannot be read is refused in one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import learners
from benchmark.learners import build
from strategies.registry import SpecError, changed_parameters, format_spec, parse, resolve
from strategies.registry.specs import parse_wrapper

whole_numbers = st.integers(-(2**63) + 1, 2**63 - 1)
scalars = st.none() | st.booleans() | whole_numbers | st.floats(allow_nan=False) | st.text(max_size=300)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple))
keys = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
parameters = st.dictionaries(keys, values, max_size=4)
AWKWARD = ",'\"=[]() \n\\{}:inf nan True 1e5 0x10 ½ ü"


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


# --- what is written reads back


@given(name=st.text(max_size=20), chosen=parameters)
def test_every_canonical_form_reads_back_to_itself(name: str, chosen: dict[str, Any]) -> None:
    written = format_spec(name, sorted(chosen.items()))
    assert len(written.splitlines()) <= 1
    assert parse(written) == (name, chosen)
    assert [type(value) for _, value in sorted(parse(written)[1].items())] == [
        type(v) for _, v in sorted(chosen.items())
    ]
    assert format_spec(name, sorted(parse(written)[1].items())) == written


@given(chosen=parameters, inside=st.text(alphabet=AWKWARD + "badge", max_size=20))
def test_a_wrapper_reads_its_own_parameters_and_leaves_the_rest(chosen: dict[str, Any], inside: str) -> None:
    written = f"{format_spec('power', sorted(chosen.items()))}:{inside}"
    assert parse_wrapper(written, "power") == (chosen, inside)


@given(text=st.text(alphabet=AWKWARD + ":", max_size=30))
def test_whatever_stands_behind_a_wrapper_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        chosen, inside = parse_wrapper(f"power{text}", "power")
    except SpecError as error:
        lines = str(error).splitlines()
    else:
        lines = [""]
        assert parse_wrapper(f"{format_spec('power', chosen.items())}:{inside}", "power") == (chosen, inside)
    assert len(lines) == 1


@given(value=st.text(alphabet=AWKWARD, max_size=12) | st.text(alphabet="0123456789eE+-._xinfna", max_size=8))
def test_text_that_looks_like_something_else_stays_text(value: str) -> None:
    assert parse(format_spec("x", [("key", value), ("list", [value, (value,)])]))[1] == {
        "key": value,
        "list": [value, (value,)],
    }


@given(text=st.text(alphabet=AWKWARD, max_size=30))
def test_whatever_is_typed_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        name, chosen = parse(f"bald[{text}")
    except SpecError:
        refusal(f"bald[{text}")
    else:
        assert parse(format_spec(name, chosen.items())) == (name, chosen)


@pytest.mark.parametrize(
    "value",
    [
        *("a,b", "it's", '"', "'\"", "a=b", "[1]", "a]b", "(", "two\nlines", "\r", "\0", "\\", "\\n", " ", "", "über"),
        *("x" * 300, "'" * 300, "inf", "-inf", "nan", "True", "true", "None", "5", "1e3", "0x1", "\udcff", "\u2028"),
        *(math.inf, -math.inf, 1e300, 5e-324, -0.0, 2**63 - 1, [], (), [[1, [2.0, ["a,b"]]], ()], (1,), [None, True]),
    ],
)
def test_awkward_values_read_back(value: Any) -> None:
    written = format_spec("mine", [("path", value)])
    assert parse(written) == ("mine", {"path": value})
    assert parse(f"mine[a=1,{written.removeprefix('mine[')}") == ("mine", {"a": 1, "path": value})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("typiclust[neighbours=5]", "typiclust[neighbours=5]"),
        ("learning-loss[ranking=ranknet,margin=0.5]", "learning-loss[margin=0.5,ranking=ranknet]"),
        ("power[beta=2]:bald[samples=9]", "power[beta=2.0]:bald[samples=9]"),
        ("semi-supervised-learning-loss[hold_out=0.0,tuning=none]",) * 2,
        ("semi-supervised-learning-loss[official=True]",) * 2,
    ],
)
def test_published_forms_of_strategies_stay(text: str, canonical: str) -> None:
    assert resolve(text).canonical == canonical
    assert resolve(canonical).canonical == canonical


@pytest.mark.parametrize(
    "text",
    [*learners.LEARNERS, "fixmatch[mu=3,steps=1000]", "noisy-student[iterations=1]", "pseudo-label[teacher=True]"],
)
def test_published_forms_of_learners_stay(text: str) -> None:
    assert build(text).canonical == text


# --- what is read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {}),
        ("a[]", {}),
        ("a[ x = 1 , y = 'b' ]", {"x": 1, "y": "b"}),
        ("a[x=1,]", {"x": 1}),
        ("a[path='a,b']", {"path": "a,b"}),
        ('a[path="it\'s"]', {"path": "it's"}),
        ("a[x=it's]", {"x": "it's"}),
        ("a[x=two words]", {"x": "two words"}),
        ("a[x=a=b]", {"x": "a=b"}),
        ("a[x=true,y=False,z=None,w=]", {"x": True, "y": False, "z": None, "w": ""}),
        ("a[x=1_000,y=1e-3,z=-.5,w=+2]", {"x": 1000, "y": 0.001, "z": -0.5, "w": 2}),
        ("a[x=inf,y=-inf,z=1e999]", {"x": math.inf, "y": -math.inf, "z": math.inf}),
        ("a[x=[1,b,'c,d'],y=(1,[2]),z=()]", {"x": [1, "b", "c,d"], "y": (1, [2]), "z": ()}),
        (r"a[x='C:\data',y='\n']", {"x": r"C:\data", "y": "\n"}),
        ("a[x=٣]", {"x": "٣"}),  # no digit of ours
    ],
)
def test_values(text: str, expected: dict[str, Any]) -> None:
    assert parse(text) == ("a", expected)


@pytest.mark.parametrize("name", ["/tmp/a[1]/mine.py:Mine", "my data [v1] ü/mi ne.py:Mine", "mine.py:Mine"])
def test_folders_of_a_file_may_have_brackets_in_their_names(name: str) -> None:
    assert parse(name) == (name, {})
    assert parse(f"{name}[x=[1],y=a]") == (name, {"x": [1], "y": "a"})
    assert parse("pseudo[teacher=mine.py:Net]") == ("pseudo", {"teacher": "mine.py:Net"})
    assert parse("pseudo[teacher=mine.py:Net,layers=[2]]") == ("pseudo", {"teacher": "mine.py:Net", "layers": [2]})


def test_names_with_brackets_are_quoted() -> None:
    assert parse("'/tmp/a[1]/mine.py:Mine'[x=1]") == ("/tmp/a[1]/mine.py:Mine", {"x": 1})
    assert format_spec("/tmp/a[1]/mine.py:Mine", [("x", 1)]) == "'/tmp/a[1]/mine.py:Mine'[x=1]"
    assert parse("it's.py:Mine") == ("it's.py:Mine", {})


def test_wrappers_and_what_is_inside() -> None:
    assert parse_wrapper("power:X[a=1]", "power") == ({}, "X[a=1]")
    assert parse_wrapper("power[beta=2]:'a]:b'[x=']:']", "power") == ({"beta": 2}, "'a]:b'[x=']:']")
    assert parse_wrapper("power[x=']:']:X", "power") == ({"x": "]:"}, "X")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a[x=1", "the bracket is not closed; write name[key=value,…]"),
        ("a[", "the bracket is not closed"),
        ("a[x=[1,2]", "the bracket is not closed"),
        ("a[x='b]", "the quote ' is not closed"),
        ("'a", "the quote ' is not closed"),
        ("'a'b", "only a bracket may follow the quoted name, not 'b'"),
        ("a[1]", "'1' is not key=value"),
        ("a[x=1,2]", "'2' is not key=value"),
        ("a[x=1]]", "nothing may follow the bracket, but ']' does"),
        ("a[x=1,x=2]", "'x' is given twice"),
        ("a[x='b'c]", "'c]' follows a value"),
        ("a[x=f(1)]", "write text with a '(' in quotes"),
        ("a[x=[1)]", "')' closes no bracket"),
        ("a[x=(1]", "']' closes no bracket"),
        ("a[x=nan]", "'nan' is no value; write it in quotes for the text"),
        (f"a[x={'9' * 400}]", "whole numbers go up to 9,223,372,036,854,775,807"),
        (f"a[x={'9' * 9000}]", "whole numbers go up to 9,223,372,036,854,775,807"),
        (f"a[x={'[' * 3000}]", "lists within lists go 20 deep at most"),
        (r"a[x='\x']", "is no text in quotes"),
        ("a\n[x=1", "'a [x=1': the bracket is not closed"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, expected: str) -> None:
    assert expected in refusal(text)


@pytest.mark.parametrize("value", [math.nan, 2**63, {"a": 1}, object(), b"x", 1j])
def test_what_cannot_be_written_is_refused(value: Any) -> None:
    with pytest.raises(SpecError, match=r"^x=.* cannot be written: a value is a number, text, or a list or tuple"):
        format_spec("a", [("x", value)])


# --- parameters in the types of their defaults


class Mine:
    def __init__(
        self,
        whole: int = 1,
        real: float = 1.0,
        switch: bool = False,
        text: str = "a",
        some: tuple[int, ...] = (),
        many: list[int] = [],  # noqa: B006
    ) -> None: ...


@pytest.mark.parametrize(
    ("given_", "changed"),
    [
        ({"real": 2, "whole": 3.0}, (("real", 2.0), ("whole", 3))),
        ({"real": 1, "whole": 1.0, "switch": 0, "some": [], "many": ()}, ()),
        ({"switch": 1, "some": [1, 2], "many": (1, 2)}, (("many", [1, 2]), ("some", (1, 2)), ("switch", True))),
        ({"real": math.inf}, (("real", math.inf),)),
    ],
)
def test_parameters_take_the_types_of_their_defaults(given_: dict[str, Any], changed: tuple[Any, ...]) -> None:
    found = changed_parameters(Mine, "mine", given_)
    assert found == changed
    assert [type(value) for _, value in found] == [type(value) for _, value in changed]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"whole": 2.5}, "'mine': whole must be a whole number like 1, not 2.5"),
        ({"whole": math.inf}, "'mine': whole must be a whole number like 1, not inf"),
        ({"whole": "5"}, "'mine': whole must be a value like 1, not '5'"),
        ({"real": True}, "'mine': real must be a value like 1.0, not True"),
        ({"switch": 2}, "'mine': switch must be a value like False, not 2"),
        ({"reel": 2}, "'mine' has no parameter 'reel': did you mean real?"),
    ],
)
def test_a_parameter_of_another_type_is_refused(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        changed_parameters(Mine, "mine", given_)
    assert message in str(caught.value)


# --- plugins


def test_a_plugin_in_a_folder_with_brackets_and_its_lists(tmp_path: Path) -> None:
    folder = tmp_path / "a[1], it's"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from strategies import ScoreStrategy\n\nclass Mine(ScoreStrategy):\n"
        "    def __init__(self, path: str = '', layers: list = []):\n"
        "        self.path, self.layers = path, layers\n\n"
        "    def score(self, pool):\n        return pool.probs[:, 0]\n"
    )
    text = f"power[beta=2]:{format_spec(f'{folder}/mine.py:Mine')}[path='a,b',layers=[1,[2]]]"
    spec = resolve(text)
    assert spec.canonical == "power[beta=2.0]:mine:Mine[layers=[1,[2]],path='a,b']"
    again = resolve(spec.reference)
    assert again == spec
    assert hash(again) == hash(spec)
    assert spec.inner is not None
    first, second = spec.inner.build(), spec.inner.build()
    assert (first.path, first.layers) == ("a,b", [1, [2]])  # type: ignore[attr-defined]
    assert first.layers is not second.layers  # type: ignore[attr-defined]


def test_a_plugin_named_like_a_wrapper_is_refused(tmp_path: Path) -> None:
    (tmp_path / "power.py").write_text("from strategies import Strategy\n\nclass Mine(Strategy):\n    pass\n")
    with pytest.raises(SpecError, match="'power:Mine' begins with the name of a wrapper; give it another name"):
        resolve(f"{tmp_path}/power.py:Mine")


def test_hooks_are_checked_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from strategies import Strategy\n\nclass Mine(Strategy):\n"
        "    def hold_out(self, old, new):\n        return new.indices[:1]\n"
    )
    with pytest.raises(SpecError, match="'mine:Mine': class Mine overrides hold_out: add 'hold_out' to its hooks"):
        resolve(f"{tmp_path}/mine.py:Mine")
