#!/usr/bin/env python3
"""Compare training recipes on held-out training images, and count what they compute.

    python tools/recipe_search.py cifar10 --labels 5000 10000 --seeds 0 1 \
        --variants "" "recipe.weight_decay=2e-3" "recipe.epochs=40 model.parameters.width=48"
    python tools/recipe_search.py cifar10-fixmatch --labels 250 --learners supervised "fixmatch[mu=3]"
    python tools/recipe_search.py cifar10 --labels 4000 --strategies random "learning-loss[gradient_factor=1.0]"
    python tools/recipe_search.py cifar10-embeddings --labels 200 --variants "" "model.name=mlp recipe.min_steps=500"
    python tools/recipe_search.py cifar10 --write cifar10-held-out.npz
    python tools/recipe_search.py cifar10 --flops

A variant is what ``--set`` takes, separated by spaces; the empty one is the protocol as it is. Labelled images are
drawn from the training set as the protocol draws its first ones, and 20,000 other training images, the same for all,
judge: the test set has no say in a recipe. Learners have the other training images unlabelled. Every line goes into
``docs/recipes/<protocol>.csv`` as it comes, with the whole setting; what is there is not computed again. Of embeddings
it is ``<protocol>-trained.csv``.

``--strategies`` trains the network with each strategy's attachment and tunes that, if the strategy does, on all
labelled images, none of which is held out; its lines go into ``docs/recipes/<protocol>-attachments.csv``, with the rank
correlation of the attachment's output with the loss of the judging images and its AUROC for those that the network gets
wrong. ``--write FILE`` trains nothing: it writes a data set whose test images are the judges and whose training images
are the others, for whole runs by ``run_benchmark.py --protocol <protocol> --dataset FILE``: what a recipe does with the
labels that strategies acquire by it. ``--flops`` prints the floating-point operations of the protocol's training,
forward and backward, beside those of 200 epochs of ResNet-18 (3×3 stem) on as many labels.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark import learners
from benchmark.campaign.process import keep_freed_memory
from benchmark.campaign.request import value
from benchmark.data import datasets
from benchmark.experiment import Protocol, load, seeds
from benchmark.features.embedding import embedded
from benchmark.loop.diagnostics import rank_agreement
from benchmark.loop.labelled import draw_initial
from benchmark.models.blueprint import Fresh, blueprint
from benchmark.training import backends, operations
from benchmark.training.batches import Images
from benchmark.training.metrics import evaluate
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask
from benchmark.training.tuning import EngineTuning
from strategies.registry import Spec, resolve

HELD_OUT = 20_000
COLUMNS = ("setting", "labels", "seed", "accuracy", "nll", "ece", "training accuracy", "steps", "seconds", "torch")
RANKS = ("spearman", "auroc")
TABLES = Path(__file__).resolve().parents[1] / "docs" / "recipes"


class Split(NamedTuple):
    """Indices of training images, no two parts with one in common: (n,), (u,) and (m,) int64."""

    labelled: Tensor
    unlabelled: Tensor
    judges: Tensor


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("protocol")
    p.add_argument("--labels", type=int, nargs="+", help="label counts (default: the protocol's)")
    p.add_argument("--seeds", type=int, nargs="+", default=[0])
    p.add_argument("--variants", nargs="+", default=[""])
    p.add_argument("--learners", nargs="+", default=["supervised"])
    p.add_argument("--strategies", nargs="+", default=[], help="train with the attachment of each; random has none")
    p.add_argument("--write", type=Path, metavar="FILE", help="write an .npz with the judges as its test images")
    p.add_argument("--flops", action="store_true")
    p.add_argument("--data-dir", type=Path, default=Path("data"))
    p.add_argument("--cache-dir", type=Path, default=Path("cache"), help="of embeddings")
    options = p.parse_args()
    backends.settle()
    keep_freed_memory()
    try:
        base = load(options.protocol)
        protocols = [changed(base, variant) for variant in options.variants]
        chosen = [learners.build(name) for name in options.learners]
        specs = [resolve(name) for name in options.strategies]
        if options.write and base.embedding:
            p.error("--write is of images, and the protocol has embeddings")
        data = datasets.load(base.dataset, options.data_dir)
        data = embedded(data, base.embedding, options.cache_dir) if base.embedding else data
        counts = options.labels or base.budgets
        if options.write:
            write(data, options.write)
            return
    except (ValueError, OSError) as problem:
        p.error(str(problem))
    if options.flops:
        print_flops(base, data, counts)
        return
    kind = "-attachments" if specs else "-trained" if base.embedding else ""
    table = TABLES / f"{base.name}{kind}.csv"
    trained_with: list[Spec | None] = [*specs] or [None]
    for labels, seed, protocol, learner, spec in itertools.product(
        counts, options.seeds, protocols, chosen, trained_with
    ):
        key = [setting(protocol, learner) + (f" {spec.canonical}" if spec else ""), labels, seed]
        if not done(table, key):
            measured = trained(protocol, learner, data, drawn(protocol, data, labels, seed), seed, spec)
            append(table, [*key, *measured.values(), torch.__version__], (*COLUMNS[:3], *measured, COLUMNS[-1]))


def changed(base: Protocol, variant: str) -> Protocol:
    """``base`` with a variant's fields. Raises ValueError for an item that is no FIELD=VALUE, or that does not fit."""
    if any("=" not in item for item in variant.split()):
        raise ValueError(f"'{variant}' is no variant: write FIELD=VALUE, separated by spaces")
    changes = dict(item.split("=", 1) for item in variant.split())
    return base.override(**{field: value(text) for field, text in changes.items()})


def setting(protocol: Protocol, learner: learners.Learner) -> str:
    """Learner, network, recipe and first labels in one line, without what is at its default."""
    network = ",".join(f"{key}={x}" for key, x in sorted(protocol.model.parameters.items()))
    fields = ((f.name, getattr(protocol.recipe, f.name), f.default) for f in dataclasses.fields(protocol.recipe))
    learned = "" if learner.canonical == "supervised" else f"{learner.canonical} "
    recipe = " ".join(f"{key}={x}" for key, x, usual in fields if x != usual)
    first = "" if protocol.initial == "random" else f" initial={protocol.initial}"
    return f"{learned}{protocol.model.name}[{network}] {recipe}{first}"


def write(data: datasets.ImageData, path: Path) -> None:
    """Write an .npz whose test images are the judges."""
    judges, rest = judges_and_rest(data)
    images, labels = data.train_images.numpy(), data.train_labels.numpy()
    np.savez(path, x_train=images[rest], y_train=labels[rest], x_test=images[judges], y_test=labels[judges])
    print(f"{len(rest):,} training images and {len(judges):,} others, as its test images, are in {path}")


def judges_and_rest(data: datasets.ImageData) -> tuple[Tensor, Tensor]:
    """Indices of the judges, the same for every seed, and of the other training images."""
    order = torch.randperm(len(data.train_labels), generator=torch.Generator().manual_seed(1))
    return order[:HELD_OUT], order[HELD_OUT:]


def drawn(protocol: Protocol, data: datasets.ImageData, labels: int, seed: int) -> Split:
    """Labelled images as the protocol draws its first ones, and judges that are the same for every seed."""
    judges, rest = judges_and_rest(data)
    draws = seeds.generator(seed, "initial", 0)
    first = draw_initial(data.train_labels[rest], labels, protocol.initial == "balanced", draws)
    return Split(rest[first], rest[~torch.isin(torch.arange(len(rest)), first)], judges)


def trained(
    protocol: Protocol, learner: learners.Learner, data: datasets.ImageData, split: Split, seed: int, spec: Spec | None
) -> dict[str, float | str]:
    """Accuracy, NLL and ECE on the held-out images, accuracy on the labelled ones, the recipe's steps, and seconds.

    With ``spec``, trained with the attachment of that strategy, whose ranks are last, empty if it has none.
    """
    images = Images(data.train_images, data.mean, data.std)
    plan = blueprint(protocol.model.name, protocol.model.parameters, data)
    network, fresh = plan.network(seed, "weights", 0, images.device), Fresh(plan, seed, 0, images.device)
    strategy, attachment = None if spec is None else spec.build(), None
    if strategy is not None:
        with seeds.scoped(seed, "attachment", 0):
            attachment = strategy.attach(network.attachment_channels, data.class_count)
    answers = data.train_labels[split.labelled]
    task = TrainingTask(
        images=images,
        network=network,
        attachment=attachment,
        recipe=protocol.recipe,
        labelled=split.labelled,
        targets=answers,
        unlabelled=split.unlabelled,
        seed=seed,
        round=0,
        fresh=fresh,
    )
    began = time.perf_counter()
    result = learner.fit(task)
    seconds = time.perf_counter() - began
    predictor = Predictor(result.network, result.attachment, protocol.recipe.precision)
    if strategy is not None and attachment is not None and "after_training" in strategy.hooks:
        strategy.after_training(EngineTuning(task, predictor, split.labelled, answers))
    predictions = predictor.predict(images, split.judges)
    held = evaluate(predictions.logits, data.train_labels[split.judges])
    own = evaluate(predictor.predict(images, split.labelled).logits, answers)
    measured = (held.accuracy, held.nll, held.ece, own.accuracy)
    found: dict[str, float | str] = dict(zip(COLUMNS[3:7], (round(x, 4) for x in measured), strict=True))
    found |= {"steps": task.steps, "seconds": round(seconds, 1)}
    if spec is not None:
        ranks = {} if attachment is None else rank_agreement(predictions, data.train_labels[split.judges], "")
        found |= {name: round(ranks[key], 4) if (key := f"loss_rank..{name}") in ranks else "" for name in RANKS}
    return found


def done(table: Path, key: list[object]) -> bool:
    """Whether the table has this line."""
    if not table.exists():
        return False
    with table.open(newline="") as file:
        return any(row[:3] == [str(part) for part in key] for row in csv.reader(file))


def append(table: Path, row: list[object], columns: tuple[str, ...]) -> None:
    """Print a line, and append it to the table."""
    print(*row, sep="  ", flush=True)
    table.parent.mkdir(parents=True, exist_ok=True)
    new = not table.exists()
    with table.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, row] if new else [row])


def print_flops(protocol: Protocol, data: datasets.ImageData, counts: list[int] | tuple[int, ...]) -> None:
    """Operations of a training by the protocol, and their ratio to 200 epochs of ResNet-18, at each label count."""
    shape = (data.channels, *data.image_size)
    own = operations.of_model(protocol.model.name, protocol.model.parameters, shape)
    reference = operations.of_model("resnet18", {}, shape)
    print(
        f"{protocol.model.name}: {own / 1e9:.3f} GFLOP an image, forward and backward; ResNet-18 {reference / 1e9:.3f}"
    )
    for labels in counts:
        steps, size = protocol.recipe.steps(labels), protocol.recipe.batch_size
        computed = operations.of_training(
            protocol.model.name, protocol.model.parameters, shape, protocol.recipe, labels
        )
        ratio = 200 * labels * reference / computed
        print(f"{labels} labels: {steps} steps of {size}, {computed / 1e12:.1f} TFLOP, 1/{ratio:.0f}")


if __name__ == "__main__":
    main()
