#!/usr/bin/env python3
"""Make ``tests/golden/authors`` anew: what the authors' own code chooses on small made-up pools.

    git clone https://github.com/JordanAsh/badge clones/JordanAsh+badge     # and so on: the names are below
    python tools/golden/make.py clones                                      # all of them
    python tools/golden/make.py clones badge bait

Needs what the authors' code needs (faiss-cpu, toma, pandas, tqdm), best in an environment of its own. Every file holds
the inputs, the outputs, and ``source``, the repository and the commit that was checked out. Some outputs are draws:
they need not be the same again, but the tests hold on whatever is drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bayesian
import diversity
import hybrid
import learned
import low_budget
import uncertainty
from clones import commit, without_gpu
from inputs import Arrays

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "authors"
MAKERS: dict[str, tuple[str, Callable[[Path], Arrays]]] = {  # by file: the repository and what runs its code
    **uncertainty.MAKERS,
    **bayesian.MAKERS,
    **diversity.MAKERS,
    **hybrid.MAKERS,
    **low_budget.MAKERS,
    **learned.MAKERS,
}


def make(name: str, clones: Path) -> str:
    repository, maker = MAKERS[name]
    clone = clones / repository.replace("/", "+")
    without_gpu()
    with contextlib.redirect_stdout(io.StringIO()):
        arrays = maker(clone)
    source = f"github.com/{repository}@{commit(clone)}"
    np.savez_compressed(FOLDER / f"{name}.npz", source=np.array(source), **arrays)
    return f"{name}: {source}"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("clones", type=Path, help="the folder with a clone for each repository, named OWNER+NAME")
    p.add_argument("names", nargs="*", choices=[*MAKERS, []], help="which files; all by default")
    args = p.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    # A process each: the repositories have modules of the same names.
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as executor:
        for line in executor.map(make, *zip(*((name, args.clones) for name in args.names or MAKERS), strict=True)):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
