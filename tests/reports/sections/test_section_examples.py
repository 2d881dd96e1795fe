"""The grid of test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.report_lines import write_experiment, write_run
from support.tiny import bench, experiment

from benchmark.data import datasets
from benchmark.data.image_data import ImageData
from benchmark.loop.examples import COUNT, examples
from benchmark.reports import read_report, write_report
from benchmark.reports.sections.examples import examples_figure
from benchmark.results.store import read_examples

SHOWN = 8  # of COUNT: captions of a legible size take room


@pytest.fixture(scope="module")
def data() -> ImageData:
    return datasets.load("digits")


def test_the_examples_by_brute_force(data: ImageData) -> None:
    logits = torch.randn(len(data.test_labels), 10, generator=torch.Generator().manual_seed(0))
    found = examples(data, logits)
    probs, labels = logits.double().softmax(1).numpy(), data.test_labels.numpy()
    mistakes = sorted(np.flatnonzero(probs.argmax(1) != labels), key=lambda i: -probs[i].max())[:COUNT]
    expected = [i * len(labels) // COUNT for i in range(COUNT)] + mistakes
    assert found.labels.tolist() == labels[expected].tolist()
    assert found.predicted.tolist() == probs[expected].argmax(1).tolist()
    assert found.confidence == pytest.approx(probs[expected].max(1))
    assert (found.images == data.test_images.numpy()[expected]).all()
    assert found.mistakes.tolist() == [False] * COUNT + [True] * COUNT
    perfect = examples(data, 9.0 * torch.nn.functional.one_hot(data.test_labels, 10))
    assert not perfect.mistakes.any()
    assert len(perfect.images) == COUNT


def test_a_run_leaves_examples_and_the_report_draws_them(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--budgets", "10", "20", "--learner", "supervised", "fixmatch[threshold=0]")
    assert bench(tmp_path, *arguments, report=True) == 0
    root = experiment(tmp_path)
    for stem in ("losses", "pseudo-labels", "examples"):
        assert {f"{stem}.png", f"{stem}.pdf"} <= {path.name for path in (root / "figures").iterdir()}
    runs = read_report(root).runs
    left = {run.key.learner: read_examples(run.path) for run in runs}
    assert left["supervised"] is None
    examples_there = left["fixmatch[threshold=0.0]"]
    assert examples_there is not None
    assert len(examples_there.images) == 2 * COUNT
    figure = examples_figure(runs, [10, 20])
    assert figure is not None
    assert len(figure.axes) == 2 * SHOWN  # one learner, of its first strategy
    wrong = figure.axes[SHOWN].texts[0].get_text().splitlines()
    assert len(wrong) == 2
    assert wrong[1].startswith("is ")
    assert "[figure](figures/examples.png)" in (root / "README.md").read_text()
    for path in (root / "runs").glob("*/*.epochs.jsonl"):
        path.unlink()
    write_report(root)
    assert not (root / "figures" / "losses.png").exists()
    assert (root / "figures" / "examples.png").exists()


@pytest.mark.parametrize("names", [["dog", "cat"], ["automobile", "airplane"]])
def test_captions_of_examples_do_not_touch(tmp_path: Path, names: list[str]) -> None:
    root = tmp_path / "cifar10"
    write_experiment(root, [20], learners=("fixmatch",))
    path = write_run(root, "random", 0, [20], learner="fixmatch")
    wrong = np.arange(2 * COUNT) >= COUNT
    np.savez(
        path.with_suffix(".examples.npz"),
        images=np.zeros((2 * COUNT, 32, 32, 3), dtype=np.uint8),
        labels=np.ones(2 * COUNT, dtype=np.int64),
        predicted=np.where(wrong, 0, 1),
        confidence=np.ones(2 * COUNT),
        mistakes=wrong,
        names=np.array(names),
    )
    figure = examples_figure(read_report(root).runs, [20])
    assert figure is not None
    boxes = [axes.texts[0].get_window_extent(FigureCanvasAgg(figure).get_renderer()) for axes in figure.axes]
    assert len(boxes) == 2 * SHOWN
    pictures = [axes.get_window_extent() for axes in figure.axes]
    for i, box in enumerate(boxes):
        others = boxes[:i] + pictures[:i] + pictures[i + 1 :]
        assert not any(box.overlaps(other) for other in others), figure.axes[i].texts[0].get_text()
