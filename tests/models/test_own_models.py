"""Networks of a user's own: named, checked, identified by their sources, and run from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny import bench, experiment, run_lines

from benchmark.models import factory
from benchmark.models.contract import contract_error

MINE = """\
import torch
from torch import nn
from torch.nn import functional as F
from benchmark.models.network import Dropout, Network
from helper import GAIN


class MyNet(Network):
    '''A small one.'''

    def __init__(self, channels, image_size, class_count, *, width: int = 4):
        super().__init__()
        self.stage_channels = (width,)
        self.conv = nn.Conv2d(channels, width, 3)
        self.dropout = Dropout(0.0, width)
        self.head = nn.Linear(width, class_count)

    def backbone(self, x):
        stage = F.relu(GAIN * self.conv(x))
        return stage.mean(dim=(2, 3)), (stage,)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("GAIN = 1.0\n")
    return tmp_path


@pytest.mark.parametrize("name", factory.MODELS)
def test_the_suites_own_hold_the_contract(name: str) -> None:
    shape = (3, (1, 1) if factory.MODELS[name].of_embeddings else (32, 32), 5)
    small = {"width": 8} if name in ("resnet18", "compact", "densenet121") else {}
    assert contract_error(lambda: factory.build(name, small, *shape), *shape) == ""


BROKEN = {
    "nn.Linear to the 10 classes": ("class_count)", "class_count + 1)"),
    "it does not set self.stage_channels": ("self.stage_channels", "self.channels"),
    "must be a benchmark.models.network.Dropout": ("Dropout(0.0, width)", "nn.Dropout(0.1)"),
    "Dropout draws from the global generator": (
        "nn.Conv2d(channels, width, 3)",
        "nn.Sequential(nn.Conv2d(channels, width, 3), nn.Dropout(0.1))",
    ),
    "a training step draws from the global generator": ("F.relu(", "F.dropout(training=self.training, input="),
    "RuntimeError: mat1 and mat2": (
        "return stage.mean(dim=(2, 3))",
        "return torch.cat(2 * [stage.mean(dim=(2, 3))], dim=1)",
    ),
    "expected (3, c, h, w) with c in (4,)": ("(stage,)", "(stage[0],)"),
    "the mean of its last stage is not the embedding: take out last_map_is_embedding = True": (
        "return stage.mean(dim=(2, 3))",
        "self.last_map_is_embedding = True\n        return stage.amax(dim=(2, 3))",
    ),
    "an image's logits depend on the others": (
        "return stage.mean(dim=(2, 3))",
        "return (stage - stage.mean(dim=0)).mean(dim=(2, 3))",
    ),
    "have other logits the second time": (
        "return stage.mean(dim=(2, 3))",
        "return stage.mean(dim=(2, 3)) + torch.rand(1)",
    ),
    "logits are not finite": ("GAIN *", "float('nan') *"),
    "two networks of one seed differ": (
        "self.dropout",
        "torch.seed()\n        self.shift = nn.Parameter(torch.rand(1))\n        self.dropout",
    ),
    "RuntimeError": ("def backbone(self, x):", "def backbone(self, x):\n        raise RuntimeError('no\\nluck')"),
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_contract_is_one_line(mine: Path, capsys: pytest.CaptureFixture[str], said: str) -> None:
    old, new = BROKEN[said]
    assert old in MINE
    (mine / "mine.py").write_text(MINE.replace(old, new, 1 if "self" not in old else -1))
    assert bench(mine, "--model", f"{mine}/mine.py:MyNet") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}/mine.py:MyNet[width=a]", "width must be a number like 4, not 'a'"),
        ("{}/mine.py:MyNet[depth=1]", "has no parameter 'depth': did you mean width? (it has: width)"),
        ("{}/mine.py:MyNet[width=-3]", "model 'mine:MyNet': Trying to create tensor with negative dimension -3"),
        ("{}/mine.py:Mynet", "has no Network class 'Mynet': did you mean MyNet"),
        ("{}/absent.py:MyNet", "there is no file"),
        ("mynet", "unknown model 'mynet'"),
    ],
)
def test_what_cannot_be_had_is_one_line(mine: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    assert bench(mine, "--model", text.format(mine)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_network_from_end_to_end(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever its folder lies, in worker processes, too; a changed helper is computed anew."""
    asked = ("--model", f"{mine}/mine.py:MyNet[width=8]", "--seeds", "0", "--strategies", "random")
    assert bench(mine, *asked, "margin", "--workers", "2") == 0
    first = run_lines(mine)["random/supervised-seed0.jsonl"]
    assert len(first[0]["model_source_sha256"]) == 64
    assert first[0]["learner_source_sha256"] is None
    elsewhere = mine / "elsewhere"
    elsewhere.mkdir()
    for name in ("mine.py", "helper.py"):
        (mine / name).rename(elsewhere / name)
    there = ("--model", f"{elsewhere}/mine.py:MyNet[width=8]", *asked[2:])
    assert bench(mine, *there) == 0
    assert "1 of 1 runs are in" in capsys.readouterr().out
    (elsewhere / "helper.py").write_text("GAIN = 2.0\n")
    assert bench(mine, *there) == 0
    assert "random, seed 0: the network's source has changed; recomputed as attempt 2" in capsys.readouterr().out
    second = run_lines(mine)["random/supervised-seed0.2.jsonl"]
    assert second[0]["fingerprint"] == first[0]["fingerprint"]
    assert second[1]["nll"] != first[1]["nll"]  # not taken over from the round 0 that the first one left


def test_strategies_that_need_dropout_do_not_run_without(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(mine, "--model", f"{mine}/mine.py:MyNet", "--strategies", "bald") == 2
    assert "it needs dropout, and model 'mine:MyNet' has none" in capsys.readouterr().err


def test_its_runs_are_verified_where_it_is_named(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ("--model", f"{mine}/mine.py:MyNet")
    assert bench(mine, *model, "--seeds", "0", "--strategies", "random") == 0
    assert bench(mine, "--verify", str(experiment(mine)), *model) == 0
    assert "the same bits" in capsys.readouterr().out


def test_a_learner_that_cannot_train_it_is_told_before_the_start(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MINE.replace("self.head", "self.norm = nn.BatchNorm1d(width)\n        self.head", 1)
    (mine / "mine.py").write_text(f"{text}\n    def embed(self, features):\n        return self.norm(features)\n")
    asked = ("--model", f"{mine}/mine.py:MyNet", "--strategies", "random")
    assert bench(mine, *asked, "--learner", "fixmatch") == 2
    error = capsys.readouterr().err
    assert "learner 'fixmatch' cannot train model 'mine:MyNet': it has BatchNorm behind its backbone" in error
    assert error.count("\n") == 1
    assert not list(mine.glob("results/*/experiment.json"))
    assert bench(mine, *asked) == 0
