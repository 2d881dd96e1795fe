"""Presets: named settings of a strategy in its bracket, and what beside them stays in its canonical form."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from strategies.api import registration
from strategies.learning_loss import LearningLoss
from strategies.registry import UnknownStrategy, names, parameter_defaults, presets_of, resolve
from strategies.registry.specs import SpecError
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss
from strategies.testing import check_strategy

SOURCE = """\
from strategies import ScoreStrategy


class Mine(ScoreStrategy):
    presets = {presets}

    def __init__(self, a: float = 1.0, b: int = 2, layers: list = [1]):
        self.given = (a, b, layers)

    def score(self, pool):
        return pool.probs[:, 0]
"""
PRESETS = {"paper": {"a": 3.0, "layers": [4, 5]}, "plain": {"b": 2}}
WITH_PRESETS = [
    (name, preset)
    for name in names()
    if name in registration.REGISTERED
    for preset in presets_of(registration.REGISTERED[name])
]
SHORTER = {"refine": ",depth=2,batches=9"}  # what it repeats hundreds of times, a few times


def plugin(folder: Path, presets: object = PRESETS) -> str:
    (folder / "mine.py").write_text(SOURCE.format(presets=presets))
    return f"{folder}/mine.py:Mine"


@pytest.mark.parametrize(
    ("bracket", "canonical", "given"),
    [
        ("", "", (1.0, 2, [1])),
        ("[preset=paper]", "[preset=paper]", (3.0, 2, [4, 5])),
        ("[a=7,preset=paper]", "[a=7.0,preset=paper]", (7.0, 2, [4, 5])),
        ("[preset=paper,a=1]", "[a=1.0,preset=paper]", (1.0, 2, [4, 5])),  # the default, beside the preset no default
        ("[preset=paper,a=3,b=2]", "[preset=paper]", (3.0, 2, [4, 5])),
        ("[preset=paper,layers=[1],b=9]", "[b=9,layers=[1],preset=paper]", (3.0, 9, [1])),
        ("[preset=plain]", "", (1.0, 2, [1])),  # it is the bare name
        ("[preset=plain,b=5]", "[b=5]", (1.0, 5, [1])),
    ],
)
def test_a_preset_sets_defaults_and_what_is_written_beside_it_wins(
    tmp_path: Path, bracket: str, canonical: str, given: tuple[float, int, list[int]]
) -> None:
    spec = resolve(plugin(tmp_path) + bracket)
    assert spec.canonical == f"mine:Mine{canonical}"
    assert spec.build().given == given  # type: ignore[attr-defined]
    again = resolve(spec.reference)
    assert (again.canonical, again.build().given) == (spec.canonical, given)  # type: ignore[attr-defined]
    wrapped = resolve(f"power[beta=2]:{plugin(tmp_path)}{bracket}")
    assert wrapped.canonical == f"power[beta=2.0]:{spec.canonical}"
    assert wrapped.build().inner.given == given  # type: ignore[attr-defined]


def test_no_object_can_change_a_preset(tmp_path: Path) -> None:
    spec = resolve(plugin(tmp_path) + "[preset=paper]")
    spec.build().given[2].append(6)  # type: ignore[attr-defined]
    assert spec.build().given[2] == [4, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "learning-loss[preset=autors]",
            "'learning-loss' has no preset 'autors': did you mean authors? (it has: authors)",
        ),
        (
            "learning-loss[preset=[authors]]",
            "'learning-loss' has no preset '['authors']': did you mean authors? (it has: authors)",
        ),
        ("margin[preset=authors]", "'margin' has no parameter 'preset' (it has: none)"),
        ("learning-loss[prest=authors]", "'learning-loss' has no parameter 'prest': did you mean preset"),
        ("power[preset=autors]:margin", "'power' has no preset 'autors': did you mean authors? (it has: authors)"),
    ],
)
def test_a_preset_that_there_is_not(text: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(text)
    assert str(caught.value).startswith(expected)


def test_a_parameter_named_preset_is_a_parameter(tmp_path: Path) -> None:
    source = SOURCE.replace("    presets = {presets}\n\n", "").replace("b: int = 2", "preset: str = 'x'")
    (tmp_path / "mine.py").write_text(source.replace("(a, b,", "(a, preset,"))
    spec = resolve(f"{tmp_path}/mine.py:Mine[preset=y]")
    assert spec.canonical == "mine:Mine[preset=y]"
    assert spec.build().given == (1.0, "y", [1])  # type: ignore[attr-defined]


def test_a_preset_of_what_the_constructor_does_not_take_is_refused(tmp_path: Path) -> None:
    expected = "class Mine: preset 'paper' sets 'c', which its constructor does not take"
    with pytest.raises(UnknownStrategy, match=expected):
        resolve(plugin(tmp_path, {"paper": {"a": 1.0, "c": 2}}))
    (tmp_path / "mine.py").write_text(SOURCE.format(presets=PRESETS).replace("b: int", "preset: int = 0, b: int"))
    with pytest.raises(UnknownStrategy, match="class Mine has presets and a parameter 'preset': rename the parameter"):
        resolve(f"{tmp_path}/mine.py:Mine")


@pytest.mark.parametrize(("name", "preset"), WITH_PRESETS)
def test_every_preset_keeps_the_contract_and_its_values_have_their_defaults_types(name: str, preset: str) -> None:
    spec = resolve(f"{name}[preset={preset}]")
    defaults = parameter_defaults(spec.cls)
    for key, value in presets_of(spec.cls)[preset].items():
        assert type(value) is type(defaults[key]), key
        assert resolve(f"{name}[preset={preset},{key}={value}]").canonical == spec.canonical
    check_strategy(f"{name}[preset={preset}{SHORTER.get(name, '')}]")


def test_the_authors_of_loss_prediction() -> None:
    """Yoo & Kweon: λ = 1, the whole gradient until 120 of 200 epochs; Hwang et al.: half the rate, and their tuning."""
    joint = {"weight": 1.0, "gradient_factor": 1.0, "detach_after": 0.6}
    for cls, scale in ((LearningLoss, 1.0), (SemiSupervisedLearningLoss, 0.5)):
        values = cls.presets["authors"]
        assert {**values, **joint, "learning_rate_scale": scale} == values
        assert values.keys() <= inspect.signature(cls).parameters.keys()
        attachment = cls(**values).attach((8, 16), 4)
        assert (attachment.weight, attachment.gradient_factor, attachment.detach_after) == (1.0, 1.0, 0.6)
        assert attachment.learning_rate_scale == scale
    assert LearningLoss(**LearningLoss.presets["authors"]).batcher == "subset"
    theirs = SemiSupervisedLearningLoss(**SemiSupervisedLearningLoss.presets["authors"])
    assert (theirs.batcher, theirs.oversample, theirs.official) == ("agglomerative", 10, True)
