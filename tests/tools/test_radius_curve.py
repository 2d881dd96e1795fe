"""tools/radius_curve.py on made-up features: what it computes, what it keeps, and the page."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from support.made_up import seeded

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_radius_curve", TOOLS / "radius_curve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    labels = torch.arange(160) % 3
    x = torch.eye(3)[labels].repeat(1, 2) + 0.2 * torch.randn(160, 6, generator=seeded())
    np.savez(tmp_path / "made-up.npz", features=x.numpy(), labels=labels.numpy())
    return tmp_path


def test_the_study_computes_nothing_twice_and_writes_its_page(
    study: ModuleType, groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DOCS", groups), ("LABELS", (5, 8, 11)), ("SHARES", (0.05, 0.4))):
        monkeypatch.setattr(study, name, value)
    arguments = [f"made-up={groups / 'made-up.npz'}", "--pool", "100", "--test", "60", "--seeds", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["radius_curve.py", *arguments])
    study.main()
    table = pd.read_csv(groups / "radii.csv")
    assert not table.duplicated(["features", "strategy", "rule", "seed"]).any()
    assert len(table) == 2 * (4 + 3 + len(study.page.SWEPT) * 2 + sum("authors" in rule for rule in table["rule"]) // 2)
    first = [text.split()[0] for text in table["accuracies"]]
    assert len(set(first[: len(first) // 2])) == 1  # the same labels at first
    swept = table[(table["strategy"] == "probcover") & (table["seed"] == 0)].set_index("rule")
    assert swept.loc["0.05", "radius"] < swept.loc["0.4", "radius"]
    assert swept.loc["0.05", "singletons"] >= swept.loc["0.4", "singletons"]
    page = (groups / "radii.md").read_text()
    assert page.count("| probcover, ") == 4
    assert "| dcom, α = 40 % |" in page
    assert (groups / "radii.png").stat().st_size > 1000
    before = (groups / "radii.csv").read_text()
    study.main()
    assert (groups / "radii.csv").read_text() == before


def test_the_pool_and_the_test_set_must_fit(study: ModuleType, groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["radius_curve.py", f"made-up={groups / 'made-up.npz'}", "--pool", "150"])
    with pytest.raises(SystemExit, match="lower --pool or --test"):
        study.main()
