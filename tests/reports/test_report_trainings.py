"""The figures of trainings: losses and pseudo-labels from traces, and the grid of test images."""

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
from benchmark.reports.figures.lines import style_lines
from benchmark.reports.figures.trainings import LOSSES, PSEUDO_LABELS, examples_figure, trace_figure, traced
from benchmark.results.lines import trace_bytes
from benchmark.results.paths import traces_path
from benchmark.results.records import TraceRecord
from benchmark.results.store import read_examples, read_traces

LEARNERS = ("supervised", "fixmatch", "noisy-student")
STEPS = {"fixmatch": range(10, 501, 10), "noisy-student": (0, 200, 400)}


def traced_grid(root: Path, seeds: int = 2) -> Path:
    """Two label counts; the supervised learner leaves no traces, one learner few, and one many."""
    write_experiment(root, [20, 40], learners=LEARNERS)
    for learner in LEARNERS:
        for seed in range(seeds):
            path = write_run(root, "random", seed, [20, 40], learner=learner, shift=0.01 * len(learner))
            traces = [
                TraceRecord(number, step, values(learner, number, seed, step))
                for number in (0, 1)
                for step in STEPS.get(learner, ())
            ]
            if traces:
                traces_path(path).write_bytes(trace_bytes(traces) + b'{"round":1,"st')
    return root


def values(learner: str, number: int, seed: int, step: int) -> dict[str, float]:
    accepted = {"accepted": 0.1 * (1 + number) + step / 1000, "right": 0.9, "precision": 0.95}
    if learner != "fixmatch":
        return accepted
    return {"labelled_loss": 2 / (1 + step) + seed, "unlabelled_loss": 0.5, **({} if step < 30 else accepted)}


def test_the_traces_of_the_last_rounds(tmp_path: Path) -> None:
    report = read_report(traced_grid(tmp_path / "mnist"))
    frame = traced(report.runs)
    assert set(frame["labels"]) == {40}
    assert set(frame["learner"]) == {"fixmatch", "noisy-student"}
    assert len(frame) == 2 * (50 + 3)
    row = frame[(frame["learner"] == "fixmatch") & (frame["seed"] == 1) & (frame["step"] == 40)].iloc[0]
    assert (row["labelled_loss"], row["accepted"]) == pytest.approx((2 / 41 + 1, 0.24))
    assert read_traces(tmp_path / "none.jsonl") == []


def test_the_lines_are_means_over_seeds(tmp_path: Path) -> None:
    report = read_report(traced_grid(tmp_path / "mnist"))
    ranking = [("random", learner) for learner in LEARNERS]
    figure = trace_figure(traced(report.runs), LOSSES, ranking)
    assert figure is not None
    first, second = figure.axes
    (line,) = first.lines
    assert line.get_xdata().tolist() == list(STEPS["fixmatch"])
    assert line.get_ydata() == pytest.approx([2 / (1 + step) + 0.5 for step in STEPS["fixmatch"]])
    assert line.get_marker() in (None, "None")
    assert second.get_title(loc="left") == "Unlabelled loss (nats)"
    assert figure.texts[-1].get_text().startswith("at 40 labels; mean over 2 seeds")
    figure = trace_figure(traced(report.runs), PSEUDO_LABELS, ranking, scale=100)
    assert figure is not None
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    assert sorted(len(line.get_xdata()) for line in figure.axes[0].lines) == [3, 48]
    assert trace_figure(traced(report.runs)[:0], LOSSES, ranking) is None
    assert traced([]).empty


def test_of_a_single_strategy_learners_differ_in_colour() -> None:
    names = [*LEARNERS, "flexmatch", "freematch", "softmatch", "pseudo-label", "self-training"]
    lines = style_lines([("random", name) for name in names])
    assert len({line.colour for line in lines.values()}) == len(names)
    both = style_lines([(strategy, name) for strategy in ("random", "margin") for name in names[:2]])
    assert both["random", "fixmatch"].colour == both["random", "supervised"].colour


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
    figure = examples_figure(runs)
    assert figure is not None
    assert len(figure.axes) == 2 * COUNT  # one learner, of its first strategy
    wrong = figure.axes[COUNT].texts[0].get_text().splitlines()
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
    figure = examples_figure(read_report(root).runs)
    assert figure is not None
    boxes = [axes.texts[0].get_window_extent(FigureCanvasAgg(figure).get_renderer()) for axes in figure.axes]
    assert len(boxes) == 2 * COUNT
    pictures = [axes.get_window_extent() for axes in figure.axes]
    for i, box in enumerate(boxes):
        others = boxes[:i] + pictures[:i] + pictures[i + 1 :]
        assert not any(box.overlaps(other) for other in others), figure.axes[i].texts[0].get_text()
