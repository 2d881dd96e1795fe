"""From what a user types to a strategy: names, groups and parameters, and what the errors say."""

import pytest

import strategies
from benchmark.results.paths import slug
from strategies.api import Strategy, register, registration
from strategies.bald import BALD
from strategies.learning_loss import LearningLoss
from strategies.registry import SpecError, expand, groups, members, names, resolve
from strategies.registry.catalogue import CATALOGUE

CORE = {
    "random",
    "least-confidence",
    "margin",
    "entropy",
    "bald",
    "badge",
    "coreset",
    "learning-loss",
    "semi-supervised-learning-loss",
}


OWN = names()  # before any test registers another


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's own alone; what a test registers is gone after it."""
    own = {name: cls for name, cls in registration.REGISTERED.items() if cls.__module__.startswith("strategies.")}
    monkeypatch.setattr(registration, "REGISTERED", own)


def message(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


# --- names and groups


def test_the_core_is_the_nine() -> None:
    assert set(members("core")) == CORE
    assert set(members("all")) >= CORE


def test_every_strategy_has_a_group_and_a_line() -> None:
    for name in OWN:
        spec = resolve(name)
        strategy = spec.build()
        assert spec.name == spec.canonical == spec.reference == strategy.name == name
        assert spec.groups == strategy.groups != ()
        assert strategy.summary.endswith((".", ")."))
        assert spec.source_sha256 is None
        assert isinstance(strategy, spec.cls)


def test_groups_are_those_of_their_members() -> None:
    assert groups()[0] == "all"
    assert set(groups()) == {"all"} | {group for name in names() for group in resolve(name).groups}
    assert {"least-confidence", "margin", "entropy"} <= set(members("uncertainty"))
    assert {"learning-loss", "semi-supervised-learning-loss"} <= set(members("learned"))
    assert not set(groups()) & set(names())


def test_a_diagnostic_is_not_in_all() -> None:
    register("peeking", group="diagnostic")(type("Peeking", (Strategy,), {}))
    assert "peeking" not in members("all")
    assert "peeking" in members("diagnostic")


def test_an_ensemble_is_not_in_all() -> None:
    """A run of it takes a quarter of an hour on embeddings, where most others take seconds."""
    assert "refine" not in members("all")
    assert {"refine"} == set(members("ensemble"))
    assert "refine" in members("hybrid")


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="two strategies are named 'margin'"):
        register("margin", group="mine")(type("Margin2", (Strategy,), {}))


def test_the_package_offers_what_plugins_need() -> None:
    assert all(hasattr(strategies, name) for name in strategies.__all__)
    assert {"Strategy", "ScoreStrategy", "Attachment", "Pool", "register", "top"} <= set(strategies.__all__)


def test_the_catalogue_comes_first_and_plugins_follow() -> None:
    own = tuple(entry if isinstance(entry, str) else entry.name for entry in CATALOGUE)
    register("a-plugin", group="core")(type("APlugin", (Strategy,), {}))
    assert names() == (*own, "a-plugin")
    assert members("core")[-1] == "a-plugin"


def test_every_class_of_the_suite_is_in_the_catalogue() -> None:
    own = {name for name, cls in registration.REGISTERED.items() if cls.__module__.startswith("strategies.")}
    assert own == {cls.name for cls in CATALOGUE if not isinstance(cls, str)}
    assert len(CATALOGUE) == len(set(CATALOGUE))


# --- parameters


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("bald[samples=50]", "bald[samples=50]"),
        ("bald[samples=100]", "bald"),
        ("bald[]", "bald"),
        ("learning-loss[ranking=ranknet,margin=0.5]", "learning-loss[margin=0.5,ranking=ranknet]"),
        ("learning-loss[ pairs = 'all' , hidden=128 ]", "learning-loss[pairs=all]"),
        ("learning-loss[weight=1]", "learning-loss"),
        ("semi-supervised-learning-loss[official=true]", "semi-supervised-learning-loss[official=True]"),
        ("semi-supervised-learning-loss[official=false,oversample=5]", "semi-supervised-learning-loss[oversample=5]"),
    ],
)
def test_the_canonical_form_has_sorted_keys_and_no_defaults(text: str, canonical: str) -> None:
    spec = resolve(text)
    assert spec.canonical == canonical
    assert resolve(spec.canonical) == spec
    assert resolve(spec.reference) == spec


@pytest.mark.parametrize(
    ("text", "canonical", "folder"),
    [
        ("power:margin", "power:margin", "power-margin"),
        ("power[beta=1]:bald[samples=100]", "power:bald", "power-bald"),
        ("power[]:bald[samples=9]", "power:bald[samples=9]", "power-bald-samples=9"),
        ("softmax[ beta = 2 ]:bald[samples=9]", "softmax[beta=2.0]:bald[samples=9]", "softmax-beta=2.0-bald-samples=9"),
        (
            "softrank:learning-loss[ranking=ranknet,batcher=topk]",
            "softrank:learning-loss[batcher=topk,ranking=ranknet]",
            "softrank-learning-loss-batcher=topk-ranking=ranknet",
        ),
    ],
)
def test_a_wrapper_and_what_is_inside_have_brackets_of_their_own(text: str, canonical: str, folder: str) -> None:
    spec = resolve(text)
    assert (spec.canonical, spec.reference, spec.source_sha256) == (canonical, canonical, None)
    assert resolve(canonical) == spec
    assert slug(canonical) == folder


def test_the_stochastic_group_wraps_members_of_the_core() -> None:
    assert members("stochastic") == (
        "power:margin",
        "power:entropy",
        "power:bald",
        "softmax:margin",
        "softrank:margin",
        "subset:margin",
    )
    assert set(members("stochastic")) < set(members("all"))
    assert resolve("power:bald").build().needs == BALD.needs
    found = expand(["stochastic", "power:margin", "power[beta=2]:margin"])
    assert [spec.canonical for spec, named in found if named] == ["power:margin", "power[beta=2.0]:margin"]
    assert len(found) == 7


def test_parameters_reach_the_constructor() -> None:
    bald, learned = resolve("bald[samples=50]").build(), resolve("learning-loss[weight=0.5,hidden=64]").build()
    assert isinstance(bald, BALD)
    assert bald.samples == 50
    assert isinstance(learned, LearningLoss)
    assert (learned.weight, learned.hidden) == (0.5, 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("entropi", "unknown strategy 'entropi': did you mean entropy"),
        ("core-set", "did you mean coreset?"),
        ("qqqq", "unknown strategy 'qqqq' (--list shows all)"),
        ("some/mine.py", "'some/mine.py' is a file: name the class in it, as in some/mine.py:Mine"),
        ("bald[samples=50", "the bracket is not closed; write name[key=value,…]"),
        ("bald[samples=50]x", "'bald[samples=50]x': nothing may follow the bracket, but 'x' does"),
        ("bald[50]", "'50' is not key=value"),
        ("bald[smaples=50]", "'bald' has no parameter 'smaples': did you mean samples? (it has: samples, preset)"),
        ("random[x=1]", "'random' has no parameter 'x' (it has: none)"),
        ("bald[samples=1]", "'bald[samples=1]': samples must be at least 2, not 1"),
        ("learning-loss[ranking=best]", "ranking is hinge or ranknet, not 'best'"),
        ("semi-supervised-learning-loss[hold_out=0.7]", "hold_out is a share, at least 0 and below 0.5, not 0.7"),
        ("power", "'power': power goes around a strategy; write power:margin"),
        ("power[beta=2]", "'power[beta=2]': power goes around a strategy; write power:margin"),
        ("power:", "'power:': power goes around a strategy; write power:margin"),
        ("power[beta=2:margin", "'power[beta=2:margin': the bracket is not closed"),
        ("power:core", "'power:core': power goes around one strategy, and 'core' is a group"),
        ("power:margni", "unknown strategy 'margni': did you mean margin"),
        ("power:bald[smaples=2]", "'bald' has no parameter 'smaples': did you mean samples?"),
        ("power:bald[samples=1]", "'bald[samples=1]': samples must be at least 2, not 1"),
        ("power[samples=5]:bald", "'power' has no parameter 'samples' (it has: beta, preset)"),
        ("power[beta=high]:bald", "'power': beta must be a value like 1.0, not 'high'"),
        ("power[beta=0]:bald", "'power[beta=0.0]:bald': beta must be positive and finite, not 0.0"),
        ("powr:margin", "no wrapper and no module is named 'powr': did you mean power:margin?"),
        ("sotfmax:bald", "did you mean softmax:bald?"),
        ("nowhere:Margin", "'nowhere:Margin' does not import"),
        ("semi-supervised-learning-loss[threshold=1.1]", "threshold is a probability, 0 to 1, not 1.1"),
        ("subset:tod[batcher=topk]", "subset wraps strategies that take the highest scores, which 'tod' does not"),
        ("power:learning-loss", "which 'learning-loss' does not (with batcher=topk it does)"),
        ("power:semi-supervised-learning-loss", "which 'semi-supervised-learning-loss' does not (with batcher=topk it"),
    ],
)
def test_mistakes_get_a_line_that_says_what_to_change(text: str, expected: str) -> None:
    assert expected in message(text)


def test_expand_tells_what_was_named_from_what_a_group_brought() -> None:
    found = expand(["uncertainty", "bald[samples=50]", "margin"])
    assert {spec.canonical: named for spec, named in found} == {
        "least-confidence": False,
        "margin": True,
        "entropy": False,
        "bald[samples=50]": True,
    }
    assert [named for spec, named in expand(["margin", "all"]) if spec.name == "margin"] == [True]
    assert [spec.canonical for spec, _ in expand(["margin", "margin", "bald[samples=100]", "bald"])] == [
        "margin",
        "bald",
    ]
    assert {spec.name for spec, _ in expand(["core"])} == CORE
