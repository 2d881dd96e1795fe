"""Plugins that touch what is not theirs fail by name, and the other runs of the process never notice."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import bench, experiment, plugin, run_lines

from benchmark.loop.boundary import Boundary, BoundaryError
from benchmark.models import factory
from benchmark.results import failures
from benchmark.training.predict import Predictor

RANDOM = "random/supervised-seed0.jsonl"
SOUND_IN_THE_CHECK = """\
import os, random, signal, sys
import numpy as np
from strategies import Attachment
SEEN = []

class Mine(Strategy):
    kept = {{}}

    def select(self, pool, n, generator):
        order = torch.randperm(len(pool.indices), generator=generator)[:n]
        if len(pool.indices) > 1000:  # a run's pool, not one of the check's
            {line}
        return order
"""
HOSTILE = {
    "torch.rand(1)": "drew from torch's global generator in select: use the generator that it is given",
    "torch.manual_seed(3)": "drew from torch's global generator in select",
    "np.random.rand(2)": "drew from numpy's global generator in select",
    "np.random.seed(0)": "drew from numpy's global generator in select",
    "random.random()": "drew from the generator of Python's random module in select",
    "torch.set_default_dtype(torch.float64)": "changed torch's default dtype in select: leave the settings of",
    "torch.set_default_device('meta')": "changed torch's default device in select",
    "torch.set_num_threads(2)": "changed torch's number of threads in select",
    "torch.set_grad_enabled(True)": "changed torch's grad mode in select",
    "self.mode = torch.inference_mode(); self.mode.__enter__()": "changed torch's inference mode in select",
    "torch.set_autocast_enabled('cpu', True)": "changed torch's autocast in select",
    "torch.use_deterministic_algorithms(True)": "changed torch's deterministic algorithms in select",
    "torch.set_float32_matmul_precision('medium')": "changed torch's matmul precision in select",
    "torch.set_flush_denormal(True)": "changed the flushing of denormal numbers in select",
    "torch.backends.mkldnn.enabled = False": "changed torch.backends.mkldnn.enabled in select",
    "torch.backends.cudnn.benchmark = True": "changed torch.backends.cudnn.benchmark in select",
    "np.seterr(all='raise')": "changed numpy's handling of errors in select",
    "os.environ['OMP_NUM_THREADS'] = '7'": "changed the environment variable OMP_NUM_THREADS in select",
    "os.environ.pop('PATH')": "changed the environment variable PATH in select",
    "os.chdir('/')": "changed the working directory in select",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "changed a signal's handler in select",
    "pool._predictor.network.head.weight.data.mul_(2)": "changed the fitted model in select: work on a copy",
    "pool._predictor.network.train()": "changed the fitted model in select",
    "sys.exit(0)": "called sys.exit in select: raise an error instead",
    "SEEN.append(n)": "changed SEEN in select, which the next run would see: keep it in an attribute of the instance",
    "Mine.kept[n] = order": "changed Mine.kept in select, which the next run would see",
    "Mine.best = order": "changed Mine.best in select",
    "order[1] = order[0]": "select returned an image twice",
    "order = order.float()": "select must return an int64 tensor of shape (10,), not torch.float32 (10,)",
    "order = order[:, None]": "select must return an int64 tensor of shape (10,), not torch.int64 (10, 1)",
    "order = order - len(pool.indices)": "positions are 0…1247: return positions in the pool",
    "pool.indices = torch.arange(5000); order = order + 2000": "positions are 0…1247: return positions in the pool",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The lines of a run of ``random``, alone in its process."""
    folder = tmp_path_factory.mktemp("alone")
    assert bench(folder, "--strategies", "random", "--seeds", "0") == 0
    return run_lines(folder)[RANDOM]


def fails(folder: Path, capsys: pytest.CaptureFixture[str], source: str, seeds: str = "0") -> str:
    """What is said of the failed run of a plugin with this source; ``random`` runs after it in the same process."""
    where, threads, handler = os.getcwd(), torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    environment = dict(os.environ)
    capsys.readouterr()
    assert bench(folder, "--strategies", plugin(folder, source), "random", "--seeds", seeds) == 1
    assert (os.getcwd(), signal.getsignal(signal.SIGTERM)) == (where, handler)
    assert {name: os.environ.get(name) for name in environment} == environment
    assert (torch.get_default_dtype(), torch.get_num_threads() in (1, threads)) == (torch.float32, True)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: mine:Mine, seed 0"))
    return line


@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_plugin_fails_by_name_and_the_next_run_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alone: Any, line: str
) -> None:
    said = fails(tmp_path, capsys, SOUND_IN_THE_CHECK.format(line=line))
    assert f"strategy 'mine:Mine'{':' if HOSTILE[line][:3] in ('sel', 'pos') else ''} " in said
    assert HOSTILE[line] in said
    assert run_lines(tmp_path)[RANDOM] == alone


WRITES = "; ".join(
    f"pool.{part}.zero_()"
    for part in ("logits", "probs", "embeddings", "labelled_embeddings", "indices", "labelled_indices", "labels")
)
WRITES += "; pool.head.weight.data.zero_(); pool.mc_probs(2).zero_(); pool.noisy_logits(2, 0.1).zero_()"


def test_what_is_written_into_the_pool_reaches_neither_the_run_nor_its_records(tmp_path: Path, alone: Any) -> None:
    """All parts at once: the run goes on as if they had only been read, with the images that it chose."""
    writing = SOUND_IN_THE_CHECK.format(line=f"with torch.no_grad(): {WRITES}")
    honest = SOUND_IN_THE_CHECK.format(line=f"with torch.no_grad(): {WRITES.replace('.zero_()', '')}")
    for folder, source in (("writes", writing), ("honest", honest)):
        (tmp_path / folder).mkdir()
        asked = plugin(tmp_path / folder, source)
        assert bench(tmp_path / folder, "--strategies", asked, "random", "--seeds", "0") == 0
    lines = [run_lines(tmp_path / folder) for folder in ("writes", "honest")]
    assert [each.pop(RANDOM) for each in lines] == [alone, alone]
    ((_, *written),), ((_, *expected),) = (each.values() for each in lines)
    assert written == expected


ATTACHES = """\
import numpy as np
from strategies import Attachment

class Head(Attachment):
    def __init__(self, channels):
        super().__init__()
        self.linear = torch.nn.Linear(channels[-1], 1)

    def forward(self, output):
        return self.linear(output.stages[-1].float().mean((2, 3))).squeeze(1)

    def loss(self, step):
        {loss}
        return (self(step) - step.losses.detach()).square().mean()

class Mine(Strategy):
    hooks = frozenset({{"attach"}})

    def attach(self, stage_channels, class_count):
        self.head = Head(stage_channels)
        {attach}
        return self.head

    def select(self, pool, n, generator):
        if len(pool.indices) > 1000:
            {select}
        return torch.randperm(len(pool.indices), generator=generator)[:n]
"""


@pytest.mark.parametrize(
    ("where", "line", "message"),
    [
        ("select", "self.head.linear.bias.data.add_(1)", "strategy 'mine:Mine' changed the fitted model in select"),
        (
            "attach",
            "class_count == 10 and np.random.rand()",
            "'mine:Mine' drew from numpy's global generator in attach",
        ),
        (
            "loss",
            "len(step.targets) == 16 and torch.rand(1)",
            "the attachment of strategy 'mine:Mine' drew from torch's global generator in the training",
        ),
    ],
)
def test_what_takes_part_in_the_training_has_the_same_boundary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alone: Any, where: str, line: str, message: str
) -> None:
    parts = {"select": "pass", "attach": "pass", "loss": "pass", where: line}
    assert message in fails(tmp_path, capsys, ATTACHES.format(**parts))
    assert run_lines(tmp_path)[RANDOM] == alone


WRITES_INTO_THE_OUTPUT = """\
class Head(Attachment):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, output):
        found = self.scale * output.embedding.float().mean(1)
        if not torch.is_grad_enabled():
            output.logits.zero_()
            output.embedding.zero_()
        return found

    def loss(self, step):
        return (self.scale * step.embedding.float().mean(1) - step.losses.detach()).square().mean()
"""


def test_an_attachment_cannot_change_the_predictions() -> None:
    from benchmark.training.batches import Images
    from strategies import Attachment

    names: dict[str, Any] = {"torch": torch, "Attachment": Attachment}
    exec(WRITES_INTO_THE_OUTPUT, names)
    network = factory.build("cnn", {"width": 4, "hidden": 16}, 1, (8, 8), 10)
    images = Images(torch.arange(640, dtype=torch.uint8).view(10, 8, 8, 1), torch.tensor([0.5]), torch.tensor([0.2]))
    indices = torch.arange(10)
    plain = Predictor(network, None, "float32").predict(images, indices)
    written = Predictor(network, names["Head"](), "float32").predict(images, indices)
    assert written.logits.equal(plain.logits)
    assert written.embeddings.equal(plain.embeddings)
    assert plain.logits.any()


HOLDS_OUT = """\
class Mine(Strategy):
    hooks = frozenset({"hold_out"})

    def hold_out(self, old, new):
        chosen = new.indices[: len(new.indices) > 1].clone()
        if new.indices.max() > 1000 or len(new.indices) == 10:
            new.labels.fill_(7)
            new.indices.fill_(3)
        return chosen

    def select(self, pool, n, generator):
        return torch.randperm(len(pool.indices), generator=generator)[:n]
"""


def test_hold_out_cannot_relabel(tmp_path: Path, digits: Any) -> None:
    assert bench(tmp_path, "--strategies", plugin(tmp_path, HOLDS_OUT), "--seeds", "0") == 0
    ((header, *rounds),) = run_lines(tmp_path).values()
    for record in (header["initial"], *rounds[:-1]):
        indices = record["acquired_indices"]
        assert len(set(indices)) == 10
        assert digits.train_labels[indices].tolist() == record["acquired_labels"]


IMPORTS = {
    "torch.manual_seed(0)\n": "drew from torch's global generator when it was imported",
    "torch.set_default_dtype(torch.float64)\n": "changed torch's default dtype when it was imported",
    "import os\nos.environ['ATEN_CPU_CAPABILITY'] = 'default'\n": "variable ATEN_CPU_CAPABILITY when it was imported",
}


@pytest.mark.parametrize("line", IMPORTS)
def test_an_import_and_a_constructor_leave_the_process_alone_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    source = SOUND_IN_THE_CHECK.format(line="pass")
    assert bench(tmp_path, "--strategies", plugin(tmp_path, line + source), "random") == 2
    assert IMPORTS[line] in capsys.readouterr().err
    built = source.replace("    kept = {}\n", "    def __init__(self):\n        self.w = torch.rand(3)\n")
    assert bench(tmp_path, "--strategies", plugin(tmp_path, built, "other.py"), "random") == 2
    assert "it drew from torch's global generator in its constructor" in capsys.readouterr().err
    assert torch.get_default_dtype() == torch.float32


RAISES_LATER = SOUND_IN_THE_CHECK.format(line="self.round = getattr(self, 'round', 0) + 1; 1 / (self.round - 3)")


def test_a_traceback_is_kept_in_a_file_that_the_message_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a worker's process as from this one: the plugin's own line is in it."""
    budgets = ("--budgets", "10", "20", "30", "40", "50", "--seeds", "0")
    for folder, workers in ((tmp_path / "one", "1"), (tmp_path / "two", "2")):
        folder.mkdir()
        asked = plugin(folder, RAISES_LATER)
        assert bench(folder, "--strategies", asked, "random", *budgets, "--workers", workers) == 1
        (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: "))
        log = experiment(folder) / "failures.jsonl"
        assert line == f"failed: mine:Mine, seed 0: ZeroDivisionError: division by zero (traceback in {log})"
        ((failure,), _) = failures.read(experiment(folder))
        assert (failure.round, failure.host) == (2, socket.gethostname())
        text = failure.traceback
        assert "self.round - 3" in text
        assert f'File "{folder}/mine.py", line ' in text
        lines = run_lines(folder)
        assert len(lines.pop(RANDOM)) == 6
        ((_, *rounds),) = lines.values()
        assert len(rounds) == 2  # those that were finished


def test_a_plugins_verdict_is_in_the_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = plugin(tmp_path, SOUND_IN_THE_CHECK.format(line="pass"))
    assert bench(tmp_path, "--strategies", asked, "random", "--seeds", "0") == 0
    verdicts = {lines[0]["key"]["strategy"]: lines[0]["strategy_check"] for lines in run_lines(tmp_path).values()}
    assert verdicts == {"mine:Mine": "passed", "random": None}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sys.exit(1)", "select calls sys.exit: raise an error instead"),
        ("torch.rand(1)", "select drew from torch's global generator"),
        ("os.environ['X'] = '1'", "select changed the environment variable X"),
        ("pool.probs.zero_()", "select modifies pool.probs in place: work on a clone"),
        ("SEEN.append(0); order = order[: len(SEEN) % 2 + 9]", "select must return an int64 tensor of shape"),
        (
            "SEEN.append(n); order = (order + len(SEEN)) % len(pool.indices)",
            "select gave two choices for the same pool",
        ),
        ("raise KeyError('no such')", "select fails on an ordinary pool, n = 10: KeyError"),
        ("pool.embeding", "on an ordinary pool, n = 10: a pool has no 'embeding': did you mean 'embeddings'?"),
        ("pool.weights", "a pool has no 'weights': it has attachment_output, class_count, cross_fit, embeddings, "),
        ("pool.probs.entropy", "n = 10: AttributeError: 'Tensor' object has no attribute 'entropy'"),
    ],
)
def test_a_plugin_that_fails_the_check_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    source = SOUND_IN_THE_CHECK.replace("if len(pool.indices) > 1000:", "if True:").format(line=line)
    assert bench(tmp_path, "--strategies", plugin(tmp_path, source), "random") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: strategy 'mine:Mine' cannot run here: check_strategy refuses it: mine:Mine: ")
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("results/*/runs"))


def test_nan_weights_and_other_bits_are_told_apart() -> None:
    """NaN equals itself, −0 is not 0, and an added hook or buffer counts."""
    network = factory.build("cnn", {"width": 4, "hidden": 16}, 1, (8, 8), 10)
    fitted, calls = Predictor(network.eval(), None, "float32"), Boundary("strategy 'x'")
    network.head.bias.data.fill_(torch.nan)
    with calls("in select", fitted):
        pass
    network.head.bias.data.zero_()
    with (
        pytest.raises(BoundaryError, match="strategy 'x' changed the fitted model in select"),
        calls("in select", fitted),
    ):
        network.head.bias.data.neg_()
    with pytest.raises(BoundaryError, match="changed the fitted model"), calls("in select", fitted):
        network.register_buffer("mine", torch.zeros(1))
