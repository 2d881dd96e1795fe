#!/usr/bin/env python3
"""Where the time of one whole run goes, from the first import to the last figure.

    python tools/profile_run.py mnist --strategy badge
    python tools/profile_run.py cifar10 --strategy badge --budgets 1000 2000 3000

Runs one strategy with one seed in this process, on one thread, into a temporary folder, and prints the share of each
part. Parts do not overlap: while one runs inside another, the other's clock stands still.
"""

# ruff: noqa: E402 (imports are timed)
from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
from unittest.mock import patch

import torch
from rich.console import Console

from benchmark.campaign import campaign as runner
from benchmark.campaign import data_checks
from benchmark.campaign.campaign import Options, Places
from benchmark.commands import computing
from benchmark.experiment import load
from benchmark.features.source import FeatureSource
from benchmark.loop.fitting import Fitter
from benchmark.loop.run import ActiveLearningRun
from benchmark.results.layers import Layers
from benchmark.results.run_file import RunFile
from benchmark.training.augmentation import Augmentation
from benchmark.training.batches import Batches, Images
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask
from benchmark.training.tuning import EngineTuning

IMPORTED = time.perf_counter()

# name of the part, and the function whose time it is, less that of the parts inside it
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("data: reading and checking", data_checks, "runnable"),
    ("data: derived once (patch covariance)", runner, "blueprint"),
    ("self-supervised features", FeatureSource, "computed"),
    ("training: images (gather, augment, normalise)", Batches, "_batch"),
    ("training: random draws", Augmentation, "draw"),
    ("training: loss", TrainingTask, "labelled_loss"),
    ("training: backward", torch.Tensor, "backward"),
    ("training: optimiser", torch.optim.SGD, "step"),
    ("training: fresh weights, forward, loop", Fitter, "fit"),
    ("tuning of the attachment", EngineTuning, "run"),
    ("test and pool: images", Images, "normalised"),
    ("test and pool: forward", Predictor, "predict"),
    ("pool: Monte-Carlo dropout", Predictor, "mc_probs"),
    ("query: the choice itself", ActiveLearningRun, "_select"),
    ("diagnostics of a predicted loss", ActiveLearningRun, "_diagnose"),
    ("store: lines", RunFile, "_append"),
    ("report: tables and figures", computing, "show"),
)


class Stopwatches:
    """A clock for each part, of which only the innermost part's runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open = [""]
        self._since = time.perf_counter()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, its own time counted under ``name``."""

        @functools.wraps(function)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self._switch()
            self._open.append(name)
            try:
                return function(*arguments, **keywords)
            finally:
                self._switch()
                self._open.pop()

        return timed

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    p.add_argument("protocol")
    p.add_argument("--strategy", default="badge")
    p.add_argument("--budgets", nargs="+", type=int)
    p.add_argument("--data-dir", type=Path, default=Path("data"))
    options = p.parse_args()
    asked = {"strategies": [options.strategy], "seeds": [0]}
    if options.budgets:
        asked["budgets"] = options.budgets
    protocol = load(options.protocol).override(**asked)
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Layers(Path(folder) / "results"), options.data_dir, Path(folder) / "cache")
        spent = profiled(lambda: computing.run(protocol, Options(places, workers=1, device="cpu"), Console()))
    rows = [("imports", IMPORTED - BEGAN), *((name, s) for name, s in spent.items() if name and s > 0)]
    rows.append(("everything else", sum(spent.values()) + IMPORTED - BEGAN - sum(s for _, s in rows)))
    total = sum(s for _, s in rows)
    budgets = protocol.budgets
    print(f"\n{options.strategy} on {protocol.name}, {budgets[0]} to {budgets[-1]} labels, one thread")
    for name, seconds in rows:
        print(f"{name:<48} {seconds:8.1f} s {100 * seconds / total:5.1f} %")
    print(f"{'in all':<48} {total:8.1f} s")


def profiled(work: Callable[[], object]) -> dict[str, float]:
    """The seconds of each part of ``work`` in the order of PARTS; those of none under an empty name."""
    watches = Stopwatches()
    replaced = [patch.object(where, name, watches.around(part, getattr(where, name))) for part, where, name in PARTS]
    for each in replaced:
        each.start()
    try:
        watches.around("", work)()
    finally:
        for each in replaced:
            each.stop()
    return {name: watches.seconds[name] for name in [*(part for part, _, _ in PARTS), ""]}


if __name__ == "__main__":
    main()
