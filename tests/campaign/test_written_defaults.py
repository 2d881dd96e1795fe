"""Parameters of networks that are written out at their defaults: the same experiment as without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny import bench, plugin

import run_benchmark
from benchmark.campaign import request
from benchmark.experiment import Protocol, load, names
from benchmark.experiment.protocol import from_dict
from benchmark.learners import LEARNERS
from benchmark.models import factory
from benchmark.results.layers import CHECKOUT
from benchmark.results.store import read_description
from strategies.registry import parameter_defaults

PUBLISHED = sorted((CHECKOUT / "results").glob("*/experiment.json"))


def requested(*arguments: str) -> Protocol:
    return request.requested(run_benchmark.parser().parse_args(arguments))


def written(protocol: Protocol, *parameters: str) -> str:
    """The protocol's network as ``--model`` takes it, with all its parameters and these defaults."""
    own = {name: factory.default_of(protocol.model.name, name) for name in parameters} | dict(protocol.model.parameters)
    return f"{protocol.model.name}[{','.join(f'{key}={value}' for key, value in own.items())}]"


@pytest.mark.parametrize("name", [name for name in names() if load(name).model.name != "linear"])
def test_a_protocols_own_network_is_its_own_however_it_is_written(name: str) -> None:
    protocol = load(name)
    for model in (written(protocol), written(protocol, "width", "dropout")):
        assert requested("--protocol", name, "--model", model).fingerprint == protocol.fingerprint


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_fingerprints_stay_whatever_they_write_out(path: Path) -> None:
    description = read_description(path.parent)
    assert description is not None
    protocol = from_dict(description.protocol)
    assert protocol.fingerprint == description.fingerprint
    if not protocol.replay:
        assert requested("--protocol", str(path)).fingerprint == description.fingerprint


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("cnn[width=8]", "cnn[dropout=0.5,hidden=128,width=8]"),
        ("cnn", "cnn[width=32]"),
        ("resnet18", "resnet18[dropout=0]"),
        ("cnn[dropout=0.0]", "cnn[dropout=0]"),
    ],
)
def test_another_network_is_one_experiment_however_it_is_written(short: str, long: str) -> None:
    found = [requested("--dataset", "mnist", "--model", model) for model in (short, long)]
    assert found[0] == found[1]
    assert found[0].fingerprint != load("mnist").fingerprint


def test_so_are_fields_of_networks_and_of_features() -> None:
    assert requested("--dataset", "mnist", "--set", "model.parameters.width=8").model.parameters == {"width": 8}
    of_features = requested("--dataset", "mnist", "--set", "features.model=cnn", "features.parameters={width=32}")
    assert of_features == load("mnist")
    other = requested("--dataset", "mnist", "--set", "features.parameters.width=16", "features.parameters.hidden=128")
    assert other.features is not None
    assert other.features.parameters == {"width": 16}


def test_a_network_of_ones_own_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "from torch import nn\nfrom benchmark.models.network import Dropout, Network\n\n\n"
        "class Mine(Network):\n"
        "    def __init__(self, channels, image_size, class_count, *, width: int = 4):\n"
        "        super().__init__()\n"
        "        self.stage_channels = (width,)\n"
        "        self.conv = nn.Conv2d(channels, width, 3)\n"
        "        self.dropout = Dropout(0.0, width)\n"
        "        self.head = nn.Linear(width, class_count)\n\n"
        "    def backbone(self, x):\n"
        "        stage = self.conv(x).relu()\n"
        "        return stage.mean(dim=(2, 3)), (stage,)\n"
    )
    mine = plugin(tmp_path, source)
    asked = ("--strategies", "random", "--seeds", "0", "--budgets", "10")
    assert bench(tmp_path, *asked, "--model", mine) == 0
    assert bench(tmp_path, *asked, "--model", f"{mine}[width=4]") == 0
    assert "1 of 1 runs are in" in capsys.readouterr().out


def test_until_decided_looks_at_what_was_computed_however_it_is_written(tmp_path: Path) -> None:
    asked = ("--seeds", "0", "1", "2", "--budgets", "10", "20", "--until-decided", "100")
    mu = parameter_defaults(LEARNERS["pseudo-label"])["mu"]
    assert bench(tmp_path, *asked, "--learner", f"pseudo-label[mu={mu}]") == 0
