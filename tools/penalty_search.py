#!/usr/bin/env python3
"""How well the linear head predicts held-out training images, by its penalty and the number of labels.

    python tools/penalty_search.py cifar10-embeddings --labels 10 20 50 100 200 400 1000 4000 10000 --seeds 0 1 2

Labelled embeddings are drawn at random from the training images, and 10,000 other training images, the same for all,
judge: the test set has no say. Beside accuracy, NLL and ECE of the head stand accuracy and NLL of the mean of 100 draws
from its posterior, which Bayesian strategies read: it should predict about as well. Lines go into
``docs/recipes/<protocol>.csv``, in place of those that are there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.campaign.data_access import source_of
from benchmark.experiment import load, seeds
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.metrics import evaluate
from benchmark.training.predict import Predictor

HELD_OUT = 10_000
DRAWS = 100
COLUMNS = ("accuracy", "nll", "ece", "accuracy of draws", "nll of draws")
PENALTIES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)  # times the dimensions
TABLES = Path(__file__).resolve().parents[1] / "docs" / "recipes"


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("protocol")
    p.add_argument("--labels", type=int, nargs="+", help="label counts (default: the protocol's)")
    p.add_argument("--seeds", type=int, nargs="+", default=[0])
    p.add_argument("--data-dir", type=Path, default=Path("data"))
    p.add_argument("--cache-dir", type=Path, default=Path("cache"))
    options = p.parse_args()
    torch.set_num_threads(1)
    try:
        protocol = load(options.protocol)
        data, _ = source_of(protocol, options.data_dir, options.cache_dir, print).load()
    except (ValueError, OSError) as problem:
        p.error(str(problem))
    if not data.are_embeddings:
        p.error(f"{protocol.name} has images, not embeddings")
    images = Images(data.train_images, data.mean, data.std)
    order = torch.randperm(len(data.train_labels), generator=torch.Generator().manual_seed(1))
    judges, rest = order[:HELD_OUT], order[HELD_OUT:]
    rows = []
    for count in options.labels or protocol.budgets:
        for share in PENALTIES:
            found = []
            for seed in options.seeds:
                draw = torch.randperm(len(rest), generator=seeds.generator(seed, "initial", 0))[:count]
                chosen = rest[draw]
                head = factory.build("linear", {"penalty": share}, data.channels, (1, 1), data.class_count).eval()
                head.solve(images.normalised(chosen), data.train_labels[chosen])
                predictor = Predictor(head, None, protocol.recipe.precision)
                own = evaluate(predictor.logits(images, judges), data.train_labels[judges])
                drawn = predictor.posterior_probs(images, judges, chosen, DRAWS, seed, 0).mean(1)
                mean = evaluate(drawn.log(), data.train_labels[judges])
                found.append((own.accuracy, own.nll, own.ece, mean.accuracy, mean.nll))
            means = torch.tensor(found).mean(0).tolist()
            rows.append((count, share, len(options.seeds), *(round(x, 4) for x in means)))
            print(*rows[-1], sep="  ", flush=True)
    TABLES.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=["labels", "penalty", "seeds", *COLUMNS])
    table.to_csv(TABLES / f"{protocol.name}.csv", index=False)


if __name__ == "__main__":
    main()
