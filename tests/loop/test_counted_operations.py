"""The operations that a report derives for a run, against those that PyTorch counts while the run is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.tiny import bench, experiment
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.loop.fitting import Fitter
from benchmark.loop.run import ActiveLearningRun
from benchmark.reports import read_report
from benchmark.reports.statistics.operations import multiply_adds
from benchmark.training import predict
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.components.loss_prediction import LossPrediction

SELECTION = 0.03  # the share that the selection's own matrix products may have, which are not counted


class Counter:
    """Counts the operations within the methods that it wraps, those of inner calls once."""

    def __init__(self) -> None:
        self.flops, self._inside = 0, False

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return method(*arguments, **named)
            self._inside = True
            try:
                with FlopCounterMode(display=False) as mode:
                    return method(*arguments, **named)
            finally:
                self._inside = False
                self.flops += mode.get_total_flops()

        return counted


def chunks(_: Predictor, images: Images, indices: Tensor) -> Iterator[tuple[Tensor, int]]:
    """As ``Predictor`` cuts them, but the last is not padded."""
    for part in indices.split(predict.CHUNK):
        yield images.normalised(part), len(part)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts trainings, queries and what hooks take. Nothing is padded, and attachments take no matrix products."""
    found = Counter()
    monkeypatch.setattr(Predictor, "_chunks", chunks)
    monkeypatch.setattr(LossPrediction, "predict", lambda self, stages: stages[-1].mean((1, 2, 3)) * self.out.bias)
    monkeypatch.setattr(ActiveLearningRun, "_diagnose", lambda *_: {})
    for cls, names in ((Fitter, ["fit"]), (ActiveLearningRun, ["_query", "_hold_out", "_carry"])):
        for name in names:
            monkeypatch.setattr(cls, name, found.around(getattr(cls, name)))
    return found


@pytest.mark.parametrize(
    ("strategy", "flags", "tolerance"),
    [
        ("random", ["--budgets", "10", "20"], 0.0),
        ("margin", ["--budgets", "10", "20", "30"], 0.0),
        ("margin", ["--budgets", "10", "20", "--set", "candidates=200", "recipe.epochs=9", "recipe.min_steps=0"], 0.0),
        ("bald[samples=5]", ["--budgets", "10", "20"], 0.0),
        ("entropy[calibrated=true]", ["--budgets", "10", "20", "40", "60"], 0.0),
        ("tod", ["--budgets", "10", "20", "30"], 0.0),
        ("noise-stability[samples=3]", ["--budgets", "10", "20"], SELECTION),
        ("cal", ["--budgets", "10", "20"], SELECTION),
        ("semi-supervised-learning-loss[batcher=topk,official=true]", ["--budgets", "10", "20", "30"], 0.0),
    ],
)
def test_a_report_counts_what_a_run_computed(
    strategy: str, flags: list[str], tolerance: float, counter: Counter, tmp_path: Path
) -> None:
    assert bench(tmp_path, "--strategies", strategy, "--seeds", "0", *flags) == 0
    report = read_report(experiment(tmp_path))
    table, reasons = multiply_adds(report.runs, report.source.protocol, report.last)
    assert not reasons
    (found,) = table["operations"]
    assert found <= counter.flops / 2
    assert found == pytest.approx(counter.flops / 2, rel=tolerance)
