"""Self-supervised features: the cache, the protocol's section, and whole runs."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from support.leak_search import leaks
from support.tiny import bench, plugin, run_lines, run_task
from support.tiny_features import images_of, source_of
from torch import Tensor

from benchmark.data import datasets
from benchmark.experiment import FeatureSettings, Protocol, ProtocolError, from_dict, library
from benchmark.experiment.keys import RunKey
from benchmark.experiment.recipe import Recipe
from benchmark.features.source import resolved, simclr, source
from benchmark.loop.run import ActiveLearningRun
from benchmark.models import factory
from benchmark.results import sealed
from benchmark.results.run_file import RunFile
from strategies.api import Pool, Strategy


def test_computed_once_by_whoever_comes_first(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = simclr.train
    monkeypatch.setattr(simclr, "train", lambda *a, **k: (calls.append(1), real(*a, **k)))
    found: list[Tensor] = []
    threads = [threading.Thread(target=lambda: found.append(source_of(digits, tmp_path)())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0].equal(found[1])
    assert found[0].equal(found[2])
    assert len(calls) == 1


def test_the_cache_knows_all_that_the_numbers_depend_on(digits: datasets.ImageData, tmp_path: Path) -> None:
    one = source_of(digits, tmp_path)
    others = [
        dataclasses.replace(one, sha256="0" * 64),
        dataclasses.replace(one, flip=True),
        dataclasses.replace(one, seed=1),
        dataclasses.replace(one, precision="bfloat16"),
        *(
            dataclasses.replace(one, settings=dataclasses.replace(one.settings, **{name: value}))
            for name, value in {"steps": 6, "temperature": 0.4, "parameters": {"width": 5}}.items()
        ),
    ]
    assert len({each._digest for each in (one, *others)}) == 1 + len(others)
    assert dataclasses.replace(one, cache=tmp_path / "elsewhere")._digest == one._digest


def test_views_are_mirrored_where_the_recipe_mirrors(digits: datasets.ImageData, tmp_path: Path) -> None:
    settings = resolved(FeatureSettings(), "cnn", {})
    for name, flip in (("crop", False), ("flip-crop", True)):
        assert (
            source(settings, digits, images_of(digits), Recipe(epochs=1, augmentation=name), tmp_path, 0).flip is flip
        )


def test_the_section_belongs_to_the_fingerprint() -> None:
    digits = library.load("digits")
    assert digits.features is not None
    without = digits.override(features=None)
    assert without.features is None
    assert len({digits.fingerprint, without.fingerprint, digits.override(**{"features.steps": 7}).fingerprint}) == 3
    assert from_dict(digits.to_dict()) == digits
    assert from_dict(without.to_dict()) == without
    plain = library.load("cifar10-ll4al")
    made = plain.override(**{"features.method": "simclr"})
    assert plain.features is None
    assert made.features == FeatureSettings()
    assert made.fingerprint != plain.fingerprint


def resolved_features(protocol: Protocol) -> FeatureSettings:
    assert protocol.features is not None
    return resolved(protocol.features, protocol.model.name, protocol.model.parameters)


def test_no_dropout_and_the_protocols_own_network_unless_another_is_named() -> None:
    plain = library.load("cifar10-ll4al").override(**{"features.method": "simclr", "model.parameters.width": 32})
    assert resolved_features(plain) == FeatureSettings(model="resnet18", parameters={"width": 32, "dropout": 0.0})
    other = plain.override(features={"model": "compact", "parameters": {"width": 8}})
    assert resolved_features(other) == FeatureSettings(model="compact", parameters={"width": 8, "dropout": 0.0})


@pytest.mark.parametrize("name", ["mnist", "cifar10", "digits"])
def test_the_suites_protocols_have_features(name: str) -> None:
    settings = resolved_features(library.load(name))
    factory.check(settings.model, settings.parameters)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "simlcr", "features.method is simclr, torchvision:<weights> or timm:<model>, not 'simlcr'"),
        ("method", "timm:", "features.method is simclr, torchvision:<weights> or timm:<model>, not 'timm:'"),
        ("parameters.width", 4, "features.parameters are those of features.model: name one"),
        ("steps", 0, "features.steps must be positive, not 0"),
        ("steps", 1.5, "'features.steps' must be of type int, not 1.5"),
        ("batch_size", 1, "features.batch_size must be at least 2, not 1"),
        ("learning_rate", 0, "features.learning_rate must be positive, not 0.0"),
        ("temperature", -1.0, "features.temperature must be positive, not -1.0"),
        ("stesp", 5, "the protocol has no field 'features.stesp': did you mean features.steps"),
    ],
)
def test_a_mistake_is_one_line(field: str, value: Any, message: str) -> None:
    plain = library.load("cifar10-ll4al")
    with pytest.raises(ProtocolError) as caught:
        plain.override(**{f"features.{field}": value})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


NEEDS = """\
class Mine(Strategy):
    cold_start = True

    def __init__(self, reads: bool = True):
        self.reads = reads
        self.needs = frozenset({"features"} if reads else set())

    def select(self, pool, n, generator):
        if not self.reads:
            return torch.randperm(len(pool.indices), generator=generator)[:n]
        return pool.features.sum(1).argsort(stable=True)[:n]
"""
SECTION = ("features.steps=4", "features.batch_size=16")


def test_a_strategy_that_needs_features_needs_the_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = plugin(tmp_path, NEEDS)
    assert bench(tmp_path, "--strategies", mine, "--seeds", "0") == 2
    assert "needs self-supervised features" in capsys.readouterr().err
    assert bench(tmp_path, "--strategies", f"{mine}[reads=False]", "--seeds", "0") == 0  # its parameter decides
    assert not (tmp_path / "cache" / "features").exists()


def test_what_cannot_serve_the_data_is_said_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = plugin(tmp_path, NEEDS)
    named = ("--set", "features.model=compact")
    assert bench(tmp_path, "--strategies", mine, "--seeds", "0", *named) == 2
    assert "model 'compact' takes images of at least 16×16" in capsys.readouterr().err
    assert bench(tmp_path, "--strategies", f"{mine}[reads=False]", "--seeds", "0", *named) == 0
    assert bench(tmp_path, "--strategies", mine, "--set", "features.method=torchvision:Nothing") == 2
    assert "torchvision has no weights 'Nothing'" in capsys.readouterr().err


def test_runs_of_a_seed_choose_the_first_labels_by_them_and_resume(tmp_path: Path) -> None:
    arguments = ("--strategies", plugin(tmp_path, NEEDS), "--set", "initial=strategy", *SECTION)
    through, resumed = tmp_path / "through", tmp_path / "resumed"
    for folder in (through, resumed):
        folder.mkdir()
    assert bench(through, *arguments) == 0
    stored = [sealed.load(path) for path in (through / "cache" / "features").glob("*.pt")]
    acquired = [
        [*header["initial"]["acquired_indices"], *(i for line in rounds for i in line["acquired_indices"])]
        for header, *rounds in run_lines(through).values()
    ]
    assert len(acquired) == 2
    assert sorted(acquired) == sorted(features.sum(1).argsort(stable=True)[:30].tolist() for features in stored)
    assert acquired[0] != acquired[1]  # each seed has features of its own
    assert bench(resumed, *arguments, "--budgets", "10", "20") == 0
    for path in (resumed / "cache" / "features").glob("*"):
        path.unlink()
    assert bench(resumed, *arguments) == 0
    assert {run: {line.get("round"): line for line in lines} for run, lines in run_lines(resumed).items()} == {
        run: {line.get("round"): line for line in lines} for run, lines in run_lines(through).items()
    }


def test_features_are_computed_only_for_those_who_read_them(tmp_path: Path) -> None:
    assert bench(tmp_path, "--strategies", "margin", "--seeds", "0", "--set", *SECTION) == 0
    assert not (tmp_path / "cache" / "features").exists()


def test_nothing_leads_from_the_pool_to_a_label(digits: datasets.ImageData, tmp_path: Path) -> None:
    found: list[str] = []

    class Spy(Strategy):
        needs = frozenset({"features", "cross_fit"})

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            assert len(pool.features) + len(pool.labelled_features) == len(digits.train_labels)
            if pool.has_model:
                assert pool.cross_fit(0.3) is not None
            secrets = [digits.train_labels, digits.train_labels[pool.indices]]
            found.extend(leaks(pool, secrets, memory=[digits.test_images, digits.test_labels]))
            return torch.arange(n)

    tiny = library.load("digits").override(
        budgets=[30, 40], initial="strategy", **{"recipe.min_steps": 3, "features.steps": 2}
    )
    task = run_task(tmp_path, tiny, RunKey("spy", "supervised", 0))
    with RunFile(task.path) as file:
        assert ActiveLearningRun(task, Spy(), digits, file).execute(lambda line: True)
    assert found == []


@pytest.mark.parametrize(("method", "sets"), [("simclr", 2), ("timm:resnet18", 1)])
def test_every_seed_has_self_supervised_features_of_its_own(
    digits: datasets.ImageData, tmp_path: Path, method: str, sets: int
) -> None:
    """Or seeds would not be replicates. Strategies of a seed share them, and all runs share pretrained ones."""
    tiny: Protocol = library.load("digits").override(features=None).override(**{"features.method": method})
    digests = set()
    for seed, strategy in itertools.product((0, 1), ("spy", "spy2")):
        task = run_task(tmp_path, tiny, RunKey(strategy, "supervised", seed))
        with RunFile(task.path) as file:
            made = ActiveLearningRun(task, Strategy(), digits, file).features
        assert made is not None
        digests.add(made._digest)
    assert len(digests) == sets
