"""The command line: what it lists, and one line for every mistake."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.mistakes import images, mistake
from support.tiny import RAISES, bench, experiment, plugin, run_lines

import run_benchmark
from benchmark.campaign import preflight as checks
from benchmark.experiment import ProtocolError
from strategies import registry


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--strategies randon", "unknown strategy 'randon': did you mean random? (--list shows all)"),
        ("--strategies bayesion", "unknown strategy 'bayesion': did you mean bayesian"),
        ("--strategies badge[", "'badge[': the bracket is not closed; write name[key=value,…]"),
        ("--strategies bald[20]", "'bald[20]': '20' is not key=value"),
        (
            "--strategies bald[sample=9]",
            "'bald' has no parameter 'sample': did you mean samples? (it has: samples, preset)",
        ),
        ("--strategies bald[samples=1]", "'bald[samples=1]': samples must be at least 2, not 1"),
        ("--strategies missing.py:Mine", "strategy 'missing.py:Mine': there is no file missing.py"),
        ("--strategies no_such_module:X", "strategy 'no_such_module:X' does not import: ModuleNotFoundError"),
        ("--strategies sys:X", "strategy 'sys:X': sys is not a module with a source file"),
        ("--strategies bald --set model.parameters.dropout=0", "strategy 'bald' cannot run here: it needs dropout"),
        ("--strategies diagnostic --set oracle=person", "none of the strategies can run on this protocol"),
        ("--learner supervised supervized", "unknown learner 'supervized': did you mean supervised?"),
        ("--protocol digit", "unknown protocol 'digit': did you mean digits? (--list shows all; or a .toml file)"),
        ("--dataset mnits", "unknown dataset 'mnits': did you mean mnist? (known: "),
        ("--dataset none.npz", "none.npz: no such file"),
        ("--dataset svhn", "svhn: not in "),
        ("--model cnm", "unknown model 'cnm': did you mean cnn? (known: cnn, compact, resnet18, wide-resnet, "),
        (
            "--model cnn[widht=3]",
            "model 'cnn' has no parameter 'widht': did you mean width? (it has: width, hidden, dropout)",
        ),
        ("--model cnn[", "'cnn[': the bracket is not closed"),
        ("--budgets 20 10", "budgets must be positive and rise: 20 10"),
        ("--budgets 10 1259", "budgets go up to 1259, but 'digits' has 1258 training images"),
        ("--budgets ten", "argument --budgets: 'ten' is not a whole number; --help shows the usage"),
        ("--seeds -1", "seeds must be distinct and not negative: -1"),
        ("--seeds 1 1", "seeds must be distinct and not negative: 1 1"),
        ("--set warm_start", "--set takes FIELD=VALUE, not 'warm_start'"),
        ("--set wram_start=true", "the protocol has no field 'wram_start': did you mean warm_start?"),
        ("--set recipe.epoch=5", "the protocol has no field 'recipe.epoch': did you mean recipe.epochs"),
        ("--set recipe.epochs=many", "'recipe.epochs' must be of type int, not 'many'"),
        ("--set recipe.learning_rate=nan", "'recipe.learning_rate' must be a finite number, not nan"),
        ("--set candidates=5", "candidates must be at least the largest acquisition batch, 10, not 5"),
        ("--set model.parameters=5", "'model.parameters' must be a table, not 5"),
        ("--set name=a", "--set does not take 'name': use --name"),
        ("--set replay=foo", "--set does not take 'replay': use --replay"),
        ("--set looks=5", "--set does not take 'looks': use --until-decided"),
        ("--set ladder=[10,20]", "--set does not take 'ladder': use --budgets"),
        ("--set notes=x", "--set does not take 'notes': use a --protocol file"),
        ("--budgets 10 20 --set budgets=[10,30]", "--set does not take 'budgets': use --budgets"),
        ("--seeds 0 1 --set seeds=[7]", "--set does not take 'seeds': use --seeds"),
        ("--dataset mnist --set dataset=digits", "--set does not take 'dataset': use --dataset"),
        ("--set strategies=['margin']", "--set does not take 'strategies': use --strategies"),
        ("--set learners=['supervised']", "--set does not take 'learners': use --learner"),
        (
            "--model cnn[width=8] --set model.name=compact",
            "--model gives model.name, and so does --set model.name=…: leave one out",
        ),
        (
            "--model cnn[width=8] --set recipe.epochs=1 model.parameters.width=4",
            "--model gives model.parameters.width, and so does --set model.parameters.width=…: leave one out",
        ),
        (
            "--model cnn[width=8] --set model.parameters={dropout=0.1}",
            "--model gives model.parameters.width, and so does --set model.parameters=…: leave one out",
        ),
        ("--model cnn --set model={name='mlp'}", "--model gives model.name, and so does --set model=…: leave one out"),
        (
            "--set recipe.epochs=1 recipe={learning_rate=0.1}",
            "--set gives 'recipe.epochs' and 'recipe', one of which is in the other: leave one out",
        ),
        ("--set model=cnn", "'model' must be a table, not 'cnn': use --model cnn"),
        ("--set model=3", "'model' must be a table, not 3: use --model NAME"),
        ("--set model.name=[1]", "'model.name' must be of type str, not [1]"),
        ("--name a/b", "--name is the name of a folder in "),
        ("--name ..", "--name is the name of a folder in "),
        ("--name=", "--name is the name of a folder in "),
        ("--device gpu", "unknown device 'gpu': did you mean cuda? (use auto, cpu, cuda or cuda:0)"),
        ("--device meta", "device 'meta' is not supported: use auto, cpu, cuda or cuda:0"),
        ("--device mps", "device 'mps' is not supported: use auto, cpu, cuda or cuda:0"),
        ("--device cpu:1", "device 'cpu:1' is not supported: use auto, cpu, cuda or cuda:0"),
        ("--device cuda:256", "device 'cuda:256' is not available: PyTorch finds "),
        ("--device cuda:99", "device 'cuda:99' is not available: PyTorch finds "),
        ("--workers 0", "argument --workers: '0' is not a whole number from 1 to 1,000,000"),
        ("--workers two", "argument --workers: 'two' is not a whole number from 1 to 1,000,000"),
        ("--time-limit soon", "argument --time-limit: 'soon' is no time: write 90s, 50m or 2h"),
        ("--time-limit -5", "argument --time-limit: '-5' is no time: write 90s, 50m or 2h"),
        ("--executor slurm", "argument --executor: invalid choice: 'slurm'"),
        ("--strategies", "argument --strategies: expected at least one argument"),
        ("--strat all", "unrecognized arguments: --strat all"),
        ("--time 5", "unrecognized arguments: --time 5"),
        ("--stratgies random", "unrecognized arguments: --stratgies random: did you mean --strategies? (--help shows"),
        ("--bugdets=20", "unrecognized arguments: --bugdets=20: did you mean --budgets?"),
        (
            "--min-steps 5",
            "unrecognized arguments: --min-steps 5: use --set recipe.min_steps=…; --help shows the usage",
        ),
        ("--set model.parameters=[1]", "'model.parameters' must be a table, not [1]"),
        ("--set model.parameters.widht=4", "model 'cnn' has no parameter 'widht': did you mean width?"),
        ("--set model.parameters.width='4'", "model 'cnn': width must be a number like 32, not '4'"),
        ("--set model.parameters.dropout=nan", "'model.parameters.dropout' must be a finite number, not nan"),
        ("--set features.model=cmn", "unknown model 'cmn': did you mean cnn? (known: cnn, compact, "),
        ("--sample 3", "--sample has no effect when running: leave out; --help shows the usage"),
        ("--output here --sample 3", "--output, --sample have no effect when running: leave out"),
        (
            "--report D --strategies x --model cnn --sample 7 --fresh",
            "--model, --sample, --fresh have no ",
        ),
        ("--report D --model cnn", "--model has no effect with --report: leave out"),
        ("--list --device cpu", "--device has no effect with --list: leave out"),
        ("--compare A B --fresh", "--fresh has no effect with --compare: leave out"),
        ("--verify D --output out", "--output has no effect with --verify: leave out"),
        ("--report D --verify D", "--report and --verify exclude one another: give one"),
        ("--executor ray --workers 2", "--workers has no effect with --executor ray, which has its own: leave out"),
        ("--report nowhere", "there is no folder nowhere, and no experiment of that name among the results"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert mistake(tmp_path, capsys, *arguments.split()).startswith(f"error: {message}")


def test_the_cpu_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.device("cpu:0") == checks.device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [checks.device(name) for name in ("cuda", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]
    for name in ("cuda:2", "cuda:128", "cuda:256"):
        with pytest.raises(ProtocolError, match="is not available: PyTorch finds 2 GPUs"):
            checks.device(name)


def test_ray_is_an_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert mistake(tmp_path, capsys, "--executor", "ray").endswith("needs Ray: pip install 'acqbench[ray]'")


def test_a_dataset_without_files_and_network_says_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = mistake(tmp_path, capsys, "--dataset", "mnist")
    assert f"mnist: not in {tmp_path / 'data'}: add {tmp_path / 'data' / 'mnist.npz'}" in said
    assert said.endswith("the download failed: no network")


def test_damaged_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = images(tmp_path / "photos", 8)
    culprit = photos / "b" / "3.png"
    culprit.write_bytes(culprit.read_bytes()[:50])
    assert f"{culprit}: not a readable image" in mistake(tmp_path, capsys, "--dataset", str(photos))
    (tmp_path / "photos.npz").write_bytes(b"PK\x03\x04 no archive")
    assert "photos.npz: not an .npz of plain arrays" in mistake(tmp_path, capsys, f"--dataset={tmp_path}/photos.npz")


def test_images_too_small_for_the_network_are_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = mistake(tmp_path, capsys, "--dataset", str(images(tmp_path / "photos", 4)), "--budgets", "2", "4")
    assert said == "error: 'photos': model 'cnn' takes images of at least 8×8, not 4×4; choose another --model"


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("cnn", "images of 8×8 beside 16×16, and 'cnn' does not"),
        ("compact", "images of 8×8 beside 16×16, and 'compact' does not"),
    ],
)
def test_a_network_that_takes_no_images_of_half_the_size_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, problem: str
) -> None:
    photos = str(images(tmp_path / "photos", 16))
    half = ("--model", model, "--set", "recipe.half_size_until=0.5", "--budgets", "2", "4")
    assert problem in mistake(tmp_path, capsys, "--dataset", photos, *half)


def test_every_kind_of_training_takes_images_of_half_the_size(tmp_path: Path) -> None:
    arguments = ("--model", "compact[width=4]", "--dataset", str(images(tmp_path / "photos", 32)), "--seeds", "0")
    half = ("recipe.half_size_until=0.5", "recipe.min_steps=6", "recipe.batch_size=4", "recipe.learning_rate=1e-3")
    learners = ("supervised", "fixmatch[mu=2]", "self-training[mu=2]", "noisy-student[iterations=2,mu=2]")
    strategies = ("--strategies", "random", "learning-loss", "--budgets", "4", "8")
    assert bench(tmp_path, *arguments, *strategies, "--learner", *learners, "--set", *half) == 0


def test_ones_own_images_get_a_ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "photos", 8)
    command = "--dataset photos --strategies random --seeds 0 --device cpu --set recipe.min_steps=1"
    assert run_benchmark.main(command.split()) == 0
    root = experiment(tmp_path)
    assert root.name.startswith("photos-")
    described = json.loads((root / "experiment.json").read_text())["protocol"]
    assert described["budgets"] == [2, 4, 6, 8, 10, 12]  # 12 images to train on, in steps of the two classes


@pytest.mark.parametrize("flag", ["--results-dir", "--cache-dir"])
def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    (tmp_path / "file").write_text("")
    advice = f"name another folder with {flag}"
    assert mistake(tmp_path, capsys, flag, str(tmp_path / "file")).endswith(
        f"cannot write to {tmp_path}/file (File exists): {advice}"
    )
    below = str(tmp_path / "file" / "below")
    assert mistake(tmp_path, capsys, flag, below).endswith(f"cannot write to {below} (Not a directory): {advice}")


def test_a_file_in_the_experiments_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine").write_text("")
    assert mistake(tmp_path, capsys, "--name", "mine").endswith(
        "results/mine (File exists): name another folder with --name"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class Mine(Strategy)\n", "does not import: SyntaxError"),
        ("import no_such_thing\n", "does not import: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise SystemExit(0)\n", "does not import: SystemExit: 0"),
        ("raise ValueError('two\\nlines')\n", "does not import: ValueError: two lines"),
        ("class Mien(Strategy):\n    pass\n", "has no Strategy class 'Mine': did you mean Mien?"),
        ("class Mine:\n    pass\n", "has no Strategy class 'Mine'"),
        ("class Mine(Strategy):\n    def __init__(self, k):\n        pass\n", "missing 1 required positional argument"),
        ("class Mine(Strategy):\n    def __init__(self):\n        1 / 0\n", "'mine:Mine': division by zero"),
        ("class Mine(Strategy):\n    name = 'random'\n", "the name 'random' is taken; give the class another"),
        (
            "from strategies import register\n@register('badge', group='core')\nclass Mine(Strategy):\n    pass\n",
            "does not import: ValueError: two strategies are named 'badge'",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    said = mistake(tmp_path, capsys, "--strategies", plugin(tmp_path, source))
    assert message in said
    assert "mine.py" in said or "mine:Mine" in said
    assert registry.resolve("badge").cls.__module__ == "strategies.badge"


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("GeneratorExit()", "GeneratorExit"),
        ("BaseException('no luck')", "BaseException: no luck"),
        ("Mute()", "Mute: its message cannot be read, for RuntimeError is raised"),
    ],
)
def test_whatever_a_plugin_raises_is_one_line_and_ends_no_other_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], raised: str, message: str
) -> None:
    mute = "class Mute(BaseException):\n    def __str__(self):\n        raise RuntimeError('mute')\n\n\n"
    raises = f"{mute}class Mine(Strategy):\n    def select(self, pool, n, generator):\n        raise {raised}\n"
    said = mistake(tmp_path, capsys, "--strategies", plugin(tmp_path, raises), "--seeds", "0")
    assert f"check_strategy refuses it: {message} (in full: " in said
    later = RAISES.replace('RuntimeError("no luck\\ntoday")', raised)
    asked = ("--strategies", plugin(tmp_path, mute + later), "random", "--seeds", "0", "--budgets", "10", "20")
    assert bench(tmp_path, *asked) == 1
    assert f"failed: mine:Mine, seed 0: {message} (traceback in " in capsys.readouterr().out
    assert len(run_lines(tmp_path)["random/supervised-seed0.jsonl"]) == 3


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("None", "select must return an int64 tensor of shape (10,), not "),
        ("[0, 1]", "select must return an int64 tensor of shape (10,), not "),
        ("torch.arange(n).float()", "select must return an int64 tensor of shape (10,), not torch.float32 (10,)"),
        ("torch.zeros(n, dtype=torch.long)", "select returned an image twice (n = 10 of "),
        ("torch.arange(n) + 9999", "select returned 9999…10008, "),
    ],
)
def test_a_plugins_wrong_answer_is_refused_and_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], returned: str, message: str
) -> None:
    wrong = plugin(
        tmp_path, f"class Mine(Strategy):\n    def select(self, pool, n, generator):\n        return {returned}\n"
    )
    said = mistake(tmp_path, capsys, "--strategies", wrong, "--seeds", "0")
    refused = "error: strategy 'mine:Mine' cannot run here: check_strategy refuses it: mine:Mine: "
    assert said.startswith(f"{refused}{message}")
