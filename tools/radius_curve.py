#!/usr/bin/env python3
"""What a radius is worth: accuracy of a linear head on features, over the radius of the strategies that cover.

    python tools/radius_curve.py mnist                                   # the features of a protocol, by the suite
    python tools/radius_curve.py efficientnet-lite0=features.npz         # arrays `features` (M, F) and `labels` (M,)
    python tools/radius_curve.py                                         # only the page again, from what is there

Strategies select among ``--pool`` random images; the head, a logistic regression on the features scaled to length 1
and centred, is tested on ``--test`` others. A run starts with 20 random labels, the same for all strategies of a seed.
Every run is a line in ``docs/radii.csv`` and is not computed again; ``docs/radii.md`` and ``docs/radii.png`` are made
from them. No label but those of a run's own picks reaches a strategy.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.data import datasets
from benchmark.experiment import load
from benchmark.features import source as features_of
from benchmark.training import backends
from benchmark.training.batches import Images
from docs import radii as page
from strategies.components.feature_space import unit_points
from strategies.components.radii import quantile_radius, singleton_share
from strategies.dcom import DCoM
from strategies.maxherding import MaxHerding
from strategies.probcover import ProbCover
from strategies.registry import presets_of, resolve
from strategies.testing import SyntheticPool

DOCS = Path(__file__).resolve().parents[1] / "docs"
LABELS = (20, 40, 60, 80, 100, 200)
SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.4)
COLUMNS = (
    *("features", "strategy", "rule", "seed", "accuracies"),
    *("radius", "singletons", "weights", "rarest class", "seconds"),
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Features:
    """Unit vectors ``x`` (M, F) with their labels (M,); the first ``pool`` are the pool, the others the test set."""

    name: str
    x: Tensor
    labels: Tensor
    pool: int

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("sources", nargs="*", help="protocols, or NAME=FILE.npz")
    p.add_argument("--strategies", nargs="+", default=list(page.SWEPT))
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--pool", type=int, default=4_000)
    p.add_argument("--test", type=int, default=4_000)
    p.add_argument("--data-dir", type=Path, default=Path("data"))
    p.add_argument("--cache-dir", type=Path, default=Path("cache"))
    options = p.parse_args()
    backends.settle()
    for text in options.sources:
        data = read(text, options.pool, options.test, options.data_dir, options.cache_dir)
        study(data, options.strategies, options.seeds, DOCS / "radii.csv")
    page.write(pd.read_csv(DOCS / "radii.csv"), LABELS, DOCS)


def read(text: str, pool: int, test: int, data_dir: Path, cache: Path) -> Features:
    """``pool`` and ``test`` random images of a source, unit vectors; the same ones in every call."""
    name, _, path = text.partition("=")
    if path:
        with np.load(path) as arrays:
            x, labels = torch.from_numpy(arrays["features"]), torch.from_numpy(arrays["labels"])
    else:
        protocol = load(name)
        if protocol.features is None:
            raise SystemExit(f"protocol '{name}' has no features: name one that has, or NAME=FILE.npz")
        data = datasets.load(protocol.dataset, data_dir)
        images = Images(data.train_images, data.mean, data.std)
        settings = features_of.resolved(protocol.features, protocol.model.name, protocol.model.parameters)
        x, labels = (
            features_of.source(settings, data, images, protocol.recipe, cache)(),
            data.train_labels,
        )
    if pool + test > len(x):
        raise SystemExit(f"{text} has {len(x)} images: lower --pool or --test")
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: pool + test]
    return Features(name, F.normalize(x[rows].float(), dim=1), labels[rows].long(), pool)


def study(data: Features, strategies: list[str], seeds: list[int], path: Path) -> None:
    """Add the missing runs of a source to the table at ``path``."""
    done, fresh = set(), not path.exists()
    if not fresh:
        with path.open(newline="") as file:
            done = {(row["features"], row["strategy"], row["rule"], row["seed"]) for row in csv.DictReader(file)}
    with path.open("a", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            table.writeheader()
        for seed, (strategy, rule, text) in itertools.product(seeds, settings(data, strategies)):
            if (data.name, strategy, rule, str(seed)) not in done:
                row = {"features": data.name, "strategy": strategy, "rule": rule, "seed": seed, **run(data, text, seed)}
                table.writerow(row)
                file.flush()


def settings(data: Features, strategies: list[str]) -> list[tuple[str, str, str]]:
    """Strategy, rule and spec of each run: the references, then each strategy at every share and by its own rules."""
    found = [(name, "default", name) for name in ("random", "typiclust", "margin", "uherding", *strategies)]
    points, indices = unit_points(data.x[: data.pool]), torch.arange(data.pool)
    for name in strategies:
        for preset in presets_of(resolve(name).cls):
            text = resolve(f"{name}[preset={preset}]").canonical
            found += [(name, preset, text)] * (text != name)
        parameter = {"maxherding": "sigma", "dcom": "largest_delta"}.get(name, "delta")
        for share in SHARES:
            radius = min(2.0, quantile_radius(points, indices, share))
            found.append((name, f"{share}", f"{name}[{parameter}={radius}]"))
    return found


def run(data: Features, text: str, seed: int) -> Row:
    """One run: test accuracies in % at ``LABELS`` and, of the last round, the radius and the share of singletons."""
    start = time.perf_counter()
    strategy = resolve(text).build()
    generator = torch.Generator().manual_seed(100 + seed)
    labelled = torch.randperm(data.pool, generator=generator)[: LABELS[0]]
    fitted = head(data, labelled)
    accuracies, weights, radius = [accuracy(data, fitted)], [], None
    for count in LABELS[1:]:
        pool = StudyPool.fitted(data, labelled, fitted)
        picks = strategy.select(pool, count - len(labelled), generator)
        if isinstance(strategy, DCoM):
            balls = strategy.balls(pool)
            radius = balls.radius
            weights.append(f"{balls.weight:.2g}")
        labelled = torch.cat([labelled, pool.indices[picks]])
        fitted = head(data, labelled)
        accuracies.append(accuracy(data, fitted))
    if isinstance(strategy, ProbCover):
        radius = strategy.radius(pool, generator)
    if isinstance(strategy, MaxHerding):
        radius = strategy.sigma
    picked = torch.bincount(data.labels[labelled[LABELS[0] :]], minlength=data.classes).double()
    pool_points = unit_points(data.x[: data.pool])
    return {
        "accuracies": " ".join(map(str, accuracies)),
        "radius": radius and round(radius, 4),
        "singletons": radius and round(singleton_share(pool_points, torch.arange(data.pool), radius), 4),
        "weights": " ".join(weights),
        "rarest class": round(float(picked.min() / picked.mean()), 3),
        "seconds": round(time.perf_counter() - start),
    }


def accuracy(data: Features, fitted: nn.Linear) -> float:
    right = fitted(data.x[data.pool :]).argmax(dim=1) == data.labels[data.pool :]
    return round(100 * float(right.double().mean()), 2)


def head(data: Features, labelled: Tensor) -> nn.Linear:
    """The linear head on the unit features of the ``labelled`` images (L,): logistic regression after centring."""
    centre = data.x[: data.pool].mean(dim=0)
    length = float((data.x[: data.pool] - centre).square().sum(dim=1).mean().sqrt())
    x, labels = (data.x[labelled] - centre) / length, data.labels[labelled]
    linear = nn.Linear(x.shape[1], data.classes)
    known = labels.unique()
    weight, bias = torch.zeros(data.classes, x.shape[1]), torch.full((data.classes,), -1e3)
    if len(known) == 1:
        bias[known] = 0
    else:
        model = LogisticRegression(C=40, max_iter=100).fit(x.numpy(), labels.numpy())
        coefficients, intercepts = torch.from_numpy(model.coef_).float(), torch.from_numpy(model.intercept_).float()
        if len(known) == 2:
            coefficients, intercepts = torch.cat([-coefficients, coefficients]), torch.cat([-intercepts, intercepts])
        weight[known], bias[known] = coefficients / length, intercepts - coefficients @ centre / length
    linear.weight.data, linear.bias.data = weight, bias
    return linear


@dataclass(frozen=True, eq=False)
class StudyPool(SyntheticPool):
    """A pool whose model is the head on the features."""

    data: Features | None = None

    @classmethod
    def fitted(cls, data: Features, labelled: Tensor, model: nn.Linear) -> StudyPool:
        free = torch.ones(data.pool, dtype=torch.bool)
        free[labelled] = False
        rest = free.nonzero().squeeze(1)
        x, known = data.x[rest], data.x[labelled]
        return cls(x, known, rest, labelled, data.labels[labelled], model, x, known, data=data)

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        if self.data is None or len(self.labelled_indices) < 2 * self.class_count:
            return None
        held_out = round(share * len(self.labelled_indices))
        refitted = head(self.data, self.labelled_indices[held_out:])
        return refitted(self.labelled_features[:held_out]).detach(), self.labels[:held_out]


if __name__ == "__main__":
    main()
