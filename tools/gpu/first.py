#!/usr/bin/env python3
"""What a GPU does with our trainings, in a few minutes: the first thing to run on a new one.

    python tools/gpu/first.py --time-limit 5m            # needs a GPU; appends to docs/performance/gpu.jsonl
    python tools/gpu/first.py --cases cnn --output measured.jsonl
    python tools/gpu/first.py --rehearse                 # small networks on the CPU; the times mean nothing

Needs the checkout alone: the images are random. Prints a line of JSON per measurement, and appends it to ``--output``.
What no time is left for is named in a line ``left out``, so that the time limit is exceeded by one measurement at most;
one that fails, for a lack of memory or otherwise, in a line ``failed``. Everything is measured under the settings of a
run (``benchmark/training/backends.py``), but for half of ``same bits``:

- ``matmul``: TFLOP/s of a large bfloat16 product, the ceiling of all that follows.
- ``same bits``: whether two equal trainings give equal weights, with cuDNN free to choose its algorithms (and TF32
  allowed) and with deterministic ones (as in a run).
- ``eager step``: of a learner's training, milliseconds per step on the clock and of the host's CPU; the number of
  kernels launched; the milliseconds for which the GPU was busy. A GPU that is busy for a small share of the step waits
  for launches: graphs and lanes help.
- ``pool pass``: images per second of a prediction.
- ``plain step``: the milliseconds of a training step whose inputs are all on the device.
- ``graphs``: that step as a CUDA graph, for 1 to 16 networks on a stream each ("lanes"): milliseconds for one step of
  all, and images per second.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.extend(sorted(map(str, Path(__file__).resolve().parents[2].glob("wheels/*.whl"))))  # for what is not installed

import torch
from torch import Tensor

from benchmark.commands.values import seconds
from benchmark.learners import build
from benchmark.training import backends
from benchmark.training.predict import Predictor
from tools.gpu.places import MEASURED, MEASURED_IN_REHEARSAL, ROOT
from tools.gpu.trainings import CASES, IMAGES, Bench, Lane, training

LONGEST = 300  # characters of what an error says
LANES = (1, 2, 4, 8, 16)
LEARNERS = ("supervised", "fixmatch[mu=3]")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rehearse", action="store_true", help="small networks on the CPU")
    p.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    p.add_argument("--time-limit", type=seconds, default=300.0, metavar="TIME", help="default: 5m")
    p.add_argument("--output", type=Path, help=f"a file of JSON lines, appended to (default: {MEASURED})")
    options = p.parse_args()
    if not options.rehearse and not torch.cuda.is_available():
        p.error("PyTorch finds no GPU: add --rehearse for a rehearsal on the CPU")
    backends.settle()
    output = options.output or ROOT / (MEASURED_IN_REHEARSAL if options.rehearse else MEASURED)
    output.parent.mkdir(parents=True, exist_ok=True)
    bench = Bench(torch.device("cpu" if options.rehearse else "cuda:0"), output)
    name = torch.cuda.get_device_name(bench.device) if bench.on_gpu else "cpu"
    bench.report("device", name=name, torch=torch.__version__)
    until = time.monotonic() + options.time_limit
    for measure, *arguments in measurements(options.cases):
        which = {"measurement": measure.__name__.removeprefix("measure_"), "of": arguments}
        if time.monotonic() >= until:
            bench.report("left out", **which)
            continue
        try:
            measure(bench, *arguments)
        except Exception as error:  # no memory, or what this GPU or PyTorch cannot do: the others are measured
            bench.report("failed", **which, error=" ".join(f"{type(error).__name__}: {error}".split())[:LONGEST])


def measurements(cases: list[str]) -> Iterator[tuple[Any, ...]]:
    """What to measure, with its arguments, in order of importance."""
    yield (measure_matmul,)
    for case in cases:
        yield measure_bits, case
    for case in cases:
        yield from ((measure_eager_step, case, learner) for learner in LEARNERS)
        yield measure_pool_pass, case
    for case in cases:
        yield measure_graphs, case


def measure_matmul(bench: Bench) -> None:
    size = bench.count(8192, 256)
    left, right = (torch.randn(size, size, device=bench.device, dtype=torch.bfloat16) for _ in range(2))
    bench.report("matmul", tflops=2 * size**3 / bench.seconds(lambda: left @ right, 10) / 1e12)


def measure_bits(bench: Bench, case: str) -> None:
    def weights() -> Tensor:
        network = build("supervised").fit(training(bench, case, bench.count(100, 3))).network
        return torch.cat([parameter.detach().float().flatten() for parameter in network.parameters()]).cpu()

    for deterministic in (False, True):
        with _cudnn(deterministic):
            same = torch.equal(weights(), weights())
        bench.report("same bits", case=case, deterministic=deterministic, same=same)


@contextmanager
def _cudnn(deterministic: bool) -> Iterator[None]:
    """cuDNN with deterministic algorithms, or free to choose among all and to use TF32."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.allow_tf32
    cudnn.deterministic, cudnn.allow_tf32 = deterministic, not deterministic
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.allow_tf32 = before


def measure_eager_step(bench: Bench, case: str, learner: str) -> None:
    steps = bench.count(200, 3)
    build(learner).fit(training(bench, case, 5))
    task = training(bench, case, steps)
    bench.wait()
    wall, host = time.perf_counter(), time.process_time()
    build(learner).fit(task)
    bench.wait()
    wall, host = time.perf_counter() - wall, time.process_time() - host
    values = {"ms": 1e3 * wall / steps, "host_ms": 1e3 * host / steps}
    if bench.on_gpu:
        values |= _kernels(bench, lambda: build(learner).fit(training(bench, case, 50)), 50)
    bench.report("eager step", case=case, learner=learner, **values)


def _kernels(bench: Bench, work: Callable[[], object], steps: int) -> dict[str, float]:
    """Kernels per step of ``work``, and the milliseconds per step for which they ran."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
        bench.wait()
    events = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return {"kernels": len(events) / steps, "gpu_ms": sum(event.device_time for event in events) / 1e3 / steps}


def measure_pool_pass(bench: Bench, case: str) -> None:
    task = training(bench, case, 5)
    predictor = Predictor(task.network, None, task.recipe.precision)
    indices = torch.arange(bench.count(IMAGES, 300), device=bench.device)
    seconds = bench.seconds(lambda: predictor.predict(task.images, indices), 3)
    bench.report("pool pass", case=case, images_per_second=len(indices) / seconds)


def measure_graphs(bench: Bench, case: str) -> None:
    lane = Lane(bench, case, 0)
    bench.report("plain step", case=case, ms=1e3 * bench.seconds(lane.step, bench.count(100, 3)))
    if not bench.on_gpu:
        return
    lanes: list[Lane] = []
    size = lane.task.recipe.batch_size
    for count in LANES:
        while len(lanes) < count:
            lanes.append(Lane(bench, case, len(lanes)))
            lanes[-1].capture()
        seconds = bench.seconds(lambda: [lane.replay() for lane in lanes], 100)
        bench.report("graphs", case=case, lanes=count, ms=1e3 * seconds, images_per_second=count * size / seconds)


if __name__ == "__main__":
    main()
