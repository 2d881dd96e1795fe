"""What is wrong with a declaration or a choice, in one line each."""

from typing import Any

import pytest
import torch

from strategies.api import ScoreStrategy, Strategy, declaration_error, register, registration, selection_error

ATTACH = {"attach": lambda self, stage_channels, class_count: None}
STATE = {"state_dict": lambda self: {}}


def error(base: type[Strategy] = Strategy, **members: Any) -> str:
    cls: type[Strategy] = type("Mine", (base,), members)
    return declaration_error(cls())


def test_what_is_declared_and_defined_is_right() -> None:
    assert error() == ""
    assert error(hooks=frozenset({"attach"}), **ATTACH) == ""
    assert error(hooks={"state"}, **STATE) == ""
    assert error(ScoreStrategy, select=lambda self, pool, n, generator: None, takes_top_scores=False) == ""
    assert error(select=lambda self, pool, n, generator: None) == ""  # of a Strategy there is nothing to say


def test_a_hook_without_a_declaration() -> None:
    assert error(**ATTACH) == "class Mine overrides attach: add 'attach' to its hooks"
    assert error(**STATE) == "class Mine overrides state_dict: add 'state' to its hooks"
    parent = type("Parent", (Strategy,), {"hooks": frozenset({"attach"}), **ATTACH})
    assert error(parent) == ""
    assert error(parent, hooks=frozenset()) == "class Mine overrides attach: add 'attach' to its hooks"


def test_a_declaration_without_a_hook() -> None:
    expected = "class Mine has 'hold_out' in its hooks: define hold_out, or take 'hold_out' out"
    assert error(hooks=frozenset({"hold_out"})) == expected
    assert error(hooks={"atach"}) == (
        "class Mine: there is no hook 'atach' (hooks are attach, after_training, hold_out, state)"
    )


def test_an_instance_may_have_fewer_hooks_than_its_class() -> None:
    def init(self: Strategy) -> None:
        self.hooks = frozenset()

    assert error(hooks=frozenset({"attach"}), __init__=init, **ATTACH) == ""


def test_a_score_strategy_with_a_choice_of_its_own_says_what_it_takes() -> None:
    select = {"select": lambda self, pool, n, generator: None}
    assert error(ScoreStrategy, **select).startswith("class Mine overrides select: add takes_top_scores = False")
    parent = type("Parent", (ScoreStrategy,), {"takes_top_scores": False, **select})
    assert error(parent) == ""
    assert error(parent, **select).startswith("class Mine overrides select: add takes_top_scores")


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 1, 2], "select must return an int64 tensor of shape (3,), not <class 'list'>"),
        (torch.tensor([0, 1]), "select must return an int64 tensor of shape (3,), not torch.int64 (2,)"),
        (torch.tensor([0, 1, 2], dtype=torch.int32), "an int64 tensor of shape (3,), not torch.int32 (3,)"),
        (torch.tensor([0.0, 1, 2]), "not torch.float32 (3,)"),
        (torch.tensor([0, -1, 2]), "select returned -1…2, but positions are 0…9: return positions in the pool"),
        (torch.tensor([10, 1, 2]), "select returned 1…10, but positions are 0…9"),
        (torch.tensor([2, 1, 2]), "select returned an image twice (n = 3 of 10)"),
    ],
)
def test_a_choice_that_is_none(positions: Any, message: str) -> None:
    found = selection_error(positions, 3, 10)
    assert message in found
    assert "\n" not in found


def test_a_valid_choice() -> None:
    assert selection_error(torch.tensor([9, 0, 3]), 3, 10) == ""


def test_register_sets_what_the_class_is_called_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "REGISTERED", {})

    class Mine(Strategy):
        """One line.

        And more.
        """

    assert register("mine", group="core", paper="me2026")(Mine) is Mine
    assert (Mine.name, Mine.groups, Mine.paper, Mine.summary) == ("mine", ("core",), "me2026", "One line.")
    assert {"mine": Mine} == registration.REGISTERED
    assert Strategy.name == ""
