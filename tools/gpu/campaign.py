#!/usr/bin/env python3
"""Compute what is missing of the requests in ``requests.toml``, most valuable first, until the time is over.

    python tools/gpu/campaign.py --time-limit 9m --collect out/     # results/, then what is new of it to out/
    python tools/gpu/campaign.py --rehearse --time-limit 1m         # small requests on the CPU, into rehearsal/

A request is what ``run_benchmark.py --results-dir results`` would compute, without its report. One whose data are not
here is left for later with a line. Runs stop at the end of a round; if a round is still going on twenty seconds after
the limit, it is given up, and the run goes on from the one before when this is repeated. Exit status: 0 everything is
there; 1 a run, a request or the collection failed; 3 work is left.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.extend(sorted(map(str, Path(__file__).resolve().parents[2].glob("wheels/*.whl"))))  # for what is not installed

from rich.console import Console

import run_benchmark
from benchmark.campaign import signals
from benchmark.campaign.campaign import DONE, FAILED, UNFINISHED, Options, Places, compute_missing
from benchmark.campaign.progress import duration
from benchmark.campaign.request import requested
from benchmark.data import datasets
from benchmark.experiment import Protocol
from benchmark.results import index
from benchmark.results.layers import RESULTS, find_layers
from benchmark.text.terminal import Terminal
from tools.gpu.collect import gather
from tools.gpu.pieces import size
from tools.gpu.places import REHEARSAL, ROOT, requests

GRACE = 20.0  # seconds beyond the limit after which a round is given up
SHORTEST = 10.0  # seconds that must be left for a request to begin


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--time-limit", type=run_benchmark.seconds, default=540.0, metavar="TIME", help="default: 9m")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:0")
    p.add_argument("--workers", type=run_benchmark.positive, metavar="N", help="processes, as in run_benchmark.py")
    p.add_argument("--collect", type=Path, metavar="DIR", help="where to write what is new, in files of --max-file")
    p.add_argument("--max-file", type=size, default="16M", metavar="SIZE", help="default: 16M")
    p.add_argument("--rehearse", action="store_true", help="small requests on the CPU")
    options = p.parse_args()
    collect = options.collect.absolute() if options.collect is not None else None
    os.chdir(ROOT)
    console = Terminal()
    try:
        with signals.stopping():
            status = run(options, console)
    except KeyboardInterrupt:
        console.print("the round in hand was given up", markup=False)
        status = UNFINISHED
    if collect is not None and not _collected(collect, options, console):
        return FAILED
    return status


def _collected(folder: Path, options: argparse.Namespace, console: Console) -> bool:
    """Write what is new into ``folder``; what keeps it from that is said on one line."""
    try:
        for path in gather(folder, options.max_file, options.rehearse):
            console.print(f"{path}: {path.stat().st_size:,} bytes", markup=False, soft_wrap=True)
    except (ValueError, OSError) as error:
        said = " ".join(str(error).split())
        console.print(f"not collected: {said}; use tools/gpu/collect.py out DIR", markup=False, soft_wrap=True)
        return False
    return True


def run(options: argparse.Namespace, console: Console) -> int:
    """Compute the requests one after the other; the exit status. Raises KeyboardInterrupt when a round is given up."""
    until = time.monotonic() + options.time_limit
    late = threading.Timer(options.time_limit + GRACE, os.kill, (os.getpid(), signal.SIGTERM))
    late.daemon = True
    late.start()
    statuses = []
    try:
        with index.kept_in(Path("cache")):
            for words in requests(options.rehearse):
                statuses.append(_request(words, options, until, console))
    finally:
        late.cancel()
    return FAILED if FAILED in statuses else max(statuses, default=DONE)


def _request(words: list[str], options: argparse.Namespace, until: float, console: Console) -> int:
    """Compute a request as far as time and data allow; its status."""
    left, said = until - time.monotonic(), " ".join(words)
    if left < SHORTEST:
        console.print(f"no time left for: {said}", markup=False, soft_wrap=True)
        return UNFINISHED
    folder = REHEARSAL if options.rehearse else RESULTS
    arguments = run_benchmark.parser().parse_args([*words, "--results-dir", folder])
    began = time.monotonic()
    try:
        protocol = requested(arguments)
        if not _has_data(protocol, arguments.data_dir):
            console.print(f"'{protocol.dataset}' is not here yet; left for later: {said}", markup=False, soft_wrap=True)
            return UNFINISHED
        console.print(said, markup=False, soft_wrap=True)
        layers = find_layers(Path(folder), arguments.published, Path.cwd())
        how = Options(
            Places(layers, arguments.data_dir, arguments.cache_dir),
            arguments.name,
            device="cpu" if options.rehearse else options.device,
            workers=options.workers,
            time_limit=left,
        )
        status = compute_missing(protocol, how, console).status
    except (ValueError, OSError, RuntimeError) as error:  # in one line; the other requests may be possible
        console.print(f"failed: {error}".replace("\n", " "), markup=False, soft_wrap=True)
        return FAILED
    outcome = {DONE: "all of it is there", FAILED: "runs failed", UNFINISHED: "work is left"}[status]
    console.print(f"{outcome} after {duration(time.monotonic() - began)}", markup=False)
    return status


def _has_data(protocol: Protocol, data_dir: Path) -> bool:
    """Whether the data are here: nothing is downloaded."""
    try:
        return datasets.files(protocol.dataset, data_dir) is not None
    except datasets.DatasetError:
        return False


if __name__ == "__main__":
    sys.exit(main())
