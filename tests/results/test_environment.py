"""What a header says of the checkout."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.results import environment
from benchmark.results.records import UNKNOWN, EnvironmentRecord

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"torch": "2.9.1", "numpy": "2.2", "scipy": "1.15", "scikit-learn": "1.6", "python": "3.11.7"}
HERE = EnvironmentRecord("cpu (X)", LIBRARIES, "AVX2", 1, {"mkldnn": True, "onednn": "3.5"})


def test_code_makes_a_commit_dirty_and_results_do_not(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) is None
    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/curves.csv"):
        (tmp_path / name).write_text("1")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    clean = environment.commit(tmp_path)
    assert clean is not None
    assert len(clean) >= 7
    (tmp_path / "results" / "curves.csv").write_text("2")
    (tmp_path / "untracked.py").write_text("3")
    assert environment.commit(tmp_path) == clean
    (tmp_path / "code.py").write_text("2")
    assert environment.commit(tmp_path) == f"{clean}-dirty"


def test_an_environment_agrees_with_itself_and_libraries_that_decide_nothing_may_differ() -> None:
    present = environment.record(torch.device("cpu"))
    assert environment.differences(present, present) == []
    assert {"mkldnn", "onednn", "float32_matmul_precision"} <= present.switches.keys()
    assert environment.differences(HERE, replace(HERE, libraries=LIBRARIES | {"python": "3.12.1"})) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_capability": "AVX512"}, "CPU capability AVX512 here, AVX2 there"),
        ({"device": "cpu (Y)"}, "device cpu (Y) here, cpu (X) there"),
        ({"num_threads": 4}, "threads 4 here, 1 there"),
        ({"libraries": LIBRARIES | {"torch": "2.10.0"}}, "PyTorch 2.10.0 here, 2.9.1 there"),
        ({"libraries": LIBRARIES | {"numpy": "2.3"}}, "NumPy 2.3 here, 2.2 there"),
        ({"libraries": LIBRARIES | {"scipy": "1.16"}}, "SciPy 1.16 here, 1.15 there"),
        ({"libraries": LIBRARIES | {"scikit-learn": "1.7"}}, "scikit-learn 1.7 here, 1.6 there"),
        ({"switches": {"mkldnn": False, "onednn": "3.5"}}, "mkldnn False here, True there"),
        ({"switches": {"mkldnn": True}}, "onednn unknown here, 3.5 there"),
    ],
)
def test_what_decides_bits_and_differs_is_named(changes: dict[str, object], words: str) -> None:
    assert environment.differences(HERE, replace(HERE, **changes)) == [words]  # type: ignore[arg-type]


def test_what_is_not_recorded_counts_as_another() -> None:
    old = replace(HERE, cpu_capability=UNKNOWN, num_threads=UNKNOWN, switches={})
    assert environment.differences(old, HERE) == [
        "CPU capability AVX2 here, not recorded there",
        "threads 1 here, not recorded there",
        "mkldnn True here, not recorded there",
        "onednn 3.5 here, not recorded there",
    ]
    assert environment.differences(old, old) != []
    scipy_unknown = replace(HERE, libraries={name: LIBRARIES[name] for name in LIBRARIES if name != "scipy"})
    assert environment.differences(scipy_unknown, HERE) == ["SciPy 1.15 here, not recorded there"]


def test_files_of_the_cache_are_parted_by_the_libraries_that_they_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    trained, embedded = environment.deciding(cpu), environment.deciding_of_torch(cpu)
    monkeypatch.setattr(
        environment, "libraries", lambda: {**dict.fromkeys(environment.DECIDING, "9.9"), "torch": trained["torch"]}
    )
    assert environment.deciding(cpu) == trained | {"numpy": "9.9", "scipy": "9.9", "scikit-learn": "9.9"}
    assert environment.deciding_of_torch(cpu) == embedded


def test_another_cpu_capability_is_recorded() -> None:
    code = "import torch; from benchmark.results import environment as e; print(e.record(torch.device('cpu')))"
    env = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert "cpu_capability='DEFAULT'" in done.stdout or "cpu_capability='NO AVX'" in done.stdout
