"""Numbers that no run can use: one line at once, whatever flag or file they come by."""

from __future__ import annotations

import argparse
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.report_lines import header_of, round_of
from support.tiny import bench

from benchmark.campaign.pace import Cost
from benchmark.campaign.progress import Display
from benchmark.campaign.request import value
from benchmark.campaign.tasks import RoundDone
from benchmark.commands import values
from benchmark.experiment import ProtocolError, from_dict, load
from benchmark.experiment.keys import RunKey
from benchmark.learners import build
from benchmark.models import factory
from benchmark.results.records import RunRecord
from strategies.registry import SpecError, format_spec, parse, resolve

LONG, LONGEST = "9" * 400, "9" * 5000
HUGE = (LONG, LONGEST, str(2**63), "1e400", "-1e400", "nan", "[nan]", "[" * 3000, "0x" + "f" * 5000)

FIELDS = (
    *("image_size", "label_noise", "model.parameters.width", "model.parameters.dropout", "features.steps"),
    *("recipe.learning_rate", "recipe.epochs", "recipe.min_steps", "recipe.batch_size", "recipe.milestones"),
    *("recipe.half_size_until", "features.batch_size"),
)
LEARNERS = (
    *("fixmatch[mu={}]", "fixmatch[steps={}]", "fixmatch[ema={}]", "fixmatch[threshold={}]"),
    *("noisy-student[iterations={}]", "self-training[revisions={}]"),
)


def one_line(error: BaseException, most: int = 300) -> None:
    assert len(str(error).splitlines()) == 1, error
    assert len(str(error)) < most, error


@pytest.mark.parametrize("flag", ["--budgets", "--seeds", "--workers", "--time-limit", "--sample"])
@pytest.mark.parametrize("number", [*HUGE, "1e3", "٣", "²", "", "--5", "5 5"])
def test_flags_refuse_what_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, number: str
) -> None:
    assert bench(tmp_path, f"{flag}={number}") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert len(said) < 300


@pytest.mark.parametrize("number", [*HUGE, "2020-01-01", str(10**18)])
@pytest.mark.parametrize(
    "field",
    FIELDS,
)
def test_fields_refuse_what_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, number: str
) -> None:
    if field == "recipe.learning_rate" and number == str(10**18):
        pytest.skip("a finite rate: the training says that it diverged")
    assert bench(tmp_path, "--set", f"{field}={number}") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert len(said) < 500


@pytest.mark.parametrize(
    "text", [f"budgets = [1, {LONGEST}]", "x = " + "[" * 3000, "[recipe]\nepochs = nan", f"seeds=[{LONG}]"]
)
def test_protocol_files_with_such_numbers_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ProtocolError) as caught:
        load(str(tmp_path / "p.toml"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("number", [LONG, LONGEST, "1e400", "-1e400", "nan", str(10**18)])
@pytest.mark.parametrize(
    "spec",
    ["bald[samples={}]", "typiclust[neighbours={}]", "power[beta={}]:margin", "batchbald[samples={}]", "x:Y[a={}]"],
)
def test_parameters_of_strategies_refuse_them(spec: str, number: str) -> None:
    if (number, spec) in {(str(10**18), "typiclust[neighbours={}]"), (str(10**18), "power[beta={}]:margin")}:
        pytest.skip("as many neighbours as there are; a very greedy strategy")
    with pytest.raises(SpecError) as caught:
        resolve(spec.format(number))
    one_line(caught.value)


@pytest.mark.parametrize("number", [LONG, LONGEST, "1e400", "nan", str(10**18)])
@pytest.mark.parametrize(
    "spec",
    LEARNERS,
)
def test_parameters_of_learners_refuse_them(spec: str, number: str) -> None:
    with pytest.raises(ValueError, match=r"'") as caught:
        build(spec.format(number))
    one_line(caught.value)


@pytest.mark.parametrize("name", [name for name, cls in factory.MODELS.items() if not cls.of_embeddings])
@pytest.mark.parametrize("width", [10**5, 10**6, 10**9, 10**18])
def test_networks_that_fit_no_memory_are_refused_before_they_are_built(name: str, width: int) -> None:
    with pytest.raises(ValueError, match=r"GiB of memory|goes up to|too large for any memory") as caught:
        factory.check_size(name, {"width": width}, 3, (32, 32), 10, 2 * 2**30)
    one_line(caught.value)


def test_a_network_is_measured_with_its_gradients_and_momentum() -> None:
    count = sum(p.numel() for p in factory.build("cnn", {}, 1, (8, 8), 10).parameters())
    factory.check_size("cnn", {}, 1, (8, 8), 10, 12 * count)
    with pytest.raises(ValueError, match=rf"model 'cnn' has {count:,} parameters, whose training takes 0.0 GiB"):
        factory.check_size("cnn", {}, 1, (8, 8), 10, 12 * count - 1)
    with pytest.raises(ValueError, match=r"depth goes up to 10,000, not 1000000"):
        factory.check("wide-resnet", {"depth": 10**6})


numbers = st.text(alphabet="0123456789+-.eE_xnaif smh٣²", max_size=12) | st.integers().map(str) | st.floats().map(str)


@given(numbers)
def test_whole_numbers_times_and_counts_are_read_or_refused(text: str) -> None:
    whole = values.numbers("--seeds"), -(2**63) + 1, 2**63 - 1
    for read, low, high in (whole, (values.positive, 1, 10**6), (values.seconds, 0, 3600e9)):
        try:
            found = read(text)  # type: ignore[operator]
        except argparse.ArgumentTypeError as error:
            one_line(error)
        else:
            assert math.isfinite(found)
            assert low <= found <= high
            assert text.strip() == text
            if read is not values.seconds:
                assert int(text) == found


leaves = st.none() | st.booleans() | st.integers() | st.integers().map(lambda n: n * 10**300) | st.floats() | st.text()
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(trees | st.text(alphabet="[]{}=,.\"'0123456789einfna#\n -+", max_size=30))
def test_any_value_after_set_is_read(tree: Any) -> None:
    text = tree if isinstance(tree, str) else json.dumps(tree)
    try:
        value(text)
    except ProtocolError as error:
        one_line(error)


@given(st.sampled_from(sorted(load("digits").to_dict())), trees)
def test_any_field_of_a_protocol_is_read_or_refused(field: str, tree: Any) -> None:
    try:
        protocol = from_dict({**load("digits").to_dict(), field: tree})
    except ProtocolError as error:
        one_line(error, most=3000)
    else:
        assert from_dict(json.loads(json.dumps(protocol.to_dict(), allow_nan=False))) == protocol
        assert len(protocol.fingerprint) == 64


@given(
    st.floats() | st.integers(),
    st.sampled_from(["learning_rate", "momentum", "weight_decay", "decay", "warmup", "epochs"]),
)
def test_any_number_in_a_recipe_is_read_or_refused(number: float, field: str) -> None:
    digits = load("digits")
    try:
        protocol = digits.override(**{f"recipe.{field}": number})
    except ProtocolError as error:
        one_line(error)
    else:
        assert math.isfinite(getattr(protocol.recipe, field))
        assert math.copysign(1, getattr(protocol.recipe, field)) == 1 or number < 0


def test_a_negative_zero_is_no_other_experiment() -> None:
    digits = load("digits")
    zero, negative = (digits.override(**{"recipe.momentum": sign * 0.0}) for sign in (1, -1))
    assert zero.fingerprint == negative.fingerprint
    assert format_spec("x", parse("x[a=-0.0,b=[-0.0]]")[1].items()) == "x[a=0.0,b=[0.0]]"


# --- counts of what is left


def test_a_round_without_acquisition_is_counted_where_the_schedule_goes_on() -> None:
    rounds = (round_of(0, 20, 20), round_of(1, 40, 20), round_of(2, 60))
    record = RunRecord(header_of(RunKey("random", "supervised", 0)), rounds, Path("x"))
    assert [record.extent.done(n) for n in (1, 2, 3, 4, 8)] == [1, 2, 3, 2, 2]


def test_progress_never_counts_beyond_what_there_is() -> None:
    out = io.StringIO()
    key = RunKey("random", "supervised", 0)
    costs = {(key, labels): Cost(1.0, True) for labels in (20, 40)}
    with Display(Console(file=out, width=200), costs, {20: 1, 40: 1, 60: 1}) as display:
        for number in range(3):
            display.take(RoundDone(key, round_of(number, 20 * number + 20)))
    lines = out.getvalue().splitlines()
    assert [line.split("]")[0] for line in lines] == ["[1/2", "[2/2", "[3/3"]
    assert all("about 0 s left" in line for line in lines[1:])
    assert "-0" not in out.getvalue()


@pytest.mark.parametrize("width", [40, 100])
def test_the_live_count_of_rounds_is_there_at_any_width(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    costs = {(RunKey("random", "supervised", seed), 20): Cost(1.0, True) for seed in range(14)}
    with Display(console, costs, {20: 1}) as display:
        display.take(RoundDone(RunKey("random", "supervised", 0), round_of(0, 20, shared_training=False)))
        console.print(display._render())
    assert " 1/14 rounds" in out.getvalue()
    assert ("images/s" in out.getvalue()) == (width == 100)


def test_a_longer_schedule_after_a_shorter_one_counts_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--budgets", "10", "20") == 0
    capsys.readouterr()
    assert bench(tmp_path, "--budgets", "10", "20", "30", "40") == 0
    counts = [line.split("]")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert counts == [f"[{i}/12" for i in range(1, 13)]
