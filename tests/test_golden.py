"""A small run whose every bit is pinned: what tells when ENGINE_VERSION must be raised.

``PYTHONPATH=. python tests/test_golden.py`` pins it anew, on this machine.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import bench, run_lines

from benchmark import ENGINE_VERSION
from benchmark.results import environment

GOLDEN = Path(__file__).parent / "golden" / "digits.json"
STRATEGIES = ("random", "badge", "learning-loss")
SETTINGS = ("model.parameters.width=8", "model.parameters.hidden=32", "recipe.min_steps=80")
Outcome = dict[str, dict[str, Any]]


def outcome(folder: Path) -> Outcome:
    """What a run of three strategies on one seed comes to."""
    assert bench(folder, "--strategies", *STRATEGIES, "--seeds", "0", "--set", *SETTINGS) == 0
    found = {}
    for header, *rounds in run_lines(folder).values():
        indices = [
            *header["initial"]["acquired_indices"],
            *(index for line in rounds for index in line["acquired_indices"]),
        ]
        found[header["key"]["strategy"]] = {
            "bought_sha256": hashlib.sha256(str(indices).encode()).hexdigest(),
            "accuracy": [line["accuracy"] for line in rounds],
            "nll": [line["nll"] for line in rounds],
        }
    return found


def here() -> dict[str, str]:
    """What the bits depend on beside the engine: the same PyTorch on the same kind of processor gives the same."""
    return {
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": environment.device_name(torch.device("cpu")),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text()))


def test_the_golden_run_is_this_engines(golden: dict[str, Any]) -> None:
    assert golden["engine"] == ENGINE_VERSION, "pin the new engine's run: PYTHONPATH=. python tests/test_golden.py"


def test_the_bits_are_the_same(found: Outcome, golden: dict[str, Any]) -> None:
    if golden["here"] != here():
        pytest.skip(f"pinned on {golden['here']}, and the bits need the same; here is {here()}")
    assert found == golden["outcome"], (
        "the numbers that a run computes have changed: undo that, or raise benchmark.ENGINE_VERSION and pin them anew "
        "with PYTHONPATH=. python tests/test_golden.py"
    )


def test_elsewhere_the_draws_are_the_same_and_the_accuracies_agree(found: Outcome, golden: dict[str, Any]) -> None:
    """Rounding differs between processors and libraries; what is drawn does not, and the rest follows within noise."""
    expected = golden["outcome"]
    assert found["random"]["bought_sha256"] == expected["random"]["bought_sha256"]
    for strategy in STRATEGIES:
        same = found[strategy]["bought_sha256"] == expected[strategy]["bought_sha256"]
        assert found[strategy]["accuracy"][0] == pytest.approx(expected[strategy]["accuracy"][0], abs=0.05)
        assert found[strategy]["accuracy"] == pytest.approx(expected[strategy]["accuracy"], abs=0.05 if same else 0.25)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        pinned = {"engine": ENGINE_VERSION, "here": here(), "outcome": outcome(Path(folder))}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(pinned, indent=2) + "\n")
