"""The tables of docs/recipes/README.md: CIFAR-10 with random labels, beside ResNet-18 trained for 200 epochs.

Our test accuracies are those in ``results/``, theirs the random curve of Ji et al. in ``published.json``.
Operations count the convolutions and matrix products of a training, forward and backward.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from benchmark.experiment import library
from benchmark.reports import read_report
from benchmark.reports.words import ranges
from benchmark.training.operations import of_model, of_training
from docs.headline import ROOT, filled
from docs.reproduction import PUBLISHED

PAGE = Path(__file__).with_name("recipes") / "README.md"
PROTOCOLS, SHAPE = ("cifar10", "cifar10-short"), (3, 32, 32)
EPOCHS = 200  # of ResNet-18


def page() -> str:
    """docs/recipes/README.md with its tables recomputed from the lines, or with a note that there are none."""
    text = PAGE.read_text(encoding="utf-8")
    for name in PROTOCOLS:
        there = (ROOT / "results" / name / "experiment.json").exists()
        text = filled(text, f"results/{name}", table(name) if there else "No published runs yet.\n")
    return text


def table(name: str) -> str:
    """A row per label count: accuracy, ResNet-18's, NLL, ECE, and the operations of a training. Markdown."""
    report = read_report(ROOT / "results" / name, strategies=["random"])
    protocol = library.load(name)
    model, recipe = protocol.model, protocol.recipe
    reference = of_model("resnet18", {}, SHAPE)
    theirs = json.loads(PUBLISHED.read_text(encoding="utf-8"))["ji2023"]["curves"]["random"]
    bars = dict(zip(theirs["labels"], zip(theirs["mean"], theirs["sd"], strict=True), strict=True))
    lines = [
        "| labels | seeds | accuracy (%) | ResNet-18 (%) | NLL | ECE (%) | steps | PFLOP | ResNet-18's / ours |",
        "| --: | :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for labels, rows in report.curves.groupby("labels"):
        count = int(labels)
        computed = of_training(model.name, model.parameters, SHAPE, recipe, count)
        cells = [
            f"{count:,}",
            ranges(sorted(rows["seed"])),
            _spread(100 * rows["accuracy"].mean(), 100 * rows["accuracy"].std(), 1),
            _spread(*bars[count], 1) if count in bars else "–",
            _spread(rows["nll"].mean(), rows["nll"].std(), 3),
            _spread(100 * rows["ece"].mean(), 100 * rows["ece"].std(), 1),
            f"{recipe.steps(count):,}",
            f"{computed / 1e15:.3f}",
            f"{EPOCHS * count * reference / computed:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(mean: float, deviation: float, places: int) -> str:
    return f"{mean:.{places}f}" + (f" ± {deviation:.{places}f}" if math.isfinite(deviation) else "")
