#!/usr/bin/env python3
"""Where the time of one whole run goes, from the first import to the last figure.

    python tools/profile_run.py mnist --strategy badge
    python tools/profile_run.py cifar10 --strategy badge --budgets 1000 2000 3000

Runs one strategy with one seed in this process, on one thread, under Python's profiler, into a temporary folder, and
prints the share of each part. Parts do not overlap: a part's time leaves out that of the parts listed inside it.
"""

# ruff: noqa: E402 (imports are timed)
from __future__ import annotations

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BEGAN = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse

from rich.console import Console

from benchmark.protocol import load
from benchmark.run import Options, Places, run

IMPORTED = time.perf_counter()

# name of the part, file and function whose time, with all they call, it is; what is inside another is taken off it
PARTS = (
    ("data: reading and checking", "checks.py", "data", ""),
    ("training: images (gather, augment, normalise)", "batches.py", "_batch", ""),
    ("training: random draws", "augmentation.py", "draw", ""),
    ("training: forward and loss", "supervised.py", "objective", ""),
    ("training: backward", "_tensor.py", "backward", ""),
    ("training: optimiser", "optimizer.py", "wrapper", ""),
    ("training: the rest of the loop", "engine.py", "minimise", "training"),
    ("query: tuning of the attachment", "tuning.py", "run", ""),
    ("test and pool: images", "predict.py", "_chunks", ""),
    ("test and pool: forward", "predict.py", "predict", "test"),
    ("pool: Monte-Carlo dropout", "predict.py", "mc_probs", ""),
    ("query: the choice itself", "active_learning.py", "_select", "query"),
    ("store: lines", "store.py", "append", ""),
    ("report: tables and figures", "run.py", "_report", ""),
)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
        places = Places(options.data_dir, Path(folder) / "results", Path(folder) / "cache")
        profile, seconds = profiled(lambda: run(protocol, Options(places, workers=1, device="cpu"), Console()))
    total = seconds + IMPORTED - BEGAN
    rows = [("imports", IMPORTED - BEGAN), *parts(profile)]
    rows.append(("everything else", total - sum(spent for _, spent in rows)))
    print(
        f"\n{options.strategy} on {protocol.name}, {protocol.budgets[0]} to {protocol.budgets[-1]} labels, one thread"
    )
    for name, spent in rows:
        print(f"{name:<48} {spent:8.1f} s {100 * spent / total:5.1f} %")
    print(f"{'in all':<48} {total:8.1f} s")


def profiled(work: Callable[[], object]) -> tuple[pstats.Stats, float]:
    """The profile of ``work``, and its seconds."""
    profiler = cProfile.Profile()
    began = time.perf_counter()
    profiler.runcall(work)
    return pstats.Stats(profiler), time.perf_counter() - began


def parts(profile: pstats.Stats) -> list[tuple[str, float]]:
    """The seconds of each part of PARTS that took any."""
    spent = {(file, function): 0.0 for _, file, function, _ in PARTS}
    for (path, _, function), (_, _, _, cumulative, _) in profile.stats.items():  # type: ignore[attr-defined]
        key = (Path(path).name, function)
        if key in spent:
            spent[key] += cumulative
    seconds = {name: spent[file, function] for name, file, function, _ in PARTS}
    inner = {name: s for name, s in seconds.items() if name.startswith("training: ") and "rest" not in name}
    seconds["training: the rest of the loop"] -= sum(inner.values())
    seconds["test and pool: forward"] -= seconds["test and pool: images"]
    return [(name, s) for name, s in seconds.items() if s > 0.05]


if __name__ == "__main__":
    main()
